"""Freezing a report as a numbered edition, and setting what a year is meant to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounting.models import Edition, Target
from accounting.report.books import books_of
from accounting.report.content import Content, changes, content_of
from accounting.report.indicators import BY_CODE
from accounting.report.periods import Kind, Period, period_of, periods_back
from accounting.report.reckon import content_from, reckon
from accounting.report.rows import Figure
from accounting.report.small_cells import Published, hidden_cells
from accounting.statements.closing import MAY_BE_SKIPPED, Known, Wait
from allocations.services.numbers import next_number
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User


def waits_of(period: Period, at: datetime, known: Known | None = None) -> list[Wait]:
    """What speaks against freezing the period yet, the weightiest first."""
    return (known or Known.now()).waits(period.last_month, at, ())


def newest_edition(period: Period) -> Edition | None:
    return Edition.objects.filter(kind=period.kind, first=period.first).select_related("frozen_by").first()


@transaction.atomic
def edition_freeze(*, period: Period, seen: str, by: User, at: datetime) -> Edition:
    """Freeze the period as its next edition; `seen` is the digest of the report that `by` was shown.

    Raises Refused while the period lasts, not all of its jobs are read, or nothing has changed since its last edition;
    LostRace where the figures are not those that were shown.
    """
    missing = [wait for wait in waits_of(period, at) if wait not in MAY_BE_SKIPPED]
    if missing:
        raise Refused(str(missing[0].label))
    # Numbers are given one at a time: whoever comes second sees what the first has frozen.
    number = next_number(Edition.objects.filter(kind=period.kind, first=period.first), "number", f"{period}-", digits=1)
    content, last = reckon(period), newest_edition(period)
    if last and not changes(content_of(last.figures), content):
        raise Refused(_("Nothing has changed since edition %(number)s.") % {"number": last.number})
    if content.digest != seen:
        raise LostRace("report")
    editions = _published(period)
    hidden = hidden_cells(content, editions, _unpublished(period, editions))
    edition = Edition.objects.create(
        kind=period.kind,
        first=period.first,
        number=number,
        edition=int(number.rpartition("-")[2]),
        figures=content.as_json(),
        hidden=sorted(hidden),
        frozen_at=at,
        frozen_by=by,
    )
    record("edition.frozen", target=edition, by=by, at=at, topics=("operations",), number=number)
    return edition


def _published(period: Period) -> list[Published]:
    editions = Edition.objects.filter(first__year=period.first.year).order_by("pk")
    return [published(row) for row in editions]


def _unpublished(period: Period, editions: Sequence[Published]) -> list[Content]:
    """The other periods of the year without an edition, as they are known now."""
    year = period_of(Kind.YEAR, period.first)
    books, there = books_of(year), {period, *(row.content.period for row in editions)}
    others = [row for kind in Kind for row in periods_back(kind, year.last, year.first) if row not in there]
    return [content_from(row, books, targets={}, read_until=None, verified_until=None) for row in others]


def published(edition: Edition) -> Published:
    """The edition as far as the public may read it."""
    return Published(content_of(edition.figures), frozenset((table, row) for table, row in edition.hidden))


@transaction.atomic
def targets_set(*, year: int, values: Mapping[str, int | None], by: User, at: datetime) -> int:
    """Set or, with None, take away the year's targets of these indicators, in the unit each is kept in; how many were
    changed. Raises KeyError for an indicator that has no targets."""
    before = dict(Target.objects.select_for_update().filter(year=year).values_list("indicator", "value"))
    changed = 0
    for code, value in values.items():
        if not BY_CODE[code].targeted:
            raise KeyError(code)
        if before.get(code) != value:
            _target_set(year, code, before.get(code), value, by, at)
            changed += 1
    return changed


def _target_set(year: int, code: str, before: int | None, value: int | None, by: User, at: datetime) -> None:
    rows = Target.objects.filter(year=year, indicator=code)
    said: dict[str, int | str] = {"year": year, "code": code, "indicator": str(BY_CODE[code].name)}
    said |= {name: str(Figure(amount, BY_CODE[code].unit)) for name, amount in (("before", before), ("after", value))}
    if value is None:
        record("target.removed", target=rows.get(), by=by, at=at, topics=("operations",), **said)
        rows.delete()
        return
    target, _created = Target.objects.update_or_create(
        year=year, indicator=code, defaults={"value": value, "set_by": by, "set_at": at}
    )
    record("target.set", target=target, by=by, at=at, topics=("operations",), **said)
