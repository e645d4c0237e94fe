"""A sandbox comes up and goes, cleanly or not, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.slurm.sandbox import DEFAULT_NODES, Bind, CommandFailed, Node, Sandbox, SandboxError
from portal.slurm.sandbox.processes import Process
from tests.sandbox.conftest import MakeSandbox
from tests.slurm_cluster import add_account, processes_inside, wait_for

pytestmark = pytest.mark.slurm

PROJECT = Path(__file__).parents[2]

OWNER = """
import sys, time
from pathlib import Path
from portal.slurm.sandbox import Sandbox
sandbox = Sandbox(sys.argv[1], state=Path(sys.argv[2]))
print("starting", flush=True)
sandbox.up(pdeathsig=sys.argv[3] == "dies with its owner", report=lambda line: print(line, flush=True))
print("up", flush=True)
time.sleep(600)
"""


def start_owner(sandbox: Sandbox, how: str, until: str) -> subprocess.Popen[str]:
    """Another process that starts the sandbox, once it has said the given line."""
    argv = [sys.executable, "-c", OWNER, sandbox.name, str(sandbox.state.folder), how]
    owner = subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert any(line.startswith(until) for line in owner.stdout)
    return owner


def kill(owner: subprocess.Popen[str]) -> None:
    with owner:
        owner.kill()


def all_gone(processes: set[int]) -> bool:
    """A process that has ended and waits to be reaped counts as gone; the machine's own init may take its time."""
    return not any(Process.of(pid) for pid in processes)


def mounts_below(folder: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(folder) in line]


def test_down_leaves_no_process_and_no_mount(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    inside = processes_inside(sandbox)
    assert len(inside) >= 6  # init, MariaDB, slurmdbd, slurmctld, two slurmd
    assert not mounts_below(sandbox.state.folder), "mounts of the sandbox must not be seen outside, even while it runs"

    sandbox.down()
    assert all_gone(inside)
    assert not mounts_below(sandbox.state.folder)
    assert sandbox.status().state == "down"
    assert "Shutdown complete" in (sandbox.state.upper / "var/log/mysql/mariadbd.log").read_text()

    sandbox.down(purge=True)
    assert not list(sandbox.state.folder.parent.glob(f"{sandbox.name}*"))


def test_down_is_clean_after_slurmctld_was_reconfigured(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    sandbox.run(["scontrol", "reconfigure"])
    inside = processes_inside(sandbox)
    said: list[str] = []
    sandbox.down(report=said.append)
    assert all_gone(inside)
    assert said == [], "nothing had to be ended by force"


def test_a_killed_init_takes_everything_along_and_up_works_again(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    inside = processes_inside(sandbox)
    os.kill(sandbox.status().pid or 0, signal.SIGKILL)
    wait_for("the end of all processes inside", lambda: all_gone(inside))
    assert sandbox.status().state == "down"
    sandbox.up()
    assert sandbox.status().state == "up"


def test_a_sandbox_of_a_test_ends_with_its_owner(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    owner = start_owner(sandbox, "dies with its owner", until="up")
    inside = processes_inside(sandbox)
    assert inside
    kill(owner)
    wait_for("the end of all processes inside", lambda: all_gone(inside))
    assert not mounts_below(sandbox.state.folder)


def test_a_lasting_sandbox_survives_its_owner_and_the_next_up_replaces_it(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    owner = start_owner(sandbox, "lasts", until="up")
    with pytest.raises(SandboxError, match=f"belongs to process {owner.pid}"):
        sandbox.up()
    kill(owner)
    first = processes_inside(sandbox)
    assert first
    sandbox.run(["sacctmgr", "-i", "add", "account", "old"])

    sandbox.up()
    assert all_gone(first)
    assert "old" not in sandbox.run(["sacctmgr", "-n", "-P", "show", "account", "format=account"]).stdout


@pytest.mark.parametrize("moment", ["starting", "mariadbd", "slurmctld"])
def test_what_was_killed_while_it_started_is_cleaned_by_the_next_up(make_sandbox: MakeSandbox, moment: str) -> None:
    sandbox = make_sandbox()
    kill(start_owner(sandbox, "lasts", until=moment))
    first = processes_inside(sandbox)
    sandbox.up()
    assert all_gone(first)
    assert sandbox.status().state == "up"


def test_two_side_by_side_do_not_see_each_other(make_sandbox: MakeSandbox) -> None:
    one, other = make_sandbox(), make_sandbox()
    one.up()
    other.up()
    add_account(one, "only-here", "kim")
    job = one.submit("kim", "--gpus=1", script="#!/bin/sh\nsleep 60\n")
    wait_for("the job's start", lambda: "RUNNING" in one.run(["squeue", "-h", "-o", "%T"]).stdout)

    assert str(job) in one.run(["squeue", "-h", "-o", "%i"]).stdout
    assert other.run(["squeue", "-h", "-o", "%i"]).stdout == ""
    assert "only-here" not in other.run(["sacctmgr", "-n", "-P", "show", "account", "format=account"]).stdout
    assert other.run(["id", "kim"], check=False).returncode != 0
    one.down()
    assert len(other.status().nodes) == 2


def test_resume_keeps_accounts_jobs_and_people(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    nodes = (*DEFAULT_NODES, Node("h2", "h100", 8))
    sandbox.up(nodes=nodes)
    add_account(sandbox, "kept", "kim")
    done = sandbox.submit("kim", "--gpus=1")
    waiting = sandbox.submit("kim", "--gpus=1", "--hold")
    wait_for("the job's end", lambda: "COMPLETED" in job_states(sandbox, done))
    key = sandbox.run(["cat", "/etc/slurm/slurm.key"]).stdout
    sandbox.down()

    sandbox.up(resume=True)
    assert "COMPLETED" in job_states(sandbox, done)
    assert str(waiting) in sandbox.run(["squeue", "-h", "-o", "%i"]).stdout
    assert sandbox.run(["id", "-un"], user="kim").stdout == "kim\n"
    assert [line.split()[0] for line in sandbox.status().nodes] == ["a1", "h1", "h2"]
    assert sandbox.submit("kim", "--gpus=1") > waiting
    assert sandbox.run(["cat", "/etc/slurm/slurm.key"]).stdout != key


def test_resume_after_a_crash_keeps_what_was_written(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    add_account(sandbox, "kept", "kim")
    os.kill(sandbox.status().pid or 0, signal.SIGKILL)
    sandbox.up(resume=True)
    assert "kept|kim" in sandbox.run(["sacctmgr", "-n", "-P", "show", "assoc", "format=account,user"]).stdout
    assert sandbox.submit("kim", "--gpus=1")


@pytest.mark.parametrize("how", ["clean", "crash"])
def test_a_job_that_was_cut_off_goes_back_into_the_queue(make_sandbox: MakeSandbox, how: str) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    add_account(sandbox, "kept", "kim")
    job = sandbox.submit("kim", "--gpus=2", script="#!/bin/sh\nsleep 600\n")
    stubborn = sandbox.submit("kim", "--gpus=2", "--no-requeue", script="#!/bin/sh\nsleep 600\n")
    wait_for("the jobs' start", lambda: job_states(sandbox, job) == job_states(sandbox, stubborn) == "RUNNING\n")
    if how == "clean":
        sandbox.down()
    else:
        sandbox.run(["scontrol", "reconfigure"])  # which saves slurmctld's state, as it does by itself now and then
        os.kill(sandbox.status().pid or 0, signal.SIGKILL)
    sandbox.up(resume=True)
    wait_for("the rows", lambda: job_states(sandbox, job).split() == ["REQUEUED", "PENDING"])
    assert "CANCELLED" in job_states(sandbox, stubborn)


def test_resume_of_nothing_is_a_fresh_start(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    said: list[str] = []
    sandbox.up(resume=True, report=said.append)
    assert any("nothing to resume" in line for line in said)
    assert sandbox.status().state == "up"


def test_a_failed_start_says_what_the_daemon_said_and_leaves_nothing(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    with pytest.raises(SandboxError, match=r"(?s)slurmctld did not start.*Duplicated NodeHostName h1"):
        sandbox.up(nodes=(Node("h1", "h100"), Node("h1", "h100")))
    assert sandbox.state.launcher() is None
    assert sandbox.state.init() is None


def test_folders_of_the_machine_are_shown_inside_as_asked(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    sandbox = make_sandbox()
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    binds = [Bind(tmp_path / "read", "/srv/read"), (tmp_path / "write", "/srv/write", False)]
    sandbox.up(binds=binds)
    assert sandbox.run(["cat", "/srv/read/file", "/srv/write/file"]).stdout == "readwrite"
    with pytest.raises(CommandFailed, match="Read-only file system"):
        sandbox.run(["touch", "/srv/read/new"])
    sandbox.run(["touch", "/srv/write/new"])
    assert (tmp_path / "write/new").exists()


def test_a_missing_folder_is_named_before_anything_starts(make_sandbox: MakeSandbox, tmp_path: Path) -> None:
    sandbox = make_sandbox()
    with pytest.raises(SandboxError, match="does not exist"):
        sandbox.up(binds=[Bind(tmp_path / "missing", "/srv/missing")])
    assert sandbox.state.launcher() is None


def test_inside_there_are_no_devices_and_no_network_of_the_machine(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    devices = set(sandbox.run(["ls", "/dev"]).stdout.split())
    assert devices == {
        "fakegpu0", "fakegpu1", "fakegpu2", "fakegpu3", "fd", "full", "null", "ptmx", "pts", "random", "shm",
        "stderr", "stdin", "stdout", "tty", "urandom", "zero",
    }  # fmt: skip
    interfaces = sandbox.run(["ip", "-brief", "link"]).stdout
    assert [line.split()[0] for line in interfaces.splitlines() if "DOWN" not in line] == ["lo"]


def job_states(sandbox: Sandbox, job: int) -> str:
    return sandbox.run(["sacct", "-X", "-D", "-n", "-P", "-j", str(job), "-o", "State"]).stdout


def test_what_a_test_left_can_be_resumed(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up(pdeathsig=True)
    add_account(sandbox, "kept")
    sandbox.down()
    sandbox.up(resume=True)
    assert "kept" in sandbox.run(["sacctmgr", "-n", "-P", "show", "account", "format=account"]).stdout
