"""The commands driver with real jobs, on each real cluster: what ran, what waits, what a failing Slurm looks like."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.sandbox import CommandFailed
from portal.slurm.types import (
    AddPerson,
    CreateAccount,
    JobRecord,
    ParkAccount,
    PausePerson,
    QueueEntry,
    ResumePerson,
    SetLimit,
)
from tests.slurm.conftest import ROOT, Place, associations, real

T = TypeVar("T")
LONG = "#!/bin/sh\nsleep 600\n"
HOUR = timedelta(hours=1)


def eventually(look: Callable[[], T], seconds: float = 30) -> T:
    """The first answer that is not empty. Slurm's scheduler and its database take their time."""
    until = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)
    return answer


def leaf_with(slurm: Place, *people: str, gpu_minutes: int = 600) -> str:
    leaf = slurm.leaf(gpu_minutes=gpu_minutes)
    for user in people:
        real(slurm).person(user)
        slurm.gateway.execute(AddPerson(leaf, user))
        # slurmctld hears of it from slurmdbd a moment later, and would refuse the job.
        eventually(lambda user=user: f"UserName={user}(" in associations(real(slurm), leaf))
    return leaf


def entries(slurm: Place, leaf: str, state: str = "") -> list[QueueEntry]:
    return [entry for entry in slurm.gateway.queue() if entry.account == leaf and state in ("", entry.state)]


def records(slurm: Place, leaf: str, since: datetime) -> list[JobRecord]:
    rows = slurm.gateway.jobs(since, datetime.now(UTC) + HOUR)
    return [row for row in rows if isinstance(row, JobRecord) and row.account == leaf]


def gpu_seconds(rows: list[JobRecord]) -> int:
    return sum(int((row.end - row.start).total_seconds()) * row.gpus for row in rows if row.start and row.end)


@pytest.fixture
def began() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def test_a_job_is_seen_running_and_then_with_what_it_used(slurm: Place, began: datetime) -> None:
    leaf = leaf_with(slurm, "kim")
    job = real(slurm).submit("kim", f"--account={leaf}", "--gpus=2", "--time=5", script=LONG)
    (entry,) = eventually(lambda: entries(slurm, leaf, "RUNNING"))
    assert (entry.job_id, entry.display_id, entry.user, entry.partition) == (job, str(job), "kim", "h100")
    assert (entry.gpus, entry.time_limit_minutes, entry.reason) == (2, 5, "None")
    assert entry.start is not None
    assert next(group for group in slurm.gateway.capacity() if group.partition == "h100").gpus_in_use >= 2
    (running,) = eventually(lambda: records(slurm, leaf, began))
    assert (running.state, running.end, running.final) == ("RUNNING", None, False)
    assert eventually(lambda: slurm.gateway.counters()[leaf].reserved_gpu_seconds) <= 2 * 5 * 60
    time.sleep(1)
    real(slurm).run(["scancel", str(job)])
    (done,) = eventually(lambda: [row for row in records(slurm, leaf, began) if row.final])
    assert (done.job_id, done.user, done.qos, done.state) == (job, "kim", "h100", "CANCELLED")
    assert (done.gpus, dict(done.gpu_kinds), done.db_index) == (2, {"h100": 2}, running.db_index)
    used = gpu_seconds([done])
    assert used > 0
    eventually(lambda: slurm.gateway.counters()[leaf].used_gpu_seconds == used)
    assert slurm.gateway.counters()[leaf].reserved_gpu_seconds == 0


def test_a_job_beyond_the_limit_waits_and_says_so(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim", gpu_minutes=10)
    sandbox = real(slurm)
    sandbox.submit("kim", f"--account={leaf}", "--gpus=1", "--time=8", script=LONG)
    eventually(lambda: entries(slurm, leaf, "RUNNING"))
    sandbox.submit("kim", f"--account={leaf}", "--gpus=1", "--time=8", script=LONG)
    eventually(lambda: [entry for entry in entries(slurm, leaf, "PENDING") if entry.reason == "AssocGrpGRESMinutes"])
    (waiting,) = entries(slurm, leaf, "PENDING")
    assert (waiting.start, waiting.gpus) == (None, 1)
    slurm.gateway.execute(SetLimit(leaf, 20))
    eventually(lambda: len(entries(slurm, leaf, "RUNNING")) == 2)
    sandbox.run(["scancel", f"--account={leaf}"])


def test_pausing_a_person_cancels_what_waits_and_lets_run_what_runs(slurm: Place, began: datetime) -> None:
    leaf = leaf_with(slurm, "kim", "lee", gpu_minutes=30)
    sandbox = real(slurm)

    def submit(user: str, *more: str) -> int:
        return sandbox.submit(user, f"--account={leaf}", "--gpus=1", "--time=10", *more, script=LONG)

    running = submit("kim", "--array=7")
    eventually(lambda: entries(slurm, leaf, "RUNNING"))
    submit("kim", "--hold")
    submit("kim", "--array=0-3", "--begin=now+1hour")
    others = submit("lee", "--hold")
    slurm.gateway.execute(PausePerson(leaf, "kim"))
    left = {(entry.display_id, entry.state) for entry in entries(slurm, leaf)}
    assert left == {(f"{running}_7", "RUNNING"), (str(others), "PENDING")}
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        submit("kim")
    slurm.gateway.execute(ResumePerson(leaf, "kim"))
    eventually(lambda: accepted(submit))
    never_ran = [row for row in records(slurm, leaf, began) if row.state == "CANCELLED"]
    assert all(row.start is None and row.gpus == 0 and row.final for row in never_ran)
    sandbox.run(["scancel", f"--account={leaf}"])


def accepted(submit: Callable[[str], int]) -> bool:
    """slurmctld hears of the change a moment after slurmdbd has it."""
    try:
        return submit("kim") > 0
    except CommandFailed:
        return False


def test_a_requeued_job_keeps_its_first_run(slurm: Place, began: datetime) -> None:
    leaf = leaf_with(slurm, "kim")
    sandbox = real(slurm)
    job = sandbox.submit("kim", f"--account={leaf}", "--gpus=h100:1", "--time=5", script=LONG)
    eventually(lambda: entries(slurm, leaf, "RUNNING"))
    time.sleep(1.1)
    sandbox.run(["scontrol", "requeue", str(job)])
    first = eventually(lambda: [row for row in records(slurm, leaf, began) if row.state == "REQUEUED"])
    sandbox.run(["scancel", str(job)])
    eventually(lambda: not entries(slurm, leaf))
    rows = eventually(lambda: [row for row in records(slurm, leaf, began) if row.final])
    assert {row.job_id for row in rows} == {job}
    assert gpu_seconds(first) > 0
    assert gpu_seconds(rows) == gpu_seconds(first)


def test_usage_is_what_the_job_rows_add_up_to(slurm: Place, began: datetime) -> None:
    leaf = leaf_with(slurm, "kim", "lee")
    sandbox = real(slurm)
    for user, gpus in (("kim", 1), ("lee", 2)):
        sandbox.submit(user, f"--account={leaf}", f"--gpus={gpus}", "--time=5", script="#!/bin/sh\nsleep 1\n")
    rows = eventually(lambda: len(done := [row for row in records(slurm, leaf, began) if row.final]) == 2 and done)
    start = began.replace(minute=0, second=0, microsecond=0)
    end = start + 2 * HOUR
    sandbox.rollup(start, end)
    usage = slurm.gateway.usage(start, end)
    assert {key: seconds for key, seconds in usage.items() if key[0] == leaf} == {
        (leaf, row.user): gpu_seconds([row]) for row in rows
    }


def test_writers_at_the_same_time_lose_nothing(slurm: Place) -> None:
    """Each with a gateway of its own: what 22.05 cannot bear is prevented here (slurm-facts 1.2)."""
    names = [slurm.name("many") for _ in range(8)]

    def create(name: str) -> None:
        CommandsGateway("pohang", ROOT, real(slurm).prefix).execute(CreateAccount(name, ROOT, gpu_minutes=5))

    threads = [threading.Thread(target=create, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accounts = slurm.gateway.snapshot().accounts
    assert {name: accounts[name].gpu_minutes for name in names} == dict.fromkeys(names, 5)


def test_the_change_of_an_administrator_is_seen(slurm: Place) -> None:
    leaf = slurm.leaf(gpu_minutes=60)
    real(slurm).run(["sacctmgr", "-i", "modify", "account", leaf, "set", "GrpTRESMins=gres/gpu=-1", "GrpJobs=3"])
    account = slurm.gateway.snapshot().accounts[leaf]
    assert (account.gpu_minutes, account.group_jobs, account.parked) == (None, 3, False)
    slurm.gateway.execute(CreateAccount(leaf, account.parent, gpu_minutes=60, parked=True))
    assert slurm.gateway.snapshot().accounts[leaf].parked


def test_without_slurmdbd_every_answer_is_unavailable(slurm: Place) -> None:
    leaf = slurm.leaf()
    now = datetime.now(UTC)
    with stopped(slurm, "slurmdbd"):
        for call in (
            slurm.gateway.snapshot,
            slurm.gateway.counters,
            slurm.gateway.other_accounts,
            slurm.gateway.sequence,
            slurm.gateway.health,
            lambda: slurm.gateway.set_sequence(1),
            lambda: slurm.gateway.execute(ParkAccount(leaf)),
            lambda: list(slurm.gateway.jobs(now - HOUR, now)),
            lambda: slurm.gateway.usage(now.replace(minute=0, second=0, microsecond=0) - HOUR, hour(now)),
        ):
            with pytest.raises(SlurmUnavailable) as caught:
                call()
            assert not caught.value.permanent
            assert caught.value.words
        # What slurmctld knows is told all the same.
        slurm.gateway.queue()
        slurm.gateway.capacity()
    assert not slurm.gateway.snapshot().accounts[leaf].parked


def test_without_slurmctld_the_queue_is_unavailable_and_writes_go_on(slurm: Place) -> None:
    leaf = slurm.leaf()
    impatient = CommandsGateway("pohang", ROOT, real(slurm).prefix, seconds=1)
    with stopped(slurm, "slurmctld"):
        for call in (impatient.queue, impatient.config):
            with pytest.raises(SlurmUnavailable):
                call()
        slurm.gateway.execute(SetLimit(leaf, 5))
    eventually(lambda: slurm.gateway.counters()[leaf].limit_gpu_minutes == 5)


def hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


@contextmanager
def stopped(slurm: Place, daemon: str) -> Iterator[None]:
    sandbox = real(slurm)
    pid_file = f"/run/{daemon}/{daemon}.pid"
    pid = sandbox.run(["cat", pid_file]).stdout.strip()
    sandbox.run(["kill", "-TERM", pid])
    eventually(lambda: sandbox.run(["kill", "-0", pid], check=False).returncode != 0)
    try:
        yield
    finally:
        sandbox.run([daemon])
        eventually(lambda: answers(slurm))


def answers(slurm: Place) -> bool:
    try:
        slurm.gateway.snapshot()
        slurm.gateway.queue()
    except SlurmUnavailable:
        return False
    return True
