"""The center in a few figures, for the home page of those who may see it as a whole: sums only, nobody's name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, JSONObject

from accounting.models import IngestMark, QueueJob, UsageMonthSum
from accounting.statements.months import month_of
from allocations.models import Account, Cluster, GrantLine, Pool
from portal.sums import one_figure


@dataclass(frozen=True, slots=True)
class CenterState:
    """`used` in GPU-seconds since the month began; `gpus_used` are held by jobs now, of the portal's projects."""

    gpus: int
    gpus_used: int
    running: int
    waiting: int
    projects: int
    institutions: int
    used: int
    queue_read_at: datetime | None


def center_state(at: datetime) -> CenterState:
    """One query."""
    waiting, running = Q(state="PENDING"), ~Q(state="PENDING")
    lines = GrantLine.objects.open(at)
    of_projects = Account.objects.order_by().values("name")
    month = UsageMonthSum.objects.filter(month=month_of(at), account_name__in=of_projects)
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER)
    queue = {
        "gpus_used": Coalesce(Sum("gpus", filter=running), 0),
        "running": Count("pk", filter=running),
        "waiting": Count("pk", filter=waiting),
    }
    granted = {
        "projects": Count("grant__project", distinct=True),
        "institutions": Count("grant__project__institution", distinct=True),
    }
    figures = {
        "queue": _at_once(QueueJob.objects.all(), queue),
        "granted": _at_once(lines, granted),
        "gpus": one_figure(Pool.objects.all(), Sum("gpus")),
        "used": one_figure(month, Sum("gpu_seconds")),
        "queue_read_at": Subquery(mark.values("queue_read_at")[:1]),
    }
    rows = Cluster.objects.filter(name=settings.SLURM_CLUSTER).values(**figures)
    # In a new database there is none yet.
    row: Any = rows.first() or rows.get(pk=Cluster.current().pk)
    counted = dict.fromkeys([*queue, *granted], 0) | (row.pop("queue") or {}) | (row.pop("granted") or {})
    return CenterState(**counted, **row)


def _at_once(rows: QuerySet[Any], figures: dict[str, Any]) -> Subquery:
    """Several figures over the same rows, read once; nothing where there are none."""
    return Subquery(rows.order_by().values(one=Value(1)).annotate(figures=JSONObject(**figures)).values("figures"))
