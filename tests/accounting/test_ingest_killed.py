"""Killed at any moment, ingest goes on as if nothing had been: 100,000 jobs, 20 kills, the truth at the end."""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connections

from accounting.history import windows
from accounting.history.ingest import ingest
from accounting.models import IngestMark, Job, UsageDay, UsageMonth
from accounting.usage import Run, usage_of
from portal.slurm.commands import CommandsGateway
from portal.slurm.sacct import DELIMITER, parse_jobs
from portal.slurm.types import JobRecord
from tests.accounting.histories import sums_add_up
from tests.factories import GrantFactory, ProjectFactory, kst

JOBS, KILLS = 100_000, 20
START, END = kst(2026, 1, 20), kst(2026, 2, 12)
# In a child that is killed: a new process by fork needs no second to load Django.
process = multiprocessing.get_context("fork").Process


def saved_rows(accounts: list[str], dice: random.Random) -> Iterator[str]:
    """Jobs of up to a day in three weeks, in order of their start, across the end of a month."""
    begin, step = START.timestamp(), (END - START - timedelta(days=1)).total_seconds() / JOBS
    for number in range(JOBS):
        start = int(begin + number * step)
        end = start + dice.choice((dice.randrange(60), dice.randrange(3600), dice.randrange(86_400)))
        gpus = dice.choice((0, 1, 2, 4))
        tres = f"cpu=8,mem=10M,node=1{f',gres/gpu={gpus},gres/gpu:h100={gpus}' if gpus else ''}"
        state = dice.choice(("COMPLETED", "COMPLETED", "FAILED", "CANCELLED by 7"))
        user, account, job = f"user{dice.randrange(5)}", dice.choice(accounts), str(number)
        whose = ("pohang", str(2**63 + number), job, job, user, account, "h100", "h100", state)
        yield DELIMITER.join((*whose, str(start), str(start), str(start), str(end), tres, "0:0", "60"))


def read(saved: Path, since: datetime | None) -> None:
    """All there is, as `manage.py usage ingest` does; waits where a killed one is still being cleared away."""
    gateway = CommandsGateway("pohang", "paic", [sys.executable, "-m", "tests.accounting.saved_sacct", str(saved)])
    while not ingest(gateway, at=END, since=since, most=None).caught_up:
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_killed_at_any_moment_it_ends_as_if_undisturbed(tmp_path, monkeypatch):
    # Some forty windows, so that a moment may be in any step of any of them.
    monkeypatch.setattr(windows, "AIM", 4000)
    projects = [ProjectFactory(code=f"p2600{number}", created_at=START) for number in (1, 2)]
    for project in projects:
        GrantFactory(project=project, hours=10_000_000, starts_at=START - timedelta(days=9), ends_at=kst(2027, 1, 1))
    accounts = [project.accounts.get().name for project in projects]
    dice = random.Random(2026)  # noqa: S311  (no secret)
    saved = tmp_path / "rows"
    saved.write_text("".join(f"{row}\n" for row in saved_rows(accounts, dice)))

    kills = 0
    while kills < KILLS:
        connections.close_all()
        # When all has been read it is read again: that may be interrupted as well.
        child = process(target=read, args=(saved, START if _has_read_all() else None))
        connections.close_all()
        child.start()
        child.join(dice.uniform(0, 1))
        kills += child.is_alive()
        child.kill()
        child.join()
    read(saved, None)

    records = [row for row in parse_jobs(saved.read_text().splitlines()) if isinstance(row, JobRecord)]
    stored = Job.objects.values_list("db_index", "account", "user", "state", "start", "end", "gpus", "held", "final")
    assert set(stored) == {
        (row.db_index, row.account, row.user, row.state, row.start, row.end, row.gpus, None, True) for row in records
    }
    truth = usage_of(run_of(row) for row in records)
    assert amounts(UsageDay) == {key: (a.gpu_seconds, a.cpu_seconds, a.jobs) for key, a in truth.items()}
    months = defaultdict(Counter)
    for key, amount in truth.items():
        months[key.day.replace(day=1), *key[1:]].update(gpu=amount.gpu_seconds, cpu=amount.cpu_seconds, n=amount.jobs)
    assert amounts(UsageMonth) == {key: (sums["gpu"], sums["cpu"], sums["n"]) for key, sums in months.items()}
    assert sums_add_up()
    for project, account in zip(projects, accounts, strict=True):
        used = sum(amount.gpu_seconds for key, amount in truth.items() if key.account == account)
        assert project.grants.get().lines.get().charged_gpu_seconds == used


def _has_read_all() -> bool:
    return IngestMark.current().read_until == END


def run_of(row: JobRecord) -> Run:
    return Run(
        row.account, row.user, row.partition, row.state, row.start, row.end, row.gpus, row.gpu_kinds, False, row.cpus
    )


def amounts(table):
    rows = table.objects.values_list(*table.KEY, *table.AMOUNTS)
    return {row[: len(table.KEY)]: row[len(table.KEY) :] for row in rows}
