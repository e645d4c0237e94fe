"""How use went over a grant's period, day by day, against the linear plan: pure arithmetic on integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from accounting.usage import day_of, day_start, seconds

# Beyond as many days the table beside the chart goes by weeks.
MOST_DAILY_ROWS = 62
WEEK = 7


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
class Course:
    """Use in [start, end) of what was `granted`, as it stood at `at`. GPU-seconds by day in Asia/Seoul."""

    start: datetime
    end: datetime
    granted: int
    by_day: Mapping[date, int]
    at: datetime

    @property
    def begun(self) -> bool:
        return self.at >= self.start

    def last_moment(self) -> datetime:
        """Up to where there is something to show: now, the end, or the end of the last day that was used."""
        last_used = max(
            (day_start(day + timedelta(days=1)) for day, used in self.by_day.items() if used), default=self.start
        )
        return max(self.start, min(self.at, max(self.end, last_used)))

    def points(self) -> list[Point]:
        """Cumulative use at the end of each day, and now."""
        if not self.begun:
            return []
        points, total, last = [Point(self.start, 0)], 0, self.last_moment()
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
        points = self.points()
        step = 1 if len(points) - 1 <= MOST_DAILY_ROWS else WEEK
        rows = []
        for index in range(0, len(points) - 1, step):
            before, until = points[index], points[min(index + step, len(points) - 1)]
            last = day_of(until.moment - timedelta(seconds=1))
            total = until.used
            rows.append(Stretch(day_of(before.moment), last, total - before.used, total, self.plan_at(until.moment)))
        return rows[::-1]
