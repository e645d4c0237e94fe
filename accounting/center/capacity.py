"""What the center had to give in a period, and how much of it was held: from Slurm's own sums. GPU-seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from accounting.dashboard.period import Period, Span, Step
from accounting.models import ClusterDay


@dataclass(slots=True)
class Time:
    """Where GPU time went. `allocated`: held by jobs or reserved; the two kinds of down are not in it."""

    installed: int = 0
    allocated: int = 0
    down: int = 0
    planned_down: int = 0

    @property
    def available(self) -> int:
        return self.installed - self.down - self.planned_down

    @property
    def free(self) -> int:
        """What stood ready and nobody held. A job may go on where a node counts as down: never below 0."""
        return max(0, self.available - self.allocated)

    def add(self, row: ClusterDay) -> None:
        self.installed += row.installed
        self.allocated += row.allocated
        self.down += row.down
        self.planned_down += row.planned_down


@dataclass(frozen=True, slots=True)
class Capacity:
    """`steps`: of those parts of the period of which Slurm has figures. `first` and `last`: its days with figures, None
    where there are none; `read_at`: when the newest of them was read."""

    total: Time
    by_kind: dict[str, Time]
    steps: Sequence[tuple[Span, Time]]
    first: date | None
    last: date | None
    read_at: datetime | None


def capacity(period: Period, step: Step) -> Capacity:
    """One query."""
    spans = list(period.spans(step))
    of_step: defaultdict[date, Time] = defaultdict(Time)
    by_kind: defaultdict[str, Time] = defaultdict(Time)
    total, days = Time(), []
    position = 0
    for row in ClusterDay.objects.filter(day__gte=period.first, day__lte=period.last, installed__gt=0):
        if row.gpu_kind:
            by_kind[row.gpu_kind].add(row)
            continue
        while row.day > spans[position].last:
            position += 1
        of_step[spans[position].begin].add(row)
        total.add(row)
        days.append(row)
    return Capacity(
        total=total,
        by_kind=dict(by_kind),
        steps=[(span, of_step[span.begin]) for span in spans if span.begin in of_step],
        first=days[0].day if days else None,
        last=days[-1].day if days else None,
        read_at=days[-1].read_at if days else None,
    )
