"""Days that are sealed: what a late row would change there is noted for a person to decide, and nothing else happens.

Deciding is accounting/history/sealed.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from accounting.history.merge import Verdict
from accounting.models import Job, SealedDifference
from accounting.usage import Amount, Run, UsageKey, day_of, day_start, usage_of

# What is there by key of a day: differences add up, and one that comes to nothing is none.
Usage = dict[UsageKey, Amount]

JUDGED = """
    SELECT cluster, db_index, display_id, account, "user", partition, state, start, "end", gpus, gpu_kinds, cpus, old_id
    FROM judged j
    WHERE verdict = ANY(%(verdicts)s) AND (
        (final AND start < %(sealed)s)
        OR EXISTS (SELECT 1 FROM accounting_job o WHERE o.id = old_id AND o.final AND o.start < %(sealed)s)
    )
"""
NOT_TO_STORE = "UPDATE judged SET verdict = %s WHERE (cluster, db_index) = (%s, %s)"


@dataclass(frozen=True, slots=True)
class _Row:
    cluster: str
    db_index: Any
    display_id: str
    account: str
    user: str
    run: Run | None
    old: Job | None


def note_differences(sealed_before: date, at: datetime) -> None:
    """Note what the rows in `judged` (accounting/history/merge.py) would change on days before `sealed_before`.

    Of rows that are new and lie wholly in these days nothing else is kept. Before they are merged.
    """
    for row in _rows(sealed_before):
        _note(row, sealed_before, at)
        if row.old is None and row.run is not None and day_of(row.run.until) < sealed_before:
            with connection.cursor() as cursor:
                cursor.execute(NOT_TO_STORE, [Verdict.SEALED, row.cluster, row.db_index])


def _rows(sealed_before: date) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(JUDGED, {"verdicts": [Verdict.NEW, Verdict.CHANGED], "sealed": day_start(sealed_before)})
        found = cursor.fetchall()
    old = Job.objects.in_bulk([row[-1] for row in found if row[-1]])
    rows = []
    for cluster, db_index, display_id, account, user, partition, state, start, end, gpus, kinds, cpus, old_id in found:
        ran = start is not None and end is not None
        run = Run(account, user, partition, state, start, end, gpus, json.loads(kinds), False, cpus) if ran else None
        rows.append(_Row(cluster, db_index, display_id, account, user, run, old.get(old_id)))
    return rows


def _note(row: _Row, sealed_before: date, at: datetime) -> None:
    """Where the job is stored, the change is added to what waits already; else all of it counts that was not decided
    before."""
    known = SealedDifference.objects.filter(cluster=row.cluster, db_index=row.db_index)
    usage = _sealed([row.run] if row.run else [], sealed_before)
    if row.old is None:
        decided = known.exclude(closed_at=None).values_list("days", flat=True)
        usage = _less(usage, _read(entry for days in decided for entry in days))
    else:
        waiting = known.filter(closed_at=None).values_list("days", flat=True)
        usage = _less(usage, _sealed(_runs(row.old), sealed_before))
        usage = _less(usage, _less({}, _read(entry for days in waiting for entry in days)))
    if not usage:
        known.filter(closed_at=None).delete()
        return
    SealedDifference.objects.update_or_create(
        cluster=row.cluster,
        db_index=row.db_index,
        closed_at=None,
        defaults={
            "display_id": row.display_id,
            "account_name": row.account,
            "user_name": row.user,
            "days": _written(usage),
            "gpu_seconds": sum(amount.gpu_seconds for amount in usage.values()),
            "found_at": at,
        },
    )


def _runs(job: Job) -> list[Run]:
    if not job.final or job.start is None:
        return []
    return [
        Run(
            job.account,
            job.user,
            job.partition,
            job.state,
            job.start,
            job.until,
            job.gpus,
            job.gpu_kinds,
            False,
            job.cpus,
        )
    ]


def _sealed(runs: Iterable[Run], sealed_before: date) -> Usage:
    return {key: amount for key, amount in usage_of(runs).items() if key.day < sealed_before}


def _less(usage: Usage, other: Usage) -> Usage:
    left = {}
    for key in usage.keys() | other.keys():
        ours, theirs = usage.get(key, Amount()), other.get(key, Amount())
        amount = Amount(
            ours.gpu_seconds - theirs.gpu_seconds, ours.cpu_seconds - theirs.cpu_seconds, ours.jobs - theirs.jobs
        )
        if amount != Amount():
            left[key] = amount
    return left


def _read(entries: Iterable[dict[str, Any]]) -> Usage:
    usage: Usage = {}
    for entry in entries:
        key = UsageKey(
            date.fromisoformat(entry["day"]),
            entry["account_name"],
            entry["user_name"],
            entry["gpu_kind"],
            entry["partition"],
            entry["state"],
            provisional=False,
        )
        before = usage.get(key, Amount())
        usage[key] = Amount(
            before.gpu_seconds + entry["gpu_seconds"],
            before.cpu_seconds + entry["cpu_seconds"],
            before.jobs + entry["jobs"],
        )
    return usage


def _written(usage: Usage) -> list[dict[str, Any]]:
    return [
        {
            "day": key.day.isoformat(),
            "account_name": key.account,
            "user_name": key.user,
            "gpu_kind": key.gpu_kind,
            "partition": key.partition,
            "state": key.state,
            **asdict(amount),
        }
        for key, amount in sorted(usage.items())
    ]
