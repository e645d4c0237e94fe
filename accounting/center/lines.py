"""Every line of a grant that is open or still to come, or was open of late: what the center's figures are made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Sum

from allocations.models import GrantLine, LedgerEntry, Suspension


class CenterLine(NamedTuple):
    """`track`: of the call that the grant was applied for in, None for an imported one. GPU-seconds."""

    project: int
    pool: int
    institution: int
    track: str | None
    starts_at: datetime
    ends_at: datetime
    suspended: bool
    granted: int
    charged: int

    @property
    def rest(self) -> int:
        """What may still be used of it."""
        return max(0, self.granted - self.charged)

    def is_open(self, at: datetime) -> bool:
        return not self.suspended and self.starts_at <= at < self.ends_at


def lines_since(moment: datetime) -> list[CenterLine]:
    """Those that had not ended by then: two queries, those that end first in front."""
    lasting = Suspension.objects.filter(grant=OuterRef("grant"), until=None)
    rows: Any = (
        GrantLine.objects.filter(grant__ends_at__gt=moment)
        .annotate(is_suspended=Exists(lasting))
        .order_by("grant__ends_at", "pk")
        .values_list(
            "pk",
            "grant__project",
            "pool",
            "grant__project__institution",
            "grant__application__call__track",
            "grant__starts_at",
            "grant__ends_at",
            "is_suspended",
            "charged_gpu_seconds",
        )
    )
    # Asked for apart: the database would carry everything above through the summing.
    entries = LedgerEntry.objects.filter(line__grant__ends_at__gt=moment).order_by().values_list("line")
    granted: dict[int, int] = dict(entries.annotate(Sum("gpu_seconds")))
    return [CenterLine._make((*row, granted.get(key, 0), charged)) for key, *row, charged in rows]


def open_lines(lines: Iterable[CenterLine], at: datetime) -> list[CenterLine]:
    return [line for line in lines if line.is_open(at)]
