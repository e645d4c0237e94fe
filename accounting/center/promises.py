"""What is promised for the months ahead against what there is to give: pure arithmetic on GPU-seconds.

Promised is the unused rest of every grant that is open or still to come (a suspended one may go on), spread evenly over
the time that it has left. To give is every installed GPU, every second; hours that are down are not taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from accounting.center.lines import CenterLine
from accounting.statements.months import month_bounds, next_month
from accounting.usage import day_of
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
    months = [day_of(at).replace(day=1)]
    while len(months) < MONTHS:
        months.append(next_month(months[-1]))
    rests = [rest for line in lines if (rest := _rest(line, at))]
    of_pool = {pool.pk: [rest for rest in rests if rest.pool == pool.pk] for pool in pools}
    return [_promise(month, pool, of_pool[pool.pk], at) for pool in pools for month in months]


class _Rest(NamedTuple):
    """What is left of a line, from now or its beginning to its end: moments in seconds, since there are thousands."""

    pool: int
    begin: int
    end: int
    gpu_seconds: int


def _rest(line: CenterLine, at: datetime) -> _Rest | None:
    begin, end = int(max(at, line.starts_at).timestamp()), int(line.ends_at.timestamp())
    return _Rest(line.pool, begin, end, line.rest) if line.rest and begin < end else None


def _promise(month: date, pool: Pool, rests: Iterable[_Rest], at: datetime) -> Promise:
    start, end = month_bounds(month)
    since, until = int(max(start, at).timestamp()), int(end.timestamp())
    promised = sum(
        gpu_seconds * (min(last, until) - max(begin, since)) // (last - begin)
        for _, begin, last, gpu_seconds in rests
        if begin < until and last > since
    )
    return Promise(month, pool, promised, pool.gpus * (until - since))
