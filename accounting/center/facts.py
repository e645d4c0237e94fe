"""What the worker last read of the cluster, as the center's pages need it: one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Subquery

from accounting.models import IngestMark, UsageDay
from allocations.models import Cluster


@dataclass(frozen=True, slots=True)
class CenterFacts:
    """`first_day`: the first with usage. `capacity` and `foreign_accounts` as in Cluster."""

    first_day: date | None = None
    read_until: datetime | None = None
    queue_read_at: datetime | None = None
    capacity: Sequence[Mapping[str, Any]] = ()
    foreign_accounts: Sequence[Mapping[str, Any]] = ()


def center_facts() -> CenterFacts:
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER)
    days = UsageDay.objects.order_by("day")
    cluster: QuerySet[Cluster, Any] = Cluster.objects.filter(name=settings.SLURM_CLUSTER)
    row = (
        cluster.annotate(
            first_day=Subquery(days.values("day")[:1]),
            read_until=Subquery(mark.values("read_until")[:1]),
            queue_read_at=Subquery(mark.values("queue_read_at")[:1]),
        )
        .values_list("first_day", "read_until", "queue_read_at", "capacity", "foreign_accounts")
        .first()
    )
    return CenterFacts(*row) if row else CenterFacts()
