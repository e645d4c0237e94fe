"""The center as a whole: what institutions were granted and use. Sums only, nobody's name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Coalesce

from accounting.models import IngestMark, UsageDay
from accounting.usage import day_of
from allocations.models import GrantLine, Pool
from portal.people.models import Institution

RECENT = timedelta(days=30)


@dataclass
class Totals:
    """GPU-seconds of the grants open now; `recent` is all use of the last 30 days, whichever grant it was on."""

    projects: set[int] = field(default_factory=set)
    granted: int = 0
    used: int = 0
    recent: int = 0

    @property
    def left(self) -> int:
        return max(0, self.granted - self.used)


@dataclass(frozen=True, slots=True)
class CenterUse:
    """By institution, who was granted most first, and pool; each pool; all together."""

    rows: list[tuple[Institution, Pool, Totals]]
    pools: list[tuple[Pool, Totals]]
    total: Totals
    institutions: int
    read_until: datetime | None


def center_use(at: datetime) -> CenterUse:
    """What stands in open grants, and what was used of late: a handful of queries, however much there is."""
    institutions = {row.pk: row for row in Institution.objects.all()}
    pools = {row.pk: row for row in Pool.objects.all()}
    cells: defaultdict[tuple[int, int], Totals] = defaultdict(Totals)
    for institution, project, pool, granted, used in _open_lines(at):
        cell = cells[institution, pool]
        cell.projects.add(project)
        cell.granted += granted
        cell.used += used
    for institution, pool, recent in _recent_use(at):
        cells[institution, pool].recent += recent
    of_institution: defaultdict[int, int] = defaultdict(int)
    for (institution, _), totals in cells.items():
        of_institution[institution] += totals.granted
    position = {key: place for place, key in enumerate(pools)}
    ranked = sorted(cells.items(), key=lambda item: (-of_institution[item[0][0]], item[0][0], position[item[0][1]]))
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER).first()
    return CenterUse(
        rows=[(institutions[institution], pools[pool], totals) for (institution, pool), totals in ranked],
        pools=[
            (row, _sum([totals for (_, pool), totals in cells.items() if pool == key])) for key, row in pools.items()
        ],
        total=_sum(list(cells.values())),
        institutions=len({institution for (institution, _), totals in cells.items() if totals.projects}),
        read_until=mark.read_until if mark else None,
    )


def _open_lines(at: datetime) -> list[tuple[int, int, int, int, int]]:
    lines = GrantLine.objects.open(at)
    sums = lines.order_by().annotate(granted=Coalesce(Sum("entries__gpu_seconds"), 0))
    return list(
        sums.values_list("grant__project__institution", "grant__project", "pool", "granted", "charged_gpu_seconds")
    )


def _recent_use(at: datetime) -> list[tuple[int, int, int]]:
    days = UsageDay.objects.filter(day__gt=day_of(at - RECENT), account__isnull=False).order_by()
    return list(days.values_list("account__project__institution", "account__pool").annotate(Sum("gpu_seconds")))


def _sum(parts: list[Totals]) -> Totals:
    return Totals(
        projects={project for part in parts for project in part.projects},
        granted=sum(part.granted for part in parts),
        used=sum(part.used for part in parts),
        recent=sum(part.recent for part in parts),
    )
