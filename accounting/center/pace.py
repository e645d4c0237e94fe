"""Which projects are far from the linear plan of their grants: pure arithmetic on GPU-seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from accounting.center.lines import CenterLine
from accounting.usage import seconds

# In percentage points of what was granted. Below the plan counts only after a quarter of the term.
FAR_ABOVE = 20
FAR_BELOW = 40
A_QUARTER = Fraction(1, 4)
MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Pace:
    """A project's open lines in one pool. `plan` is what would be used by now if it were used evenly."""

    project: int
    pool: int
    granted: int
    used: int
    plan: int
    ends_at: datetime

    @property
    def points(self) -> int:
        """Above the plan (negative: below it), in whole points of what was granted, rounded towards the plan."""
        away = (self.used - self.plan) * 100
        points = abs(away) // self.granted
        return points if away >= 0 else -points

    @property
    def signed_points(self) -> str:
        return f"{self.points:+d}"

    @property
    def is_early(self) -> bool:
        return self.plan < self.granted * A_QUARTER


@dataclass(frozen=True, slots=True)
class Paces:
    """The farthest first; `more_…`: so many are not listed."""

    above: Sequence[Pace]
    below: Sequence[Pace]
    more_above: int
    more_below: int


def paces(lines: Iterable[CenterLine], at: datetime) -> Paces:
    of_pool: defaultdict[tuple[int, int], list[CenterLine]] = defaultdict(list)
    for line in lines:
        if line.is_open(at) and line.granted > 0:
            of_pool[line.project, line.pool].append(line)
    rows = [_pace(project, pool, found, at) for (project, pool), found in of_pool.items()]
    above = sorted((row for row in rows if row.points >= FAR_ABOVE), key=lambda row: (-row.points, row.project))
    below = sorted(
        (row for row in rows if row.points <= -FAR_BELOW and not row.is_early),
        key=lambda row: (row.points, row.project),
    )
    return Paces(above[:MOST_SHOWN], below[:MOST_SHOWN], len(above[MOST_SHOWN:]), len(below[MOST_SHOWN:]))


def _pace(project: int, pool: int, lines: Sequence[CenterLine], at: datetime) -> Pace:
    return Pace(
        project=project,
        pool=pool,
        granted=sum(line.granted for line in lines),
        used=sum(line.charged for line in lines),
        plan=sum(line.granted * seconds(line.starts_at, at) // seconds(line.starts_at, line.ends_at) for line in lines),
        ends_at=max(line.ends_at for line in lines),
    )
