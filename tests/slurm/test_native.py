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


@pytest.fixture
def busy(place: Place) -> Iterator[Place]:
    """Jobs of every shape, an account of others, a drained node."""
    sandbox = sandbox_of(place)
    leaf = leaf_with(place, "kim", gpu_minutes=5000)
    place.account_of_others()

    def submit(*arguments: str) -> int:
        return sandbox.submit("kim", f"--account={leaf}", "--gpus=1", *arguments, script=LONG)

    requeued = submit("--time=1:00:00")
    eventually(lambda: entries(place, leaf, "RUNNING"))
    sandbox.run(["scontrol", "requeue", str(requeued)])
    submit("--time=10", "--array=0-8%2")
    submit("--time=1-0", "--begin=now+1hour")
    submit("--time=30", "--hold")
    eventually(lambda: len(entries(place, leaf, "RUNNING")) == 2)
    sandbox.run(["scancel", "--state=RUNNING", f"--account={leaf}"])
    eventually(lambda: len(entries(place, leaf, "RUNNING")) == 2)
    sandbox.run(["scontrol", "update", "NodeName=a1", "State=DRAIN", "Reason=State=IDLE"])
    yield place
    sandbox.run(["scontrol", "update", "NodeName=a1", "State=RESUME"])
    sandbox.run(["scancel", f"--account={leaf}"])


def test_pyslurm_and_the_commands_read_the_same(busy: Place) -> None:
    # Slurm goes on between two reads: a difference counts only where it stays.
    for _ in range(5):
        answer = read_inside(busy)
        pairs = {name: answer[name] for name in (*native_reads.BOTH, "jobs", "usage")}
        if all(native == commands for native, commands in pairs.values()):
            break
        time.sleep(1)
    for name, (native, commands) in pairs.items():
        assert native == commands, name
    assert len(pairs["queue"][0]) >= 5
    assert any("gpus_down=4" in group for group in pairs["capacity"][0])


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
