"""The period that figures are asked for, and how it is cut into days, weeks and months. All in Asia/Seoul."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import TextChoices
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.statements.months import next_month
from accounting.usage import day_of, day_start
from allocations.models import Grant, Project

ONE_DAY = timedelta(days=1)
# Up to so many days a period goes by days where nothing else is asked for, then by weeks, beyond by months.
MOST_DAYS = 62
MOST_WEEKS = 26 * 7
# Longer ones are not cut into days: neither a chart nor a table of them could be read.
MOST_DAYS_AT_ALL = 366
LONGEST = 10 * 366


class Step(TextChoices):
    AUTO = "", gettext_lazy("By its length")
    DAY = "day", gettext_lazy("Day")
    WEEK = "week", gettext_lazy("Week")
    MONTH = "month", gettext_lazy("Month")


@dataclass(frozen=True, slots=True)
class Span:
    """One step: `begin` names it (the Sunday of a week, the first of a month); first and last lie in the period."""

    begin: date
    first: date
    last: date

    @property
    def words(self) -> str:
        return days_words(self.first, self.last)


@dataclass(frozen=True, slots=True)
class Period:
    """From `first` to `last`, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """From its first moment until just before the second."""
        return day_start(self.first), day_start(self.last + ONE_DAY)

    @property
    def words(self) -> str:
        return days_words(self.first, self.last)

    def step(self, wanted: str) -> Step:
        """The step asked for, or the one that fits the length."""
        if wanted:
            return Step(wanted)
        if self.days <= MOST_DAYS:
            return Step.DAY
        return Step.WEEK if self.days <= MOST_WEEKS else Step.MONTH

    def spans(self, step: Step) -> Iterator[Span]:
        """Its steps in their order, the first and the last of them clipped to it."""
        begin = _begin(self.first, step)
        while begin <= self.last:
            following = _following(begin, step)
            yield Span(begin, max(begin, self.first), min(following - ONE_DAY, self.last))
            begin = following


def days_words(first: date, last: date) -> str:
    one, other = date_format(first, "DATE_FORMAT"), date_format(last, "DATE_FORMAT")
    return one if first == last else _("%(first)s – %(last)s") % {"first": one, "last": other}


def week_of(day: date) -> date:
    """The Sunday that its week begins with."""
    return day - timedelta(days=day.isoweekday() % 7)


def _begin(day: date, step: Step) -> date:
    if step is Step.MONTH:
        return day.replace(day=1)
    return week_of(day) if step is Step.WEEK else day


def _following(begin: date, step: Step) -> date:
    if step is Step.MONTH:
        return next_month(begin)
    return begin + timedelta(days=7 if step is Step.WEEK else 1)


def grant_period(project: Project, at: datetime) -> Period | None:
    """Of the grants that are open now, suspended ones included, up to today; else of the last that ended; None where
    none has begun."""
    begun = list(Grant.objects.filter(project=project, starts_at__lte=at).values_list("starts_at", "ends_at"))
    if not begun:
        return None
    running = [row for row in begun if row[1] > at]
    last_end = max(end for _start, end in begun)
    counted = running or [row for row in begun if row[1] == last_end]
    first = day_of(min(start for start, _end in counted))
    return Period(first, min(day_of(at), day_of(last_end - timedelta(seconds=1))))
