"""How far figures can be relied on: when they were read from Slurm, and up to when they equal Slurm's own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Subquery

from accounting.models import IngestMark, Verification
from accounting.verification.disputes import clear_until
from allocations.models import Project

# A worker that has not read for so long is worth a warning.
STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Freshness:
    """When figures were last read from Slurm, and up to when they were found equal to Slurm's own.

    `disputed`: a difference from Slurm's figures in one of the project's accounts is not explained.
    """

    read_until: datetime | None
    run_at: datetime | None
    stale: bool
    verified_until: datetime | None
    disputed: bool


def with_freshness(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Each project with what `freshness_of` reads, in the same query."""
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER)
    last = Verification.objects.order_by("-at", "-pk")
    return projects.annotate(
        figures_read_until=Subquery(mark.values("read_until")[:1]),
        figures_run_at=Subquery(mark.values("last_run_at")[:1]),
        covered_until=Subquery(last.values("covered_until")[:1]),
        disputed=Subquery(last.values("disputed")[:1]),
    )


def freshness_of(project: Any, accounts: Collection[str], at: datetime) -> Freshness:
    """Of a project that comes from `with_freshness`, with the names of its accounts."""
    run_at, disputed = project.figures_run_at, project.disputed or []
    return Freshness(
        read_until=project.figures_read_until,
        run_at=run_at,
        stale=run_at is None or at - run_at > STALE,
        verified_until=clear_until(project.covered_until, disputed, accounts),
        disputed=any(row["account"] in accounts for row in disputed),
    )
