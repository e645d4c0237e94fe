"""What a report is about: a month, a quarter or a year in Asia/Seoul."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounting.models import Edition
from accounting.statements.months import month_before, months_between, next_month, parse_month
from accounting.usage import day_start

Kind = Edition.Kind
MONTHS = {Kind.MONTH: 1, Kind.QUARTER: 3, Kind.YEAR: 12}


@dataclass(frozen=True, slots=True)
class Period:
    """Whole months; `first` is its first day. Written `2026-10`, `2026Q3` or `2026`."""

    kind: Kind
    first: date

    def __str__(self) -> str:
        return {
            Kind.MONTH: f"{self.first:%Y-%m}",
            Kind.QUARTER: f"{self.first.year}Q{self.quarter}",
            Kind.YEAR: f"{self.first.year}",
        }[self.kind]

    @property
    def quarter(self) -> int:
        return (self.first.month + 2) // 3

    @property
    def months(self) -> list[date]:
        return list(months_between(self.first, self.last_month))

    @property
    def last_month(self) -> date:
        return self.first.replace(month=self.first.month + MONTHS[self.kind] - 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return next_month(self.last_month) - timedelta(days=1)

    @property
    def end(self) -> datetime:
        """The moment just after it."""
        return day_start(next_month(self.last_month))

    @property
    def of_year_so_far(self) -> tuple[date, date]:
        """From the year's first day to its own last one."""
        return self.first.replace(month=1), self.last

    @property
    def words(self) -> str:
        if self.kind == Kind.MONTH:
            return date_format(self.first, "YEAR_MONTH_FORMAT")
        year = {"year": self.first.year, "quarter": self.quarter}
        return _("Quarter %(quarter)s of %(year)s") % year if self.kind == Kind.QUARTER else _("Year %(year)s") % year


def parse_period(text: str) -> Period:
    """Of `2026-10`, `2026Q3` or `2026`. Raises ValueError."""
    if "Q" in text:
        year, quarter = text.split("Q")
        return Period(Kind.QUARTER, date(int(year), int(quarter) * 3 - 2, 1))
    if "-" in text:
        return Period(Kind.MONTH, parse_month(text))
    return Period(Kind.YEAR, date(int(text), 1, 1))


def period_of(kind: Kind, day: date) -> Period:
    """The one of the kind that the day lies in."""
    length = MONTHS[kind]
    return Period(kind, day.replace(month=(day.month - 1) // length * length + 1, day=1))


def periods_back(kind: Kind, until: date, since: date) -> Iterator[Period]:
    """Those of the kind from the one of `until` back to the one of `since`."""
    period = period_of(kind, until)
    while period.last >= since:
        yield period
        period = period_of(kind, month_before(period.first))
