"""Our sums held against Slurm's own `sreport`, to the second, for whole hours that are over.

Compared are rows with a login only: an account's own row also holds idle reservations (slurm-facts 12.8). Short periods
are compared hour by hour, long ones by days, going down to the hours of a day where it differs; causes.py
names what is behind a difference.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Min, QuerySet

from accounting.models import IngestMark, Job, Verification
from accounting.usage import day_of, day_start
from accounting.verification.causes import Cause, Gap, Kind, explain
from accounting.verification.disputes import dispute, name_accepted, still_disputed
from accounting.verification.hours import DAY, HOUR, Pair, Span, hours_of, our_sums, spans
from portal.live.notices import announce
from portal.slurm.gateway import SlurmGateway

# slurmdbd rolls an hour up within seconds of its end (slurm-facts section 6).
ROLL_UP = timedelta(minutes=2)
# How far back everything is compared anew each night, and how much the worker compares in one go.
NIGHTLY = timedelta(days=35)
NIGHT = timedelta(hours=2)
# Days that differ are looked into hour by hour, the latest first; so many at once.
MOST_DAYS = 14


class CannotVerify(Exception):
    """The period cannot be held against Slurm; the text says why and what to do."""


class NotSummedUp(CannotVerify):
    """slurmdbd has not summed the period up yet."""


@dataclass(slots=True)
class Row:
    """A person's GPU-seconds in an account, ours and Slurm's; `gaps` are the spans in which they differ."""

    account: str
    user: str
    ours: int = 0
    slurm: int = 0
    gaps: list[Gap] = field(default_factory=list)

    @property
    def difference(self) -> int:
        return self.ours - self.slurm

    @property
    def unexplained(self) -> int:
        """Of each span by itself: what is too much in one hour does not make up for another."""
        return sum(abs(gap.unexplained) for gap in self.gaps)

    @property
    def causes(self) -> list[Cause]:
        sums: dict[tuple[Kind, str], int] = defaultdict(int)
        for cause in (cause for gap in self.gaps for cause in gap.causes):
            sums[cause.kind, cause.what] += cause.gpu_seconds
        return [Cause(kind, what, amount) for (kind, what), amount in sums.items()]

    def as_dict(self) -> dict[str, Any]:
        """As Verification.differences has it."""
        return {
            "account": self.account,
            "user": self.user,
            "ours": self.ours,
            "slurm": self.slurm,
            "unexplained": self.unexplained,
            "causes": [asdict(cause) for cause in self.causes],
        }


def default_period(
    at: datetime, start: datetime | None = None, end: datetime | None = None
) -> tuple[datetime, datetime]:
    """What is not given: the last hour that is over and rolled up as the end, the beginning of its day as the start."""
    if end is None:
        end = (at - ROLL_UP).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return start or day_start(day_of(end - HOUR)), end


def compare(gateway: SlurmGateway, *, start: datetime, end: datetime, at: datetime) -> list[Row]:
    """Every person's GPU-seconds in [start, end), by ours and by Slurm's figures, with the causes of differences.

    Raises CannotVerify where the period is not of whole past hours, not read or not summed up yet, SlurmError where
    Slurm is silent.
    """
    _check_period(start, end, at)
    rows: dict[Pair, Row] = {}
    gaps = _narrow(gateway, _gaps(gateway, spans(start, end), rows))
    explain(gateway, [gap for gap in gaps if gap.unexplained])
    name_accepted(gap for gap in gaps if gap.unexplained)
    for gap in gaps:
        rows[gap.pair].gaps.append(gap)
    if any(row.unexplained for row in rows.values()):
        _check_summed_up(gateway, end)
    return [rows[pair] for pair in sorted(rows)]


def verify(gateway: SlurmGateway, *, start: datetime, end: datetime, at: datetime) -> Verification:
    """Compare and keep the result. Raises as `compare` does."""
    return keep(compare(gateway, start=start, end=end, at=at), start=start, end=end, at=at)


def verify_next(gateway: SlurmGateway, *, at: datetime) -> Verification | None:
    """What is new since the last comparison and the day so far, without leaving anything out; for the worker.

    At most NIGHTLY at once, so that the first comparisons of a long history come one after another. None where nothing
    is new or it has not been read yet. Raises as `compare` does.
    """
    day, end = default_period(at)
    last = Verification.objects.first()
    covered = last.covered_until if last else None
    if not _is_read(end) or (covered is not None and covered >= end):
        return None
    start = _unsealed(min(day, covered or beginning(day)))
    return verify(gateway, start=start, end=min(end, start + NIGHTLY), at=at)


def verify_nightly(gateway: SlurmGateway, *, at: datetime) -> Verification | None:
    """The last weeks anew, and everything that changed since the night before; once a night. Raises as `compare`."""
    today, end = day_start(day_of(at)), default_period(at)[1]
    long_ones = Verification.objects.filter(period_start__lte=today - 2 * DAY)
    if at < today + NIGHT or not _is_read(end) or long_ones.filter(at__gte=today).exists():
        return None
    first = beginning(today)
    start = max(today - NIGHTLY, first)
    if start > today - 2 * DAY:
        return None
    last = long_ones.first()
    changed = _first_changed(last.at) if last else None
    return verify(gateway, start=max(first, min(start, changed or start)), end=end, at=at)


def beginning(otherwise: datetime) -> datetime:
    """The first day of which there are job rows to compare: days that are sealed may have none any more."""
    return _unsealed(_first_day(Job.objects.filter(cluster=settings.SLURM_CLUSTER)) or otherwise)


def keep(rows: list[Row], *, start: datetime, end: datetime, at: datetime) -> Verification:
    last = Verification.objects.first()
    verification = Verification.objects.create(
        period_start=start,
        period_end=end,
        at=at,
        compared=len(rows),
        gpu_seconds=sum(row.ours for row in rows),
        differences=[row.as_dict() for row in rows if row.gaps],
        unexplained_gpu_seconds=sum(row.unexplained for row in rows),
        covered_until=_covered_until(last, start, end),
        disputed=[
            *still_disputed(last, start, end),
            *(dispute(gap) for row in rows for gap in row.gaps if gap.unexplained),
        ],
    )
    announce(["operations"], "usage.verified")
    return verification


# --- Comparing ---


def _gaps(gateway: SlurmGateway, parts: list[Span], rows: dict[Pair, Row]) -> list[Gap]:
    """Where the figures differ; `rows` gets everybody's sums added."""
    gaps = []
    sums = our_sums(parts)
    for part in parts:
        ours, slurm = sums.get(part, {}), gateway.usage(*part)
        for pair in (pair for pair in ours.keys() | slurm.keys() if ours.get(pair) or slurm.get(pair)):
            gap = Gap(part, pair, ours.get(pair, 0), slurm.get(pair, 0))
            row = rows.setdefault(pair, Row(*pair))
            row.ours += gap.ours
            row.slurm += gap.slurm
            if gap.difference:
                gaps.append(gap)
    return gaps


def _narrow(gateway: SlurmGateway, gaps: list[Gap]) -> list[Gap]:
    """Days that differ become the hours in which they do."""
    days = sorted({gap.span for gap in gaps if not gap.span.is_hour})[-MOST_DAYS:]
    narrowed = [gap for gap in gaps if gap.span not in days]
    for day in days:
        hours = _gaps(gateway, hours_of(day), {})
        narrowed += hours
        narrowed += _not_of_the_hours([gap for gap in gaps if gap.span == day], hours)
    return narrowed


def _not_of_the_hours(days: list[Gap], hours: list[Gap]) -> list[Gap]:
    """Where Slurm's figure of the day is not the sum of its own hours: it has not added them up anew yet."""
    gaps = []
    for day in days:
        rest = day.difference - sum(hour.difference for hour in hours if hour.pair == day.pair)
        if rest:
            cause = Cause(Kind.LATE, f"{day_of(day.span.start)}", rest)
            gaps.append(Gap(day.span, day.pair, day.slurm + rest, day.slurm, [cause]))
    return gaps


# --- What is known of all hours so far ---


def _covered_until(last: Verification | None, start: datetime, end: datetime) -> datetime | None:
    covered = last.covered_until if last else None
    if covered is None:
        return end if start <= beginning(start) else None
    return max(covered, end) if start <= _unsealed(covered) else covered


# --- Whether it can be compared ---


def _first_changed(since: datetime) -> datetime | None:
    return _first_day(Job.objects.filter(cluster=settings.SLURM_CLUSTER, changed_at__gte=since))


def _unsealed(moment: datetime) -> datetime:
    """The moment, or where that is later the end of what is sealed: hours before it can never be compared any more."""
    sealed_before = IngestMark.current().sealed_before
    return max(moment, day_start(sealed_before)) if sealed_before else moment


def _first_day(jobs: QuerySet[Job]) -> datetime | None:
    first = jobs.aggregate(first=Min("start"))["first"]
    return day_start(day_of(first)) if first else None


def _is_read(end: datetime) -> bool:
    read_until = IngestMark.current().read_until
    return read_until is not None and read_until >= end


def _check_period(start: datetime, end: datetime, at: datetime) -> None:
    if any(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) != moment for moment in (start, end)):
        raise CannotVerify("sreport knows whole hours only: give a start and an end on the hour.")
    if not start < end <= at:
        raise CannotVerify("The period must lie in the past and its start before its end.")
    if not _is_read(end):
        raise CannotVerify("The period has not been read yet: run `manage.py usage ingest` first.")
    sealed = IngestMark.current().sealed_before
    if sealed is not None and start < day_start(sealed):
        raise CannotVerify(f"Job rows of days before {sealed} may be gone: verify from that day on.")


def _check_summed_up(gateway: SlurmGateway, end: datetime) -> None:
    until = gateway.health().rolled_up_until
    if until is not None and until < end:
        raise NotSummedUp(
            f"slurmdbd has summed usage up to {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC only: try again after that."
        )
