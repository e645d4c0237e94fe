"""Which driver is taken, and what is said about it."""

from __future__ import annotations

import sys

import pytest

from portal.slurm.drivers import native_trouble, open_gateway
from portal.slurm.errors import SlurmUnavailable

# Stands for Slurm's commands: tells a version, whatever is asked.
VERSION = [sys.executable, "-c", "print('slurm-wlm 24.11.5')"]


@pytest.mark.parametrize("kind", ["commands", "auto"])
def test_the_commands_are_taken_where_slurm_is_reached_through_a_prefix(kind: str) -> None:
    opened = open_gateway(kind, "pohang", "portal", VERSION)
    assert opened.gateway.driver == "commands"
    assert "version 24.11" in str(opened.driver_note)


def test_auto_says_why_it_does_without_pyslurm() -> None:
    assert str(native_trouble(["ssh", "slurm-mgmt"])) in str(
        open_gateway("auto", "pohang", "portal", VERSION).driver_note
    )


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
