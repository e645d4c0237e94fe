"""Storing job rows as Slurm gave them: only what is new is written, and usage follows in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.dateparse import parse_datetime

from accounting.balance import recharge
from accounting.history import merge, recompute
from accounting.history.alone import take_turn
from accounting.history.held import charged_gpu_seconds, require_no_stake_in_account
from accounting.history.merge import FIELDS, KEY, MOMENTS, Verdict
from accounting.history.seals import note_differences
from accounting.history.sums import sum_up
from accounting.models import IngestMark, Job, UnreadableJobRow
from allocations.workflow import LostRace
from portal.events.services import record as record_event
from portal.people.models import User
from portal.slurm.types import JobRecord, UnreadableRow


@dataclass
class Stored:
    """What storing some rows did.

    `changed` jobs are new or have changed, `news` the accounts they are in. `accounts` have other usage than before,
    if only because a running job ran on; `days` counts their (day, account, person).
    """

    rows: int = 0
    changed: int = 0
    unreadable: int = 0
    held: int = 0
    days: int = 0
    news: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)

    def add(self, other: Stored) -> None:
        self.rows += other.rows
        self.changed += other.changed
        self.unreadable += other.unreadable
        self.held += other.held
        self.days += other.days
        self.news |= other.news
        self.accounts |= other.accounts


@transaction.atomic
def store_rows(rows: Iterable[JobRecord | UnreadableRow], *, at: datetime, source: str = "") -> Stored:
    """Store rows read at `at` and the usage that follows from them, all or nothing.

    A row that the database refuses is put aside like one that could not be read, and the rest goes on. `source` says
    where they were read: a cluster's slurmdbd, or the name of an imported file.
    """
    # Of rows with one key the last counts. A row that only waits is the live queue's business.
    records: dict[tuple[str, int], JobRecord] = {}
    unreadable: list[UnreadableRow] = []
    stored = Stored()
    for row in rows:
        stored.rows += 1
        if isinstance(row, UnreadableRow):
            unreadable.append(row)
        elif row.start or row.end:
            records[row.cluster, row.db_index] = row
    if records:
        unreadable += _store(list(records.values()), stored, at)
    stored.unreadable = _put_aside(unreadable, at, source)
    return stored


def _store(
    records: Sequence[JobRecord], stored: Stored, at: datetime, *, accept: bool = False
) -> Sequence[UnreadableRow]:
    """Jobs, usage and what lines are charged; what the database refuses comes back."""
    take_turn()
    merge.clear()
    recompute.clear()
    refused = merge.load(records)
    merge.judge(accept=accept)
    if sealed_before := IngestMark.current().sealed_before:
        note_differences(sealed_before, at)
    counts = merge.counts()
    if counts.keys() - {Verdict.SAME, Verdict.SEALED}:
        recompute.touch(sealed_before)
        stored.changed = counts.get(Verdict.NEW, 0) + counts.get(Verdict.CHANGED, 0)
        stored.news = merge.news()
        stored.held = merge.merge(at)
        days = recompute.recompute()
        sum_up({(day, account) for day, account, _user in days})
        stored.days, stored.accounts = len(days), {account for _day, account, _user in days}
        recharge(stored.accounts)
    return refused


@transaction.atomic
def job_accept_held(*, job: Job, by: User, at: datetime) -> None:
    """Take over what Slurm says now of a held job, fewer GPU-seconds and all; usage follows.

    Raises Refused for a project of one's own or one's institution, LostRace where Slurm says something else by now.
    """
    take_turn()
    said, job = job.held, Job.objects.get(pk=job.pk)
    if job.held is None or job.held != said:
        raise LostRace("held")
    require_no_stake_in_account(by, job.account)
    values = {name: job.held[name] for name in FIELDS if name != "final"}
    values |= {name: values[name] and parse_datetime(values[name]) for name in MOMENTS}
    before = charged_gpu_seconds(job)
    _store([JobRecord(**{name: getattr(job, name) for name in KEY}, **values)], Stored(), at, accept=True)
    job.refresh_from_db()
    record_event(
        "job.corrected",
        target=job,
        by=by,
        at=at,
        topics=("operations",),
        job=job.display_id,
        account=job.account,
        before=before,
        after=charged_gpu_seconds(job),
    )


def _put_aside(rows: Iterable[UnreadableRow], at: datetime, source: str) -> int:
    """Keep each text once; how many were new."""
    asides = {}
    for row in rows:
        text, reason = _storable(row.text), _storable(row.reason)
        digest = hashlib.sha256(text.encode()).hexdigest()
        asides[digest] = UnreadableJobRow(
            digest=digest, text=text, reason=reason, source=source, first_seen_at=at, last_seen_at=at
        )
    known = set(UnreadableJobRow.objects.filter(digest__in=asides).values_list("digest", flat=True))
    UnreadableJobRow.objects.bulk_create(
        asides.values(),
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["reason", "source", "last_seen_at"],
    )
    return len(asides.keys() - known)


def _storable(text: str) -> str:
    """Without what PostgreSQL has no place for: NUL, and bytes that are no text."""
    return text.replace("\0", "�").encode(errors="replace").decode()
