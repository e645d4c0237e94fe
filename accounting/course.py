"""How use went over a grant's period, day by day, against the linear plan, and where it is going: pure arithmetic on
integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

from accounting.projection import BAND_DAYS, Projection
from accounting.usage import day_of, day_start, seconds

# Beyond as many days the table beside the chart goes by weeks.
MOST_DAILY_ROWS = 62
WEEK = 7
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Point:
    """GPU-seconds used from the period's start until `moment`."""

    moment: datetime
    used: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """A row of the table: GPU-seconds in the days first to last, since the start, and by the plan."""

    first: date
    last: date
    used: int
    total: int
    plan: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """Where use is going: from now to `points[-1]`, when all of the award is used or the grant ends. `low` and `high`
    are the edges of the band around it, no longer than it holds; empty where none is given."""

    points: list[Point]
    low: list[Point]
    high: list[Point]

    @property
    def end(self) -> Point:
        return self.points[-1]


@dataclass(frozen=True)
class Course:
    """Use in [start, end) of what was `granted`, as it stood at `at`. GPU-seconds by day in Asia/Seoul."""

    start: datetime
    end: datetime
    granted: int
    by_day: Mapping[date, int]
    at: datetime
    projection: Projection | None = None

    @property
    def begun(self) -> bool:
        return self.at >= self.start

    @property
    def used(self) -> int:
        return self.points[-1].used if self.begun else 0

    def ahead(self) -> Ahead | None:
        """None where nothing is projected, or nothing is left to be used."""
        found, last = self.projection, self.last_moment
        if found is None or last >= self.end or self.used >= self.granted:
            return None
        low, high = [], []
        if found.low is not None and found.high is not None:
            until = min(self.end, last + timedelta(days=BAND_DAYS))
            low, high = (_lasting(self._going(rate, until), until) for rate in (found.low, found.high))
        return Ahead(self._going(found.rate, self.end), low, high)

    def _going(self, rate: int, until: datetime) -> list[Point]:
        """From now on at so many GPU-seconds a day, until then or until all of the award is used."""
        now = Point(self.last_moment, self.used)
        reached = now.used + rate * seconds(now.moment, until) // DAY
        if reached < self.granted:
            return [now, Point(until, reached)]
        lasts = timedelta(seconds=(self.granted - now.used) * DAY // rate)
        return [now, Point(now.moment + lasts, self.granted)]

    @cached_property
    def last_moment(self) -> datetime:
        """Up to where there is something to show: now, the end, or the end of the last day that was used."""
        last_used = max(
            (day_start(day + timedelta(days=1)) for day, used in self.by_day.items() if used), default=self.start
        )
        return max(self.start, min(self.at, max(self.end, last_used)))

    @cached_property
    def points(self) -> list[Point]:
        """Cumulative use at the end of each day, and now."""
        if not self.begun:
            return []
        points, total, last = [Point(self.start, 0)], 0, self.last_moment
        day = day_of(self.start)
        while day_start(day) < last:
            total += self.by_day.get(day, 0)
            day += timedelta(days=1)
            points.append(Point(min(day_start(day), last), total))
        return points

    def plan_at(self, moment: datetime) -> int:
        """What would be used by then if the grant were used evenly."""
        passed = min(seconds(self.start, moment), seconds(self.start, self.end))
        return self.granted * passed // seconds(self.start, self.end)

    def table(self) -> list[Stretch]:
        """The points as rows, by days or, in a long period, by weeks; the latest first."""
        points = self.points
        step = 1 if len(points) - 1 <= MOST_DAILY_ROWS else WEEK
        rows = []
        for index in range(0, len(points) - 1, step):
            before, until = points[index], points[min(index + step, len(points) - 1)]
            last = day_of(until.moment - timedelta(seconds=1))
            total = until.used
            rows.append(Stretch(day_of(before.moment), last, total - before.used, total, self.plan_at(until.moment)))
        return rows[::-1]

    def expected(self) -> Stretch | None:
        """The projection as a row of the table: from now until all is used or the grant ends."""
        ahead = self.ahead()
        if ahead is None:
            return None
        begin, end = ahead.points[0], ahead.end
        last = day_of(end.moment - timedelta(seconds=1))
        return Stretch(day_of(begin.moment), last, end.used - begin.used, end.used, self.plan_at(end.moment))


def _lasting(edge: list[Point], until: datetime) -> list[Point]:
    """Flat from where all is used."""
    return edge if edge[-1].moment >= until else [*edge, Point(until, edge[-1].used)]
