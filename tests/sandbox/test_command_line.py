"""The command line, as `manage.py sandbox` and `python -m portal.slurm.sandbox` share it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm_cluster import require_sandbox, unique_name

PROJECT = Path(__file__).parents[2]

Said = subprocess.CompletedProcess[str]


class CommandLine:
    """Calls the command line for sandboxes in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.environment = {**os.environ, "PORTAL_VAR": str(folder)}

    def __call__(self, *words: str) -> Said:
        argv = [sys.executable, "-m", "portal.slurm.sandbox", *words]
        return subprocess.run(argv, cwd=PROJECT, env=self.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[CommandLine]:
    require_sandbox()
    command_line = CommandLine(tmp_path)
    yield command_line
    assert command_line("down", "--all", "--purge").returncode == 0
    assert not list(tmp_path.glob("sandbox/*"))


@pytest.mark.slurm
def test_the_verbs_from_up_to_down(sandbox: CommandLine) -> None:
    name = unique_name("cli-")
    assert f"{name} is up: Slurm 2" in sandbox("up", name).stdout
    assert f"{name}: up, process" in sandbox("status", name).stdout
    assert "idle gpu:h100:4" in sandbox("status", name).stdout

    assert sandbox("person", name, "kim").returncode == 0
    assert sandbox("run", name, "--as", "kim", "--", "id", "-un").stdout == "kim\n"
    assert sandbox("run", name, "--", "sinfo", "-h", "-o", "%R").stdout.split() == ["h100", "a100"]
    assert sandbox("run", name, "--", "sh", "-c", "exit 7").returncode == 7

    assert f"{name} is down" in sandbox("down", name).stdout
    assert f"{name}: down" in sandbox("status", name).stdout
    refused = sandbox("run", name, "--", "true")
    assert (refused.returncode, refused.stderr) == (1, f"The sandbox {name} is not up.\n")

    assert sandbox("up", name, "--resume").returncode == 0
    assert sandbox("run", name, "--", "id", "-un", "kim").stdout == "kim\n"


@pytest.mark.slurm
def test_the_name_may_be_left_out(sandbox: CommandLine) -> None:
    sandbox("up", "--node", "h2=h100:8")
    assert "h2" in sandbox("run", "--", "sinfo", "-h", "-N", "-o", "%N").stdout.split()
    assert sandbox("person", "lee").returncode == 0
    assert sandbox("run", "--as", "lee", "--", "pwd").stdout == "/home/lee\n"


def test_run_wants_its_command_after_two_hyphens(tmp_path: Path) -> None:
    said = CommandLine(tmp_path)("run", "sinfo")
    assert said.returncode == 2
    assert "give the command after --" in said.stderr


def test_djangos_command_is_the_same(tmp_path: Path) -> None:
    argv = [sys.executable, "manage.py", "sandbox", "run", "nowhere", "--", "true"]
    environment = {**os.environ, "PORTAL_VAR": str(tmp_path)}
    said = subprocess.run(argv, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert "The sandbox nowhere is not up." in said.stderr
