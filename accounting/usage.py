"""From job rows to GPU-seconds per day: pure arithmetic on integers and aware datetimes.

Charged are (End − Start) × untyped GPUs, suspended time included: what Slurm enforces and what sreport says
(slurm-facts sections 4 and 6); CPUs are counted alike. A day is a day in Asia/Seoul. These functions are the
definition; accounting/history/recompute.py says the same in SQL.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

SEOUL = ZoneInfo("Asia/Seoul")
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Run:
    """What of a job row counts: it held `gpus` GPUs from `start` until just before `until`."""

    account: str
    user: str
    partition: str
    state: str
    start: datetime
    until: datetime
    gpus: int
    gpu_kinds: Mapping[str, int]
    provisional: bool
    cpus: int = 0


class UsageKey(NamedTuple):
    """In the order of UsageDay.KEY."""

    day: date
    account: str
    user: str
    gpu_kind: str
    partition: str
    state: str
    provisional: bool


@dataclass(slots=True)
class Amount:
    """`jobs` counts runs that started on the day."""

    gpu_seconds: int = 0
    cpu_seconds: int = 0
    jobs: int = 0


def seconds(start: datetime, end: datetime) -> int:
    """Whole seconds from start to end; 0 where the clocks ran backwards."""
    return max(0, (end - start) // SECOND)


def clipped_seconds(start: datetime, end: datetime, since: datetime, until: datetime) -> int:
    """Seconds of [start, end) that lie in [since, until)."""
    return seconds(max(start, since), min(end, until))


def charged_gpu_seconds(run: Run, since: datetime | None = None, until: datetime | None = None) -> int:
    return run.gpus * clipped_seconds(run.start, run.until, since or run.start, until or run.until)


def day_of(moment: datetime) -> date:
    return moment.astimezone(SEOUL).date()


def day_start(day: date) -> datetime:
    return datetime.combine(day, time(), SEOUL)


def day_bounds(day: date) -> tuple[datetime, datetime]:
    return day_start(day), day_start(day + timedelta(days=1))


def days_between(start: datetime, until: datetime) -> Iterator[date]:
    """The days that [start, until) touches; where the span is empty its day, where clocks ran back that of `until`."""
    day, last = day_of(min(start, until)), day_of(until)
    yield day
    while day < last:
        day += timedelta(days=1)
        if day_start(day) < until:
            yield day


def gpus_by_kind(gpus: int, kinds: Mapping[str, int]) -> dict[str, int]:
    """The untyped total split by type, so that the parts always make up the total; "" is the rest without one."""
    parts: dict[str, int] = {}
    left = gpus
    for kind in sorted(kinds):
        if part := min(kinds[kind], left):
            parts[kind] = part
            left -= part
    if left or not parts:
        parts[""] = left
    return parts


def usage_of(runs: Iterable[Run], days: Collection[date] | None = None) -> dict[UsageKey, Amount]:
    """Usage per day of the runs; with `days`, of these days only."""
    usage: dict[UsageKey, Amount] = defaultdict(Amount)
    for run in runs:
        kinds = gpus_by_kind(run.gpus, run.gpu_kinds)
        for day in days_between(run.start, run.until):
            if days is None or day in days:
                _add_day(usage, run, day, kinds)
    return dict(usage)


def _add_day(usage: dict[UsageKey, Amount], run: Run, day: date, kinds: Mapping[str, int]) -> None:
    length = clipped_seconds(run.start, run.until, *day_bounds(day))
    started = day == day_of(min(run.start, run.until))
    for position, (kind, gpus) in enumerate(kinds.items()):
        amount = usage[UsageKey(day, run.account, run.user, kind, run.partition, run.state, run.provisional)]
        amount.gpu_seconds += gpus * length
        # One run is one run, however many kinds of GPU it held.
        if position == 0:
            amount.cpu_seconds += run.cpus * length
            amount.jobs += started


def usage_by_person(runs: Iterable[Run], since: datetime, until: datetime) -> dict[tuple[str, str], int]:
    """GPU-seconds in [since, until) by (account, user), as sreport lists them; nothing for those who used none."""
    usage: dict[tuple[str, str], int] = defaultdict(int)
    for run in runs:
        usage[run.account, run.user] += charged_gpu_seconds(run, since, until)
    return {key: amount for key, amount in usage.items() if amount}
