"""/center/: the center as a whole, for whoever may see it. Sums only: no person, no project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.center.capacity import Capacity, Time, capacity
from accounting.center.charts import capacity_figure
from accounting.center.facts import CenterFacts, center_facts
from accounting.center.forms import CenterForm
from accounting.center.sheets import SHEETS
from accounting.center.use import CenterUse, Group, center_use
from accounting.dashboard.period import Period, Step
from accounting.usage import day_of
from allocations.models import Pool
from allocations.views.base import SignedInRequest, requires
from portal.people.permissions import Permission
from portal.web.sheets import csv_file


@dataclass(frozen=True, slots=True)
class PoolRow:
    pool: Pool
    time: Time
    use: Group


@dataclass(frozen=True, slots=True)
class CenterFigures:
    """What the pages of the center and their files are made of."""

    period: Period
    step: Step
    capacity: Capacity
    use: CenterUse

    @property
    def pools(self) -> list[PoolRow]:
        by_kind = self.capacity.by_kind
        return [PoolRow(pool, by_kind.get(pool.gpu_kind, Time()), group) for pool, group in self.use.by_pool]


def figures_of(form: CenterForm, at: datetime, pools: Sequence[Pool] | None = None) -> CenterFigures:
    period, step = form.wanted()
    return CenterFigures(period, step, capacity(period, step), center_use(period, at, pools))


def center_form(asked: Mapping[str, str], facts: CenterFacts, at: datetime) -> CenterForm:
    return CenterForm(asked, first_day=facts.first_day, today=day_of(at))


def center_context(form: CenterForm, figures: CenterFigures, facts: CenterFacts) -> dict[str, Any]:
    """What both pages of the center show alike."""
    return {
        "form": form,
        "facts": facts,
        "figures": figures,
        "chart": capacity_figure(figures.capacity) if figures.capacity.steps else None,
    }


@require_GET
@requires(Permission.CENTER_VIEW)
def center(request: SignedInRequest) -> HttpResponse:
    at = timezone.now()
    facts = center_facts()
    form = center_form(request.GET.dict(), facts, at)
    return render(request, "accounting/center.html", center_context(form, figures_of(form, at), facts))


@require_GET
@requires(Permission.CENTER_VIEW)
def center_csv(request: SignedInRequest, table: str) -> HttpResponse:
    """One of the page's tables. What cannot be answered goes back to the page, which says why."""
    if table not in SHEETS:
        raise Http404
    at = timezone.now()
    form = center_form(request.GET.dict(), center_facts(), at)
    if not form.is_valid():
        return redirect(f"{reverse('center')}?{request.GET.urlencode()}")
    figures = figures_of(form, at)
    sheet = SHEETS[table](figures.capacity, figures.use)
    return csv_file(sheet, f"center-{table}-{figures.period.first}-{figures.period.last}")
