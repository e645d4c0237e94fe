"""What the cluster in memory offers to tests beyond the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.slurm.fake import FakeGateway
from portal.slurm.types import AddPerson, CreateAccount, JobRecord, SetLimit

NOW = datetime.now(UTC)
MINUTE = timedelta(minutes=1)


def gateway() -> FakeGateway:
    slurm = FakeGateway()
    for operation in (
        CreateAccount("portal", "root"),
        CreateAccount("p1", "portal"),
        CreateAccount("p1-h100", "p1", gpu_minutes=60),
        CreateAccount("p1-a100", "p1", gpu_minutes=60),
        AddPerson("p1-h100", "kim"),
    ):
        slurm.execute(operation)
    slurm.history = [job("p1-h100", 2 * MINUTE), job("p1-a100", MINUTE)]
    return slurm


def job(account: str, length: timedelta) -> JobRecord:
    start = NOW - timedelta(hours=1)
    return JobRecord(
        "pohang", 1, 1, "1", "kim", account, "h100", "h100", "COMPLETED", start, start, start, start + length, 2, {}, 1,
        "0:0", 10,
    )  # fmt: skip


def used(slurm: FakeGateway) -> dict[str, int]:
    return {name: counter.used_gpu_seconds for name, counter in slurm.counters().items()}


def test_counters_are_what_the_jobs_used_up_the_tree() -> None:
    assert used(gateway()) == {"portal": 360, "p1": 360, "p1-h100": 240, "p1-a100": 120}


def test_all_counters_are_lost_and_count_on_from_there() -> None:
    slurm = gateway()
    slurm.lose_counters()
    assert set(used(slurm).values()) == {0}
    slurm.history.append(job("p1-h100", MINUTE))
    assert used(slurm) == {"portal": 120, "p1": 120, "p1-h100": 120, "p1-a100": 0}


def test_one_counter_falls_by_an_amount_and_never_below_nothing() -> None:
    slurm = gateway()
    slurm.lose_counters("p1-h100", 100)
    assert used(slurm) == {"portal": 260, "p1": 260, "p1-h100": 140, "p1-a100": 120}
    slurm.lose_counters("p1-h100", 1000)
    assert used(slurm) == {"portal": 120, "p1": 120, "p1-h100": 0, "p1-a100": 120}


def test_slurmctld_may_not_have_heard_of_a_limit() -> None:
    slurm = gateway()
    slurm.unheard["p1-h100"] = 60
    slurm.execute(SetLimit("p1-h100", 90))
    assert slurm.snapshot().accounts["p1-h100"].gpu_minutes == 90
    assert slurm.counters()["p1-h100"].limit_gpu_minutes == 60
    del slurm.unheard["p1-h100"]
    assert slurm.counters()["p1-h100"].limit_gpu_minutes == 90
