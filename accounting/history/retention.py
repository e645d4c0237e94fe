"""Retention 보존: job rows older than a set age are dropped. Usage per day stays, sealed: it takes only recorded
differences (accounting/history/sealed.py) from then on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from accounting.attribution import borders_of
from accounting.balance import lines_of
from accounting.history.alone import take_turn
from accounting.models import IngestMark, Job, Refund
from accounting.usage import day_bounds, day_of, day_start
from allocations.models import Account
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User

# The worker reads the last 62 days again by itself, and what it finds there must still be known.
LEAST_KEEP_DAYS = 70
ROWS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Retained:
    """What became of job rows from before `sealed_before`: `kept` are still needed, and are looked at the next time."""

    sealed_before: date
    dropped: int
    kept: int


def retain(*, keep_days: int, by: User | None, at: datetime, dry_run: bool = False) -> Retained:
    """Seal all days older than so many, and drop their job rows. A dry run counts what would be dropped.

    Raises Refused where that is too few days, or where those days have not been read to their end. Interrupted, the
    next run goes on where it was.
    """
    if keep_days < LEAST_KEEP_DAYS:
        raise Refused(_("At least %(days)s days are kept: Slurm may still correct them.") % {"days": LEAST_KEEP_DAYS})
    before = day_of(at) - timedelta(days=keep_days)
    before = max(before, IngestMark.current().sealed_before or before)
    if dry_run:
        dropped = sum(rows.count() for rows in _droppable(before))
        return Retained(before, dropped, _from_before(before).count() - dropped)
    seal(before=before, by=by, at=at)
    return Retained(before, _drop(before), _from_before(before).count())


def retain_as_set(at: datetime) -> Retained | None:
    """What the worker does every night where the center has set an age (USAGE_KEEP_DAYS); None where it has not."""
    if settings.USAGE_KEEP_DAYS is None:
        return None
    return retain(keep_days=settings.USAGE_KEEP_DAYS, by=None, at=at)


@transaction.atomic
def seal(*, before: date, by: User | None, at: datetime) -> None:
    """From now on usage of days before `before` takes only recorded differences. A seal never moves back.

    Raises Refused where these days have not been read to their end.
    """
    take_turn()
    mark = IngestMark.current()
    if mark.sealed_before and mark.sealed_before >= before:
        return
    if mark.read_until is None or mark.read_until < day_start(before):
        raise Refused(_("Job history has not been read up to there yet."))
    mark.sealed_before = before
    mark.save(update_fields=["sealed_before"])
    record("usage.sealed", target=mark, by=by, at=at, topics=("operations",), before=before.isoformat())


def _drop(before: date) -> int:
    """In small transactions, so that it can be interrupted and nobody waits for it; how many rows that were."""
    dropped = 0
    for rows in _droppable(before):
        while batch := _drop_some(rows):
            dropped += batch
    return dropped


@transaction.atomic
def _drop_some(rows: QuerySet[Job]) -> int:
    take_turn()
    return Job.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[:ROWS_AT_ONCE])).delete()[0]


def _from_before(before: date) -> QuerySet[Job]:
    """Rows wholly before the day."""
    start = day_start(before)
    return Job.objects.filter(end__lt=start).exclude(start__gte=start).order_by()


def _droppable(before: date) -> Iterator[QuerySet[Job]]:
    """Of these what nothing needs any more: neither open nor held, without a refund, and not on a day in which a grant
    line opened or closed, whose use is charged by the second."""
    refunds = Refund.objects.filter(job=OuterRef("pk"))
    rows = _from_before(before).filter(~Exists(refunds), final=True, held__isnull=True)
    accounts = list(Account.objects.order_by("name").values_list("name", "project", "pool"))
    lines = lines_of({project for _name, project, _pool in accounts})
    yield rows.exclude(account__in=[name for name, _project, _pool in accounts])
    for name, project, pool in accounts:
        yield rows.filter(account=name).exclude(_on_days(borders_of(lines[project, pool]), day_start(before)))


def _on_days(borders: list[datetime], until: datetime) -> Q:
    """Rows that ran on a day with a border inside, before `until`."""
    needed = Q(pk__in=[])
    for border in borders:
        start, end = day_bounds(day_of(border))
        if start < border < until:
            needed |= Q(start__lt=end, end__gte=start)
    return needed
