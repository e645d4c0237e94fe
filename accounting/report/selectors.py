"""Which periods and editions there are, and one of them as a page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounting.models import Edition
from accounting.report.content import Content, changes, content_of
from accounting.report.editions import waits_of
from accounting.report.periods import Kind, Period, periods_back
from accounting.report.reckon import reckon
from accounting.report.rows import ChangeRow, IndicatorRow, Table, change_rows, indicator_rows, tables
from accounting.statements.closing import MAY_BE_SKIPPED, Known, Wait
from accounting.statements.months import month_of
from accounting.usage import day_of
from allocations.models import Application, LedgerEntry


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """A period in the list, with its editions, the newest first."""

    period: Period
    editions: Sequence[Edition]
    is_over: bool

    @property
    def newest(self) -> Edition | None:
        return self.editions[0] if self.editions else None


@dataclass(frozen=True, slots=True)
class Reading:
    """A period as a page shows it: an edition, or with `edition` None as all is known by now.

    `changed`: what the edition changed in the one before it, or what has changed by now since the newest one.
    """

    period: Period
    content: Content
    edition: Edition | None
    editions: Sequence[Edition]
    changed: Sequence[ChangeRow]
    waits: Sequence[Wait]

    @property
    def standing(self) -> str:
        if self.edition:
            return _("Edition %(number)s") % {"number": self.edition.number}
        return _("As now") if self.editions else _("Provisional")

    @property
    def indicators(self) -> list[IndicatorRow]:
        return indicator_rows(self.content)

    @property
    def tables(self) -> list[Table]:
        return tables(self.content)

    @property
    def query(self) -> str:
        """What an address needs to name this reading."""
        return f"?edition={self.edition.edition}" if self.edition else "?as=now"

    @property
    def may_be_frozen(self) -> bool:
        """Nothing that cannot be skipped speaks against it, and it says something new."""
        return not self.edition and not self.says_nothing_new and MAY_BE_SKIPPED.issuperset(self.waits)

    @property
    def says_nothing_new(self) -> bool:
        return bool(self.editions) and not self.changed

    @property
    def is_newest(self) -> bool:
        return bool(self.edition and self.edition == self.editions[0])

    @property
    def before(self) -> Edition | None:
        """The edition that `changed` compares with."""
        if self.edition is None:
            return self.editions[0] if self.editions else None
        return next((row for row in self.editions if row.edition < self.edition.edition), None)


def first_day() -> date | None:
    """From when on there is anything to report, the first application or entry in a ledger: one query."""
    handed_in = Application.objects.order_by("submitted_at").values_list("submitted_at", flat=True)
    entered = LedgerEntry.objects.order_by("at").values_list("at", flat=True)
    found = [moment for moment in handed_in[:1].union(entered[:1]) if moment]
    return month_of(min(found)) if found else None


def _begun(period: Period, at: datetime) -> bool:
    first = first_day()
    return first is not None and period.last >= first and period.first <= day_of(at)


def period_rows(kind: Kind, at: datetime) -> list[PeriodRow]:
    """Those of the kind that have begun, newest first."""
    first = first_day()
    if first is None:
        return []
    found: dict[date, list[Edition]] = {}
    for row in Edition.objects.filter(kind=kind).defer("figures", "hidden").select_related("frozen_by"):
        found.setdefault(row.first, []).append(row)
    return [
        PeriodRow(period, found.get(period.first, []), is_over=period.end <= at)
        for period in periods_back(kind, day_of(at), first)
    ]


def editions_of(period: Period) -> QuerySet[Edition]:
    return Edition.objects.filter(kind=period.kind, first=period.first).select_related("frozen_by")


def reading_of(period: Period, at: datetime, *, edition: int | None = None, as_now: bool = False) -> Reading | None:
    """The asked edition, the newest one, or where there is none or `as_now` is asked for, as all is known by now; None
    for an edition or a period that there is not."""
    editions = list(editions_of(period))
    if not editions and not _begun(period, at):
        return None
    chosen = None if as_now else next((row for row in editions if edition in (None, row.edition)), None)
    if edition is not None and chosen is None:
        return None
    if chosen:
        content, waits = content_of(chosen.figures), list[Wait]()
    else:
        known = Known.now()
        content, waits = reckon(period, known), waits_of(period, at, known)
    reading = Reading(period, content, chosen, editions, (), waits)
    if reading.before is None:
        return reading
    found = changes(content_of(reading.before.figures), content)
    return Reading(period, content, chosen, editions, change_rows(found, content), reading.waits)


def newest_public() -> list[Edition]:
    """The newest frozen year, quarter and month, each in its newest edition; the widest first."""
    newest = Edition.objects.order_by("kind", "-first", "-edition").distinct("kind")
    width = {kind: place for place, kind in enumerate((Kind.YEAR, Kind.QUARTER, Kind.MONTH))}
    return sorted(newest, key=lambda row: width[Kind(row.kind)])
