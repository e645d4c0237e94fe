"""The native driver inside the sandbox, where pyslurm is: what it reads is what the commands read."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import PYTHON, Sandbox
from portal.slurm.types import AddPerson
from tests.slurm import native_reads
from tests.slurm.conftest import ROOT, Place
from tests.slurm.test_on_slurm import LONG, entries, eventually, leaf_with

pytestmark = pytest.mark.slurm
PROJECT = Path(__file__).parents[2]
CODE = "/opt/contract"


@pytest.fixture
def place(clusters: Callable[[str], Sandbox]) -> Place:
    sandbox = clusters("26.05")
    reason = sandbox.status().pyslurm_reason
    if reason:
        pytest.fail(reason)
    bring_code(sandbox)
    return Place(CommandsGateway("pohang", ROOT, sandbox.prefix), sandbox)


# How people ask for GPUs. Two start at once, where the array lets them; the others wait.
SHAPES: dict[str, tuple[str, ...]] = {
    "later": ("--gpus=1", "--time=1-0", "--begin=now+1hour"),
    "held": ("--gpus=1", "--time=30", "--hold"),
    "without a time limit": ("--gpus=1", "--hold"),
    "typed": ("--gpus=h100:2", "--time=5"),
    "by node": ("--gpus-per-node=2", "--nodes=1", "--time=5"),
    "by task": ("--gpus-per-task=1", "--ntasks=2", "--time=5"),
    "as gres": ("--gres=gpu:3", "--time=0:30"),
    "as typed gres": ("--gres=gpu:h100:1", "--time=7-0"),
    "whole node": ("--gpus=1", "--exclusive", "--time=5"),
    "Korean name": ("--gpus=1", "--time=5", "--job-name=철강 결함|검출 'x'"),
    "nodes in a range": ("--gres=gpu:1", "--nodes=1-2", "--time=5"),
    "one task": ("--gpus=1", "--time=5", "--array=7"),
    "tasks in steps": ("--gpus=1", "--time=5", "--array=1-9:4,20%1", "--hold"),
    "low priority": ("--gpus=1", "--time=5", "--nice=100", "--deadline=now+2days"),
}


@pytest.fixture
def busy(place: Place) -> Iterator[Place]:
    """Jobs of every shape and state, accounts of others, a partition of nobody, a drained node."""
    sandbox = sandbox_of(place)
    leaf = leaf_with(place, "kim", "lee", gpu_minutes=500_000)
    other = place.account_of_others()
    sandbox.run(["sacctmgr", "-i", "modify", "account", other, "set", "qos=normal,a100", "GrpTRESMins=cpu=5"])
    sandbox.run(["sacctmgr", "-i", "add", "account", f"{other}-sub", f"parent={other}", "GrpTRESMins=gres/gpu=0"])
    sandbox.run(["sacctmgr", "-i", "add", "user", "kim,lee", f"account={other}-sub"])
    sandbox.run(["scontrol", "create", "PartitionName=odd", "Nodes=a1", "MaxTime=INFINITE", "QOS=a100"])

    def submit(*arguments: str, user: str = "kim") -> int:
        return sandbox.submit(user, f"--account={leaf}", *arguments, script=LONG)

    def running() -> int:
        return len(entries(place, leaf, "RUNNING"))

    requeued = submit("--gpus=1", "--time=1:00:00")
    eventually(running)
    sandbox.run(["scontrol", "requeue", str(requeued)])
    submit("--gpus=1", "--time=10", "--array=0-8%2")
    eventually(lambda: running() == 2)
    sandbox.run(["scancel", "--state=RUNNING", f"--account={leaf}"])
    eventually(lambda: running() == 2)
    suspended = submit("--gpus=1", "--time=20", user="lee")
    eventually(lambda: running() == 3)
    sandbox.run(["scontrol", "suspend", str(suspended)])
    eventually(lambda: running() == 2)
    put_back = submit("--gpus=1", "--time=20", user="lee")
    eventually(lambda: running() == 3)
    sandbox.run(["scontrol", "requeuehold", str(put_back)])
    for shape in SHAPES.values():
        submit(*shape)
    submit("--gpus=1", "--time=5", f"--dependency=afterok:{suspended}")
    submit("--gpus=1", "--time=5", ":", "--gpus=2")
    cancelled = submit("--gpus=1", "--time=5", "--hold")
    sandbox.run(["scancel", str(cancelled)])
    sandbox.run(["scontrol", "update", "NodeName=a1", "State=DRAIN", "Reason=State=IDLE"])
    yield place
    sandbox.run(["scontrol", "update", "NodeName=a1", "State=RESUME"])
    sandbox.run(["scancel", f"--account={leaf}"])
    sandbox.run(["scontrol", "delete", "PartitionName=odd"])


def test_pyslurm_and_the_commands_read_the_same(busy: Place) -> None:
    # Slurm goes on between two reads: a difference counts only where it stays.
    for _ in range(5):
        answer = read_inside(busy)
        pairs = {name: answer[name] for name in (*native_reads.BOTH, "known_people", "jobs", "usage")}
        if all(native == commands for native, commands in pairs.values()):
            break
        time.sleep(1)
    for name, (native, commands) in pairs.items():
        assert native == commands, name
    queue = pairs["queue"][0]
    assert len(queue) >= len(SHAPES) + 5
    assert {state for state in ("PENDING", "RUNNING", "SUSPENDED") if any(state in row for row in queue)} == {
        "PENDING",
        "RUNNING",
        "SUSPENDED",
    }
    assert any("'gpus_down': 4" in group for group in pairs["capacity"][0])
    assert any("'also_in': ['odd']" in group for group in pairs["capacity"][0])
    assert any("'people': ['kim', 'lee']" in account for account in pairs["other_accounts"][0])
    assert "'qos': 'a100'" in pairs["config"][0]


def test_auto_takes_pyslurm_where_it_works_and_says_so(place: Place) -> None:
    answer = read_inside(place)
    assert answer["driver"] == "native"
    assert answer["note"].startswith("pyslurm reads")


@pytest.mark.parametrize(
    ("slurm_conf", "trouble"),
    [("/nowhere/slurm.conf", "missing or cannot be read"), ("/etc/hostname", "Importing pyslurm fails")],
)
def test_without_a_good_configuration_the_worker_lives_and_says_why(
    place: Place, slurm_conf: str, trouble: str
) -> None:
    """Importing pyslurm there would wait a minute and then end the process (slurm-facts section 7)."""
    script = "from portal.slurm.drivers import native_trouble; print(native_trouble())"
    environment = ["env", f"PYTHONPATH={CODE}", f"SLURM_CONF={slurm_conf}"]
    assert trouble in sandbox_of(place).run([*environment, PYTHON, "-c", script]).stdout


def test_a_person_added_through_the_native_driver_is_there(place: Place) -> None:
    leaf = place.leaf()
    script = (
        "from portal.slurm.drivers import open_gateway; from portal.slurm.types import AddPerson; "
        f"open_gateway('native', 'pohang', '{ROOT}').gateway.execute({AddPerson(leaf, 'kim')!r})"
    )
    sandbox_of(place).run(["env", f"PYTHONPATH={CODE}", PYTHON, "-c", script])
    assert (leaf, "kim") in place.gateway.snapshot().people


def read_inside(place: Place) -> dict[str, Any]:
    argv = ["env", f"PYTHONPATH={CODE}", PYTHON, "-m", "tests.slurm.native_reads", ROOT, place.name("native")]
    return json.loads(sandbox_of(place).run(argv).stdout)


def bring_code(sandbox: Sandbox) -> None:
    """The modules that the script needs, and nothing of Django."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for folder in ("portal/slurm", "tests/slurm"):
            for file in sorted((PROJECT / folder).glob("*.py")):
                archive.add(file, arcname=file.relative_to(PROJECT))
    unpack = f"mkdir -p {CODE} && base64 -d | tar xz -C {CODE}"
    sandbox.run(["sh", "-c", unpack], input=base64.b64encode(packed.getvalue()).decode())


def sandbox_of(place: Place) -> Sandbox:
    assert place.sandbox is not None
    return place.sandbox
