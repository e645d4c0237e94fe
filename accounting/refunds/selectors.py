"""Refunds for pages: of a project, and of the center for its operators."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import (
    BooleanField,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from accounting.models import Job, Maintenance, Refund
from accounting.names import names_of
from accounting.refunds.maintenance import BrokenJob
from accounting.refunds.request import oldest_end
from allocations.models import Project

Status = Refund.Status


def refunds_of(project: Project) -> QuerySet[Refund]:
    """Granted, asked for and declined ones, what waits first."""
    return _with_rows(Refund.objects.filter(line__grant__project=project))


def refunds_waiting() -> QuerySet[Refund]:
    """Requests that wait for an operator, the oldest first."""
    return _with_rows(Refund.objects.filter(status=Status.ASKED)).order_by("asked_at", "pk")


def refunds_closed() -> QuerySet[Refund]:
    return _with_rows(Refund.objects.exclude(status=Status.ASKED)).order_by("-decided_at", "-pk")


def maintenances() -> QuerySet[Maintenance]:
    """Each with its jobs and the GPU-seconds that were refunded."""
    amounts = {"jobs": Count("refunds"), "gpu_seconds": Coalesce(Sum("refunds__refunded_gpu_seconds"), 0)}
    return Maintenance.objects.select_related("pool", "by").annotate(**amounts)


def askable_jobs(project: Project, at: datetime) -> QuerySet[Job]:
    """Jobs of the project's accounts that a refund may be asked for: those that completed come last, else the last to
    end first."""
    accounts = [account.name for account in project.accounts.all()]
    standing = Refund.objects.filter(job=OuterRef("pk")).exclude(status=Status.WITHDRAWN)
    completed = ExpressionWrapper(Q(state="COMPLETED"), output_field=BooleanField())
    ended = Job.objects.filter(account__in=accounts, final=True, end__gte=oldest_end(at))
    return ended.filter(~Exists(standing), start__lt=F("end"), gpus__gt=0).order_by(completed, "-end", "-pk")


def with_refund(jobs: QuerySet[Job]) -> QuerySet[Job]:
    """Each with the refund that stands or was declined, if any: `refund_status`, `refunded` in GPU-seconds."""
    of_job = Refund.objects.filter(job=OuterRef("pk")).exclude(status=Status.WITHDRAWN).order_by("-pk")
    refund = {"refund_status": of_job.values("status")[:1], "refunded": of_job.values("refunded_gpu_seconds")[:1]}
    return jobs.annotate(**{name: Subquery(rows) for name, rows in refund.items()})


def names_in(jobs: Iterable[Job]) -> dict[str, str]:
    """Who is behind the jobs' cluster user names."""
    return names_of(job.user for job in jobs)


@dataclass(frozen=True, slots=True)
class ProjectSum:
    """Of the jobs of a window that count: how many, and GPU-seconds."""

    project: Project
    jobs: int
    gpu_seconds: int


def sums_by_project(rows: Sequence[BrokenJob]) -> list[ProjectSum]:
    amounts: defaultdict[Project, list[int]] = defaultdict(list)
    for row in rows:
        if row.counts:
            amounts[row.charge.project].append(row.gpu_seconds)
    return [ProjectSum(project, len(of_project), sum(of_project)) for project, of_project in amounts.items()]


def _with_rows(refunds: QuerySet[Refund]) -> QuerySet[Refund]:
    first = Case(When(Q(status=Status.ASKED), then=Value(0)), default=Value(1), output_field=IntegerField())
    rows = refunds.select_related("job", "line__grant__project", "line__pool", "maintenance", "asked_by", "decided_by")
    return rows.order_by(first, "-asked_at", "-pk")
