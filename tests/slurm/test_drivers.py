"""Which driver is taken, and what is said about it."""

from __future__ import annotations

import sys

import pytest

from portal.slurm.drivers import native_trouble, open_gateway
from portal.slurm.errors import SlurmUnavailable

# Stands for Slurm's commands: tells a version, whatever is asked.
VERSION = [sys.executable, "-c", "print('slurm-wlm 24.11.5')"]


def test_the_commands_are_taken_where_they_are_asked_for() -> None:
    opened = open_gateway("commands", "pohang", "portal", VERSION)
    assert opened.gateway.driver == "commands"
    assert "version 24.11" in str(opened.driver_note)


def test_auto_takes_the_commands_and_says_what_is_wrong_with_pyslurm() -> None:
    opened = open_gateway("auto", "pohang", "portal", VERSION)
    assert opened.gateway.driver == "commands"
    assert opened.driver_note == native_trouble(VERSION)
    assert "prefix" in str(opened.driver_note)


def test_pyslurm_that_is_not_installed_is_told() -> None:
    assert "not installed" in str(native_trouble())


def test_native_that_cannot_be_is_told_in_a_sentence() -> None:
    with pytest.raises(SlurmUnavailable, match="prefix"):
        open_gateway("native", "pohang", "portal", VERSION)


def test_no_cluster_is_told_in_a_sentence() -> None:
    with pytest.raises(SlurmUnavailable, match="No cluster is attached"):
        open_gateway("none", "pohang", "portal")


def test_a_machine_without_slurm_is_told_in_a_sentence() -> None:
    with pytest.raises(SlurmUnavailable, match="cannot be run"):
        open_gateway("auto", "pohang", "portal", ["no-such-command"])


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="SLURM_GATEWAY"):
        open_gateway("slurmrestd", "pohang", "portal")
