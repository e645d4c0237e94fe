"""Storing job rows as Slurm gave them: only what is new is written, and usage follows in the same transaction."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import DataError, transaction
from django.utils.dateparse import parse_datetime

from accounting.balance import recharge
from accounting.models import Job, UnreadableJobRow
from accounting.recompute import Pair, recompute
from accounting.usage import days_between, seconds
from portal.events.services import record as record_event
from portal.people.models import User
from portal.slurm.types import JobRecord, UnreadableRow

MOMENTS = ("submit", "eligible", "start", "end")
WHAT = ("job_id", "display_id", "user", "account", "partition", "qos", "state")
HELD = ("gpus", "gpu_kinds", "cpus", "exit_code", "time_limit_minutes", "final")
FIELDS = (*WHAT, *MOMENTS, *HELD)
# What the database refuses of a single value: too long, out of range, a NUL in a text, too many digits.
POISON = (DataError, ValueError, ArithmeticError)


@dataclass
class Stored:
    """What storing some rows did. `news` are accounts with a job that is new or has changed, `days` the
    (day, account, person) whose usage has, if only because a running job ran on."""

    rows: int = 0
    changed: int = 0
    unreadable: int = 0
    held: int = 0
    news: set[str] = field(default_factory=set)
    days: set[tuple[date, str, str]] = field(default_factory=set)

    def add(self, other: Stored) -> None:
        self.rows += other.rows
        self.changed += other.changed
        self.unreadable += other.unreadable
        self.held += other.held
        self.news |= other.news
        self.days |= other.days

    @property
    def accounts(self) -> set[str]:
        return {account for _, account, _ in self.days}


@dataclass
class _Touched:
    """Whose usage has to be computed anew: by day for finished jobs, as a whole for those still open."""

    final: defaultdict[date, set[Pair]] = field(default_factory=lambda: defaultdict(set))
    provisional: set[Pair] = field(default_factory=set)

    def add(self, job: Job) -> None:
        pair = (job.account, job.user)
        if not job.final:
            self.provisional.add(pair)
        elif job.start is not None:
            for day in days_between(job.start, job.until):
                self.final[day].add(pair)


def store_rows(rows: Iterable[JobRecord | UnreadableRow], *, at: datetime) -> Stored:
    """Store rows read at `at` and the usage that follows from them, all or nothing.

    A row that the database refuses is put aside like one that could not be read, and the rest goes on.
    """
    rows = list(rows)
    try:
        with transaction.atomic():
            return _store(rows, at)
    except POISON as error:
        if len(rows) == 1:
            with transaction.atomic():
                return _store([UnreadableRow(text=str(rows[0]), reason=f"{type(error).__name__}: {error}")], at)
        stored = Stored()
        for row in rows:
            stored.add(store_rows([row], at=at))
        return stored


def _store(rows: list[JobRecord | UnreadableRow], at: datetime) -> Stored:
    # A row that only waits is the live queue's business.
    records = {
        (row.cluster, row.db_index): row for row in rows if isinstance(row, JobRecord) and (row.start or row.end)
    }
    stored, touched = Stored(rows=len(rows)), _Touched()
    stored.unreadable = _put_aside([row for row in rows if isinstance(row, UnreadableRow)], at)
    _store_jobs(list(records.values()), at, stored, touched)
    stored.days = recompute(touched.final, touched.provisional)
    recharge(stored.accounts)
    return stored


def _store_jobs(records: list[JobRecord], at: datetime, stored: Stored, touched: _Touched) -> None:
    known = {
        (job.cluster, int(job.db_index)): job
        for job in Job.objects.filter(db_index__in=[record.db_index for record in records])
    }
    written: list[Job] = []
    still_open: list[int] = []
    for record in records:
        old, new = known.get((record.cluster, record.db_index)), _job(record, at)
        if old is not None and old.final and _charged(new) < _charged(old):
            stored.held += _hold(old, record, at)
        elif old is not None and old.held is None and _same(old, new):
            if not old.final:
                still_open.append(old.pk)
                touched.add(old)
        else:
            written.append(new)
            for job in filter(None, (old, new)):
                touched.add(job)
                stored.news.add(job.account)
    Job.objects.bulk_create(
        written,
        update_conflicts=True,
        unique_fields=["cluster", "db_index"],
        update_fields=[*FIELDS, "last_seen_at", "held", "held_at"],
    )
    Job.objects.filter(pk__in=still_open).update(last_seen_at=at)
    stored.changed = len(written)


def _job(record: JobRecord, at: datetime) -> Job:
    values = {name: getattr(record, name) for name in FIELDS} | {"gpu_kinds": dict(record.gpu_kinds)}
    return Job(cluster=record.cluster, db_index=record.db_index, first_seen_at=at, last_seen_at=at, **values)


def _same(old: Job, new: Job) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in FIELDS)


def _charged(job: Job) -> int:
    return job.gpus * seconds(job.start, job.until) if job.start else 0


# --- Rows that would make a finished job cheaper than it was ---


def _hold(old: Job, record: JobRecord, at: datetime) -> int:
    """Keep the job as it was and note what Slurm says now; 1 where that is news."""
    held: dict[str, Any] = {name: getattr(record, name) for name in FIELDS} | {"gpu_kinds": dict(record.gpu_kinds)}
    for name in MOMENTS:
        held[name] = held[name].isoformat() if held[name] else None
    return Job.objects.filter(pk=old.pk).exclude(held=held).update(held=held, held_at=at)


@transaction.atomic
def job_accept_held(*, job: Job, by: User, at: datetime) -> None:
    """Take over what Slurm says now of a held job, fewer GPU-seconds and all; usage follows."""
    job = Job.objects.select_for_update().get(pk=job.pk)
    if job.held is None:
        return
    touched, before = _Touched(), _charged(job)
    touched.add(job)
    for name, value in job.held.items():
        setattr(job, name, parse_datetime(value) if name in MOMENTS and value else value)
    job.held = job.held_at = None
    job.save()
    touched.add(job)
    recharge({account for _, account, _ in recompute(touched.final, touched.provisional)} | {job.account})
    record_event(
        "job.corrected",
        target=job,
        by=by,
        at=at,
        topics=("operations",),
        job=job.display_id,
        account=job.account,
        before=before,
        after=_charged(job),
    )


# --- Rows that are no job ---


def _put_aside(rows: list[UnreadableRow], at: datetime) -> int:
    """Keep each text once; how many were new."""
    asides = {}
    for row in rows:
        text, reason = row.text.replace("\0", "�"), row.reason.replace("\0", "�")
        digest = hashlib.sha256(text.encode()).hexdigest()
        asides[digest] = UnreadableJobRow(digest=digest, text=text, reason=reason, first_seen_at=at, last_seen_at=at)
    known = set(UnreadableJobRow.objects.filter(digest__in=asides).values_list("digest", flat=True))
    UnreadableJobRow.objects.bulk_create(
        asides.values(), update_conflicts=True, unique_fields=["digest"], update_fields=["reason", "last_seen_at"]
    )
    return len(asides.keys() - known)
