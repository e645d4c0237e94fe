"""Use day by day as a calendar: weeks side by side from Sunday to Saturday, darker where more was used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, lru_cache

from django.utils.dates import WEEKDAYS, WEEKDAYS_ABBR
from django.utils.formats import date_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounting.dashboard.period import Period, Step
from accounting.use import use_by
from portal.web.templatetags.figures import gpu_hours

# In fewer days there is no pattern to see, in more of them the weeks do not fit side by side.
LEAST_DAYS, MOST_DAYS = 21, 371
# Beside nothing: up to a quarter, half, three quarters and all of what was used on the busiest day.
LEVELS = 4
SUNDAY_FIRST = (6, 0, 1, 2, 3, 4, 5)
LEAST_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Day:
    """`level` is 0 where nothing was used, else 1 to 4."""

    day: date
    gpu_seconds: int
    level: int

    @property
    def words(self) -> str:
        """`3 Sep 2026: 12 GPU-hours`."""
        said = {"day": _said(self.day, get_language()), "hours": gpu_hours(self.gpu_seconds)}
        return _("%(day)s: %(hours)s GPU-hours") % said


@lru_cache(maxsize=4 * MOST_DAYS)
def _said(day: date, language: str | None) -> str:
    """In the present language. A page of a year says hundreds, and every page says the same ones."""
    return date_format(day, "DATE_FORMAT")


@dataclass(frozen=True, slots=True)
class Weekday:
    """A row: its name, in short and in full, and its days; None for those outside the period."""

    short: str
    name: str
    days: Sequence[Day | None]


@dataclass(frozen=True)
class Calendar:
    period: Period
    by_day: Mapping[date, int]

    @cached_property
    def most(self) -> int:
        return max(self.by_day.values(), default=0)

    @property
    def busiest(self) -> Day:
        """Of a period in which something was used."""
        return self._day(max(self.by_day, key=lambda day: (self.by_day[day], day)))

    @property
    def used_days(self) -> int:
        return sum(1 for used in self.by_day.values() if used)

    @cached_property
    def sundays(self) -> list[date]:
        return [span.begin for span in self.period.spans(Step.WEEK)]

    def months(self) -> list[tuple[str, int]]:
        """(name, weeks that begin in it) for the head of the columns; without a name where it would not fit."""
        found: list[tuple[tuple[int, int], int]] = []
        for sunday in self.sundays:
            month = (sunday.year, sunday.month)
            if found and found[-1][0] == month:
                found[-1] = (month, found[-1][1] + 1)
            else:
                found.append((month, 1))
        return [
            (date_format(date(year, month, 1), "M") if weeks >= LEAST_COLUMNS else "", weeks)
            for (year, month), weeks in found
        ]

    def weekdays(self) -> list[Weekday]:
        return [
            Weekday(
                str(WEEKDAYS_ABBR[number]),
                str(WEEKDAYS[number]),
                [self._within(sunday + timedelta(days=place)) for sunday in self.sundays],
            )
            for place, number in enumerate(SUNDAY_FIRST)
        ]

    def bounds(self) -> list[tuple[int, int]]:
        """(level, the most GPU-seconds in it), for the legend."""
        return [(level, self.most * level // LEVELS) for level in range(1, LEVELS + 1)]

    def _within(self, day: date) -> Day | None:
        return self._day(day) if self.period.first <= day <= self.period.last else None

    def _day(self, day: date) -> Day:
        used = self.by_day.get(day, 0)
        return Day(day, used, -(-used * LEVELS // self.most) if used else 0)


def calendar_fits(period: Period) -> bool:
    return LEAST_DAYS <= period.days <= MOST_DAYS


def calendar(period: Period, accounts: Collection[str]) -> Calendar:
    """One query, which sums up the days' persons, partitions and states in the database."""
    rows = use_by("day", accounts=accounts, first=period.first, last=period.last)
    return Calendar(period, {day: amount.gpu_seconds for (day,), amount in rows.items()})
