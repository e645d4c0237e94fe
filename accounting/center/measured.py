"""Where the time of the center's GPUs went, day by day, taken over from Slurm's own sums."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Min

from accounting.models import ClusterDay, UsageDay
from accounting.usage import day_bounds, day_of
from allocations.models import Pool
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import Utilisation

DAYS_AT_ONCE = 31
# Slurm sums an hour up anew where rows of it came late: a day is read again whenever it has become older by this part,
# every hour at first and every third day in the end, for as long as job history is read again.
READ_AGAIN = 20
WATCHED = timedelta(days=62)
ONE_DAY = timedelta(days=1)
NOTHING = {"": Utilisation(0, 0, 0, 0)}


def read_utilisation(gateway: SlurmGateway, *, at: datetime) -> bool:
    """Read the days that are due, the newest first, so many at once; whether more are left. Raises SlurmError."""
    kinds = sorted(set(Pool.objects.values_list("gpu_kind", flat=True)))
    due = list(_due(at))
    for day in due[:DAYS_AT_ONCE]:
        start, end = _hours_over(day, at)
        _keep(day, dict(gateway.utilisation(start, end, kinds)) or NOTHING, at)
    return len(due) > DAYS_AT_ONCE


def _due(at: datetime) -> Iterator[date]:
    """From the first day with usage until today: what was never read, and what may have changed since."""
    read_at = dict(ClusterDay.objects.filter(gpu_kind="").values_list("day", "read_at"))
    today = day_of(at)
    first = UsageDay.objects.aggregate(first=Min("day"))["first"] or today
    for age in range((today - min(first, today)).days + 1):
        day = today - age * ONE_DAY
        begin, end = _hours_over(day, at)
        if begin < end and (day not in read_at or _may_have_changed(begin, end, read_at[day], at)):
            yield day


def _may_have_changed(begin: datetime, end: datetime, read_at: datetime, at: datetime) -> bool:
    """Hours of the day were not over when it was read, or some of them may have been summed up anew since."""
    age = at - begin
    return read_at < end or (age < WATCHED and (at - read_at) * READ_AGAIN >= age)


def _hours_over(day: date, at: datetime) -> tuple[datetime, datetime]:
    """What of the day lies in hours that are over."""
    start, end = day_bounds(day)
    return start, min(end, at.replace(minute=0, second=0, microsecond=0))


@transaction.atomic
def _keep(day: date, found: dict[str, Utilisation], at: datetime) -> None:
    ClusterDay.objects.filter(day=day).exclude(gpu_kind__in=found).delete()
    ClusterDay.objects.bulk_create(
        [
            ClusterDay(day=day, gpu_kind=kind, read_at=at, **{name: getattr(part, name) for name in ClusterDay.AMOUNTS})
            for kind, part in found.items()
        ],
        update_conflicts=True,
        unique_fields=["day", "gpu_kind"],
        update_fields=[*ClusterDay.AMOUNTS, "read_at"],
    )
