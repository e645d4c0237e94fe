"""Our sums, the truth and sreport are equal to the second, through a real slurmdbd and the commands driver."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.utils import timezone

from accounting import live_queue
from accounting.history.ingest import ingest
from accounting.models import Counter, Job, QueueJob, UsageDay
from accounting.usage import day_bounds, days_between
from accounting.verification.verify import compare, verify
from allocations.models import Project
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import HistoryJob, Sandbox
from tests.factories import GrantFactory, ProjectFactory, kst
from tests.slurm_cluster import add_account, unique_name, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.django_db]

# A month's end, in a year in which no other test has jobs.
START, END = kst(2025, 5, 29), kst(2025, 6, 3)
HOUR = timedelta(hours=1)
job_ids = iter(range(8_000_000, 9_000_000))


@pytest.fixture
def gateway(cluster: Sandbox) -> CommandsGateway:
    return CommandsGateway("pohang", "paic", cluster.prefix)


@pytest.fixture
def account(cluster: Sandbox) -> str:
    """A project's account that Slurm knows too, with two people."""
    project = ProjectFactory(code=unique_name("p"), created_at=START)
    GrantFactory(project=project, hours=10_000, starts_at=START, ends_at=kst(2025, 9, 1))
    name = project.accounts.get().name
    add_account(cluster, name, "kim", "lee")
    return name


def truth(jobs: Iterable[HistoryJob], start: datetime, end: datetime) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for job in jobs:
        if job.start:
            lasted = min(job.end or end, end) - max(job.start, start)
            sums[job.account, job.user] += max(0, int(lasted.total_seconds())) * job.gpus
    return {key: seconds for key, seconds in sums.items() if seconds}


def shapes(account: str) -> Iterator[HistoryJob]:
    """One of each shape that has ever made a sum wrong."""
    midnight = kst(2025, 6, 1)
    at = START + 5 * HOUR
    second = timedelta(seconds=1)

    def job(user: str, start: datetime | None, end: datetime | None, **changes: object) -> HistoryJob:
        values: dict[str, object] = {"submit": start or at, **changes}
        values.setdefault("job_id", next(job_ids))
        return HistoryJob(account=account, user=user, start=start, end=end, **values)  # type: ignore[arg-type]

    # Across midnight in Seoul, which ends a month; to the second of it; across midnight in UTC.
    yield job("kim", midnight - 90 * second, midnight + 30 * second, gpus=4)
    yield job("kim", midnight - HOUR, midnight, gpus=2, state="TIMEOUT")
    yield job("lee", midnight, midnight + 7 * second, gpus=1, state="FAILED", exit_code=3)
    yield job("lee", midnight + 8 * HOUR, midnight + 10 * HOUR, gpus=1)
    # Suspended: its GPUs are charged all the same.
    yield job("lee", at, at + 40 * second, gpus=3, suspended=20)
    # Requeued, then run again under the same id.
    requeued = next(job_ids)
    yield job("kim", at, at + 600 * second, gpus=2, job_id=requeued, state="REQUEUED")
    yield job("kim", at + 2 * HOUR, at + 3 * HOUR, gpus=2, job_id=requeued, state="NODE_FAIL")
    # An array: a task with an id of its own, and the last one with the master's.
    task, master = next(job_ids), next(job_ids)
    yield job("kim", at + HOUR, at + 2 * HOUR, job_id=task, array=(master, 1))
    yield job("kim", at + HOUR, at + 2 * HOUR, job_id=master, array=(master, 2), state="OUT_OF_MEMORY")
    # Cancelled before it started; at once over; without GPUs; over three days.
    yield job("kim", None, at + HOUR, state="CANCELLED")
    yield job("kim", at, at, gpus=4, state="FAILED")
    yield job("lee", at, at + HOUR, gpus=0, cpus=8)
    yield job("lee", START + HOUR, START + 73 * HOUR, gpus=1)
    # Runs to this day, and waits to this day.
    yield job("kim", midnight + 20 * HOUR, None, gpus=2, state="RUNNING")
    yield job("lee", None, None, state="PENDING")


def random_history(account: str, seed: int, size: int) -> Iterator[HistoryJob]:
    dice = random.Random(seed)  # noqa: S311  (no secret)
    states = ["COMPLETED"] * 5 + ["FAILED", "TIMEOUT", "CANCELLED", "PREEMPTED", "REQUEUED", "NODE_FAIL"]
    for _ in range(size):
        start = START + timedelta(seconds=dice.randrange(3 * 86_400))
        length = dice.choice((0, 1, dice.randrange(120), dice.randrange(7200), dice.randrange(2 * 86_400)))
        yield HistoryJob(
            next(job_ids),
            account,
            dice.choice(("kim", "lee")),
            submit=start - timedelta(seconds=dice.randrange(600)),
            start=start,
            end=start + timedelta(seconds=length),
            gpus=dice.randrange(5),
            gpu=dice.choice(("h100", "a100")),
            state=dice.choice(states),
            suspended=dice.randrange(length + 1),
        )


def our_days(account: str) -> dict[tuple[str, object], int]:
    rows = UsageDay.objects.filter(account_name=account).order_by().values_list("user_name", "day")
    return {(user, day): used for user, day, used in rows.annotate(Sum("gpu_seconds")) if used}


def true_days(jobs: list[HistoryJob]) -> dict[tuple[str, object], int]:
    return {
        (user, day): used
        for day in days_between(START, END)
        for (_, user), used in truth(jobs, day_bounds(day)[0], min(day_bounds(day)[1], END)).items()
    }


def test_every_shape_of_job_comes_out_to_the_second(cluster, gateway, account):
    jobs = list(shapes(account))
    cluster.write_history(jobs)
    cluster.rollup(START, END)
    ingest(gateway, at=END)

    expected = truth(jobs, START, END)
    assert {key: used for key, used in cluster.sreport(START, END).items() if key[0] == account} == expected
    assert our_days(account) == true_days(jobs)
    rows = {(row.account, row.user): (row.ours, row.slurm) for row in compare(gateway, start=START, end=END, at=END)}
    assert {key: both for key, both in rows.items() if key[0] == account} == {
        key: (used, used) for key, used in expected.items()
    }
    for start in (START, kst(2025, 5, 31, 23), kst(2025, 6, 1), kst(2025, 6, 1, 8)):
        verification = verify(gateway, start=start, end=start + HOUR, at=END)
        assert verification.agrees, verification.differences
    assert Job.objects.filter(account=account).count() == len(jobs) - 1  # all but the one that waits


def test_a_random_history_read_in_any_pieces_comes_out_to_the_second(cluster, gateway, account):
    jobs = list(random_history(account, seed=2026, size=400))
    cluster.write_history(jobs)
    cluster.rollup(START, END)
    for until in (START + 30 * HOUR, START + 31 * HOUR, START + 80 * HOUR, END):
        ingest(gateway, at=until)
    assert our_days(account) == true_days(jobs)
    report = ingest(gateway, at=END, since=START)
    assert (report.changed, report.days) == (0, 0)
    assert verify(gateway, start=START, end=END, at=END).agrees


def test_the_command_verifies_against_slurm_and_fails_on_a_second_too_many(cluster, gateway, account, settings, capsys):
    settings.SLURM_GATEWAY, settings.SLURM_COMMAND_PREFIX = "commands", cluster.prefix
    cluster.write_history([HistoryJob(next(job_ids), account, "kim", START, START, START + HOUR, gpus=3)])
    cluster.rollup(START, END)
    ingest(gateway, at=END)
    arguments = ["usage", "verify", "--start", START.isoformat(), "--end", END.isoformat(), "--json"]
    call_command(*arguments)
    assert json.loads(capsys.readouterr().out)["unexplained_gpu_seconds"] == 0

    whose = f"(SELECT id_assoc FROM pohang_assoc_table WHERE acct = '{account}' AND user = 'kim')"
    gpus = "(SELECT id FROM tres_table WHERE type = 'gres' AND name = 'gpu')"
    more = "UPDATE pohang_assoc_usage_hour_table SET alloc_secs = alloc_secs + 1"
    cluster.run(["mariadb", "slurm_acct_db", "-e", f"{more} WHERE id = {whose} AND id_tres = {gpus}"])
    with pytest.raises(CommandError) as error:
        call_command(*arguments)
    assert error.value.returncode == 1
    difference = {"account": account, "user": "kim", "ours": 3 * 3600, "slurm": 3 * 3600 + 1}
    differences = json.loads(capsys.readouterr().out)["differences"]
    assert differences == [difference | {"unexplained": 1, "causes": []}]


def test_a_real_job_is_seen_running_and_then_charged_as_slurm_says(cluster, gateway, account):
    cluster.run(["sacctmgr", "-i", "add", "account", "paic"], check=False)
    Project.objects.update(created_at=timezone.now())
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    number = cluster.submit("kim", f"--account={account}", "--gpus=2", "--time=5", script="#!/bin/sh\nsleep 4\n")

    def queue() -> set[tuple[int, str]]:
        return {(job.job_id, job.state) for job in gateway.queue() if job.account == account}

    wait_for("the job running", lambda: (number, "RUNNING") in queue())
    live_queue.store(gateway, at=timezone.now())
    seen = QueueJob.objects.get(job_id=number)
    assert (seen.account.name, seen.user_name, seen.gpus, seen.running) == (account, "kim", 2, True)

    def ended() -> bool:
        ingest(gateway, at=timezone.now())
        return Job.objects.filter(job_id=number, final=True).exists()

    wait_for("the job's end in slurmdbd", ended)
    job = Job.objects.get(job_id=number, final=True)
    used = 2 * int((job.end - job.start).total_seconds())
    assert (job.state, job.gpu_kinds) == ("COMPLETED", {"h100": 2})
    assert used >= 8
    assert UsageDay.objects.filter(account_name=account).aggregate(all=Sum("gpu_seconds"))["all"] == used
    cluster.rollup(began, began + 2 * HOUR)
    assert gateway.usage(began, began + 2 * HOUR)[account, "kim"] == used
    wait_for("an empty queue", lambda: not queue())
    live_queue.store(gateway, at=timezone.now())
    assert not QueueJob.objects.exists()
    assert not Counter.objects.exists()  # this account hangs outside the portal's root
