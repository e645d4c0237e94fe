"""What is promised for the months ahead against what there is to give: pure arithmetic on GPU-seconds.

Promised is the unused rest of every grant that is open or still to come (a suspended one may go on), spread evenly over
the time that it has left. To give is every installed GPU, every second; hours that are down are not taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from accounting.center.lines import CenterLine
from accounting.statements.months import month_bounds, next_month
from accounting.usage import clipped_seconds, day_of, seconds
from allocations.models import Pool

MONTHS = 6


@dataclass(frozen=True, slots=True)
class Promise:
    """Of one pool in one month; of the present month what is left of it."""

    month: date
    pool: Pool
    promised: int
    available: int

    def is_above(self, percent: int) -> bool:
        return self.promised * 100 > self.available * percent


def promises(lines: Iterable[CenterLine], pools: Sequence[Pool], at: datetime) -> list[Promise]:
    """For each pool the present month and the next ones."""
    lines = list(lines)
    months = [day_of(at).replace(day=1)]
    while len(months) < MONTHS:
        months.append(next_month(months[-1]))
    of_pool = {pool.pk: [line for line in lines if line.pool == pool.pk] for pool in pools}
    return [_promise(month, pool, of_pool[pool.pk], at) for pool in pools for month in months]


def _promise(month: date, pool: Pool, lines: Iterable[CenterLine], at: datetime) -> Promise:
    start, end = month_bounds(month)
    promised = sum(_share(line, max(start, at), end, at) for line in lines)
    return Promise(month, pool, promised, pool.gpus * seconds(max(start, at), end))


def _share(line: CenterLine, start: datetime, end: datetime, at: datetime) -> int:
    """What of the line's rest falls into [start, end)."""
    begin = max(at, line.starts_at)
    whole = seconds(begin, line.ends_at)
    return line.rest * clipped_seconds(begin, line.ends_at, start, end) // whole if whole else 0
