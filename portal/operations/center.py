"""The center for operators: all that /center/ shows, the queue now, who is far from the plan, and what is promised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.center.facts import CenterFacts, center_facts
from accounting.center.pace import FAR_ABOVE, FAR_BELOW, Pace, paces
from accounting.center.page import CenterFigures, center_context, center_form, figures_of
from accounting.center.promises import Promise, promises
from allocations.models import Pool, Project
from allocations.views.base import SignedInRequest, requires
from portal.people.permissions import Permission

MOST_OTHERS = 20


@dataclass(frozen=True, slots=True)
class PoolNow:
    """Jobs of projects in one pool as the queue was last read; of all GPUs of its kind, who ever holds them, as Slurm's
    nodes were last read (None where they were not)."""

    pool: Pool
    running: int
    waiting: int
    waiting_gpus: int
    oldest: datetime | None
    in_use: int | None
    down: int | None


@dataclass(frozen=True, slots=True)
class PaceRow:
    pace: Pace
    project: Project
    pool: Pool


@dataclass(frozen=True, slots=True)
class OtherUse:
    """An account that is no project's: what it used in the period, and whether Slurm still has it."""

    name: str
    used: int
    people: int
    known: bool


@requires(Permission.OPERATIONS_VIEW)
@require_GET
def center(request: SignedInRequest) -> HttpResponse:
    at = timezone.now()
    facts, pools = center_facts(), _pools_with_queue()
    form = center_form(request.GET.dict(), facts, at)
    figures = figures_of(form, at, pools)
    others = _others(facts, figures)
    context = {
        **center_context(form, figures, facts),
        **_far_from_plan(figures, at),
        "now": [_now(pool, facts) for pool in pools],
        "promises": _promises(figures, at),
        "warning_percent": settings.PROMISED_WARNING_PERCENT,
        "others": others[:MOST_OTHERS],
        "more_others": max(0, len(others) - MOST_OTHERS),
    }
    return render(request, "operations/center.html", context)


@requires(Permission.OPERATIONS_VIEW)
@require_GET
def center_now(request: SignedInRequest) -> HttpResponse:
    """The section that follows the queue, for a page that is open."""
    facts = center_facts()
    context = {"now": [_now(pool, facts) for pool in _pools_with_queue()], "facts": facts}
    return render(request, "operations/parts/center_now.html", context)


def _pools_with_queue() -> list[Any]:
    """Every pool, with the jobs of projects that run and wait in it as the queue was last read: one query."""
    waiting = Q(accounts__queue__state="PENDING")
    job = "accounts__queue"
    return list(
        Pool.objects.annotate(
            running=Count(job, filter=Q(accounts__queue__isnull=False) & ~waiting),
            waiting=Count(job, filter=waiting),
            waiting_gpus=Coalesce(Sum(f"{job}__gpus", filter=waiting), 0),
            oldest=Min(f"{job}__submit", filter=waiting),
        ).order_by("position", "code")
    )


def _now(pool: Any, facts: CenterFacts) -> PoolNow:
    gpus = _gpus_now(facts.capacity, pool)
    return PoolNow(pool, pool.running, pool.waiting, pool.waiting_gpus, pool.oldest, **gpus)


def _gpus_now(capacity: Sequence[Mapping[str, Any]], pool: Pool) -> dict[str, int | None]:
    """Of the pool's own partitions: a node in another one as well would be counted twice."""
    groups = [row for row in capacity if row["gpu_kind"] == pool.gpu_kind and row["partition"] in pool.partitions]
    if not groups:
        return {"in_use": None, "down": None}
    return {"in_use": sum(row["gpus_in_use"] for row in groups), "down": sum(row["gpus_down"] for row in groups)}


def _far_from_plan(figures: CenterFigures, at: datetime) -> dict[str, Any]:
    found = paces(figures.use.open, at)
    shown = [*found.above, *found.below]
    projects = Project.objects.in_bulk({pace.project for pace in shown})

    def rows(of: Sequence[Pace]) -> list[PaceRow]:
        return [PaceRow(pace, projects[pace.project], figures.use.pools[pace.pool]) for pace in of]

    return {
        "above": rows(found.above),
        "below": rows(found.below),
        "more_above": found.more_above,
        "more_below": found.more_below,
        "far_above": FAR_ABOVE,
        "far_below": FAR_BELOW,
    }


def _promises(figures: CenterFigures, at: datetime) -> dict[str, Any]:
    pools = list(figures.use.pools.values())
    found = promises(figures.use.lines, pools, at)
    percent = settings.PROMISED_WARNING_PERCENT
    months: dict[Any, list[tuple[Promise, bool]]] = {}
    for promise in found:
        months.setdefault(promise.month, []).append((promise, promise.is_above(percent)))
    return {
        "pools": pools,
        "rows": list(months.items()),
        "too_much": [promise for promise in found if promise.is_above(percent)],
    }


def _others(facts: CenterFacts, figures: CenterFigures) -> list[OtherUse]:
    """Who used something in the period first, then those that Slurm has and nobody used."""
    people = {row["name"]: len(row["people"]) for row in facts.foreign_accounts}
    used = [OtherUse(name, used, people.get(name, 0), name in people) for name, used in figures.use.others]
    named = {row.name for row in used}
    return used + [OtherUse(name, 0, count, True) for name, count in sorted(people.items()) if name not in named]
