"""The rows of a few hours as the portal holds them and as slurmdbd has them now, to be held against one another."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import Q

from accounting.models import Job
from accounting.usage import clipped_seconds
from accounting.verification.hours import Pair, Span
from portal.slurm.gateway import SlurmGateway
from portal.slurm.moments import parse_moment
from portal.slurm.sacct import DELIMITER, FIELDS
from portal.slurm.tres import gpu_count, parse_tres
from portal.slurm.types import JobRecord, Reservation, UnreadableRow

# A job that had ended before an hour began was summed up as running in it only if its end came that late.
LATEST = timedelta(days=7)
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """What of a job row counts. `end` None: it runs on; `until`: up to when it is charged.

    `first_seen_at` and `changed_at` are the portal's; None for a row that it does not have.
    """

    key: int
    what: str
    pair: Pair
    start: datetime
    end: datetime | None
    until: datetime
    gpus: int
    runaway: bool = False
    held: bool = False
    first_seen_at: datetime | None = None
    changed_at: datetime | None = None

    def gpu_seconds(self, span: Span) -> int:
        return self.gpus * clipped_seconds(self.start, self.until, *span)

    def came_after(self, moment: datetime) -> bool:
        return self.first_seen_at is None or self.first_seen_at >= moment

    def changed_after(self, moment: datetime) -> bool:
        return self.changed_at is None or self.changed_at >= moment

    def corrected_after(self, patience: timedelta) -> bool:
        """Whether it had ended, and been read, when it changed."""
        if self.end is None or self.changed_at is None or self.first_seen_at is None:
            return False
        return self.first_seen_at < self.changed_at > self.end + patience


@dataclass(frozen=True, slots=True)
class Evidence:
    """`earlier`: rows of ours that ended before the span, as far as they became known during it or after."""

    ours: dict[int, Row]
    slurms: dict[int, Row]
    earlier: list[Row]
    reservations: list[Reservation]

    @property
    def keys(self) -> list[int]:
        return sorted(self.ours.keys() | self.slurms.keys())

    def changed_after(self, moment: datetime) -> list[Row]:
        """Slurm's present rows that the portal knows so only since then, with what it knows of them; the latest first.

        A row that the portal has not read as it is now counts as the latest of all.
        """
        rows = [self.ours[key] if self._same(key) else row for key, row in self.slurms.items()]
        changed = [row for row in [*rows, *self.earlier] if row.changed_after(moment)]
        return sorted(changed, key=lambda row: row.changed_at or LAST, reverse=True)

    def _same(self, key: int) -> bool:
        ours, slurms = self.ours.get(key), self.slurms[key]
        return ours is not None and (ours.pair, ours.start, ours.end, ours.gpus) == (
            slurms.pair,
            slurms.start,
            slurms.end,
            slurms.gpus,
        )


def gather(gateway: SlurmGateway, span: Span, pairs: Collection[Pair]) -> Evidence:
    """Raises SlurmError."""
    slurms = {row.key: row for row in _of_slurm(gateway.jobs(*span), span)}
    whose = Q(account__in={account for account, _ in pairs}, user__in={user for _, user in pairs})
    jobs = Job.objects.filter(cluster=settings.SLURM_CLUSTER, start__isnull=False)
    ours = {int(job.db_index): _of_job(job) for job in jobs.overlapping(*span).filter(whose)}
    # A row that moved to another account is one of these people's at Slurm only.
    elsewhere = {key for key, row in slurms.items() if row.pair in pairs} - ours.keys()
    ours |= {int(job.db_index): _of_job(job) for job in jobs.filter(db_index__in=elsewhere)}
    before = jobs.filter(whose, end__lt=span.start, end__gte=span.start - LATEST, changed_at__gte=span.start)
    return Evidence(
        ours=ours,
        slurms={key: row for key, row in slurms.items() if row.pair in pairs or key in ours},
        earlier=[_of_job(job) for job in before],
        reservations=gateway.reservations(*span),
    )


def _of_job(job: Job) -> Row:
    start = job.start or job.submit
    return Row(
        int(job.db_index),
        job.display_id,
        (job.account, job.user),
        start,
        job.end,
        job.until,
        job.gpus,
        job.runaway_since is not None,
        job.held is not None,
        job.first_seen_at,
        job.changed_at,
    )


def _of_slurm(rows: Iterable[JobRecord | UnreadableRow], span: Span) -> Iterable[Row]:
    for row in rows:
        if isinstance(row, UnreadableRow):
            if gleaned := _glean(row.text, span):
                yield gleaned
        elif row.start is not None:
            pair = (row.account, row.user)
            until = row.end or span.end
            yield Row(row.db_index, row.display_id, pair, row.start, row.end, until, row.gpus)


def _glean(text: str, span: Span) -> Row | None:
    """What a row that was put aside is charged for, where at least that can be read."""
    of = dict(zip(FIELDS.split(","), text.split(DELIMITER), strict=False))
    try:
        start, end = parse_moment(of["Start"]), parse_moment(of["End"])
        if start is None:
            return None
        gpus = gpu_count(parse_tres(of["AllocTRES"]))
        return Row(int(of["DBIndex"]), of["JobID"], (of["Account"], of["User"]), start, end, end or span.end, gpus)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
