"""The Slurm cluster that tests share: real daemons in a sandbox, one per test run. Give each test its own account.

`from tests.slurm_cluster import cluster` in a conftest.py makes the fixture known there.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.slurm.sandbox import Sandbox

REQUIRED = os.environ.get("REQUIRE_SLURM") == "1"


def require_sandbox() -> None:
    """Skips where no sandbox can run, or fails where Slurm is required."""
    reason = Sandbox.unavailable_reason()
    if reason and REQUIRED:
        pytest.fail(f"Slurm is required (REQUIRE_SLURM=1), but: {reason}")
    if reason:
        pytest.skip(reason)


def unique_name(what: str) -> str:
    """A name that no other test run has: for sandboxes, accounts, people."""
    return f"{what}{secrets.token_hex(4)}"


def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A fresh cluster; it ends with the run at the latest, however that ends."""
    require_sandbox()
    state = tmp_path_factory.mktemp("cluster") / "state"
    sandbox = Sandbox(unique_name("test-"), state=state)
    sandbox.up(pdeathsig=True)
    yield sandbox
    sandbox.down(purge=True)


cluster = pytest.fixture(scope="session", name="cluster")(_cluster)
# For a file that reads the whole tree many hundred times: what other tests left in it makes that slow.
own_cluster = pytest.fixture(scope="module", name="cluster")(_cluster)


def wait_for(what: str, probe: Callable[[], object], seconds: float = 60) -> None:
    """Waits until the probe gives something true; fails the test with a sentence otherwise."""
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come about within {seconds:g} seconds")
        # Most probes are a command of Slurm's, which the other tests pay for.
        time.sleep(0.25)


def add_account(sandbox: Sandbox, account: str, *users: str, pool: str = "h100", gpu_minutes: int = 6000) -> None:
    """An account with a limit in one pool, and people in it who also exist as Unix users."""
    pool_words = [f"qos={pool}", f"DefaultQOS={pool}", f"GrpTRESMins=gres/gpu={gpu_minutes}"]
    sandbox.run(["sacctmgr", "-i", "add", "account", account, *pool_words])
    for user in users:
        sandbox.person(user)
        sandbox.run(["sacctmgr", "-i", "add", "user", user, f"account={account}"])


def stop_daemon(sandbox: Sandbox, daemon: str, *, kill: bool = False) -> None:
    """Stops slurmctld or slurmdbd as its service would, or as a crash does, and waits for its end.

    A service kills what has not ended in time: slurmdbd sometimes waits for a client that is gone.
    """
    pid = sandbox.run(["cat", f"/run/{daemon}/{daemon}.pid"]).stdout.strip()
    script = "kill -TERM $0; for n in $(seq 100); do kill -0 $0 2>/dev/null || exit 0; sleep 0.2; done; kill -KILL $0"
    sandbox.run(["kill", "-KILL", pid] if kill else ["sh", "-c", script, pid])
    wait_for(f"the end of {daemon}", lambda: sandbox.run(["kill", "-0", pid], check=False).returncode != 0)


def start_daemon(sandbox: Sandbox, daemon: str) -> None:
    """Starts it again and waits until both answer. Without -i slurmctld ends where it has never saved its counters."""
    sandbox.run([daemon, "-i"] if daemon == "slurmctld" else [daemon])
    for question in (["scontrol", "ping"], ["sacctmgr", "-n", "show", "cluster"], ["squeue", "-h"]):
        wait_for(f"an answer after {daemon} was started", lambda ask=question: answers(sandbox, ask))


def answers(sandbox: Sandbox, question: list[str]) -> bool:
    return sandbox.run(question, check=False).returncode == 0


def processes_inside(sandbox: Sandbox) -> set[int]:
    """The processes in a sandbox's namespaces, by their numbers outside."""
    init = sandbox.state.init()
    if init is None:
        return set()
    namespace = _namespace(Path(f"/proc/{init.pid}"))
    return {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _namespace(entry) == namespace}


def _namespace(process: Path) -> str:
    try:
        return str((process / "ns/pid").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""
