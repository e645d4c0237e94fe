"""The usage page of a project: /projects/<code>/use/, its tables as files, and daily usage as one."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.dashboard.breakdown import Breakdown, breakdown
from accounting.dashboard.calendar import Calendar, calendar, calendar_fits
from accounting.dashboard.charts import stacked_figure
from accounting.dashboard.ends import ends
from accounting.dashboard.forms import Asked, UseForm
from accounting.dashboard.period import Step, grant_period
from accounting.dashboard.scope import Scope, scope_for
from accounting.dashboard.sheets import SHEETS, Source
from accounting.dashboard.waits import waits
from accounting.export import usage_csv
from accounting.usage import day_of
from allocations.models import Project
from allocations.views.base import SignedInRequest, signed_in
from portal.web.sheets import csv_file


@require_GET
@signed_in
def use(request: SignedInRequest, code: str) -> HttpResponse:
    """Use of a period by what one asks for, day by day, by end; wait times and time limits follow by themselves."""
    scope = scope_for(request.user, code)
    form = _form(request, scope.project)
    context: dict[str, Any] = {"project": scope.project, "form": form, "query": request.GET.urlencode()}
    if form.is_valid():
        context |= _figures(form.asked(), scope)
    return render(request, "accounting/use.html", context)


@require_GET
@signed_in
def use_waits(request: SignedInRequest, code: str) -> HttpResponse:
    """Wait times and time limits of a period. They are read from every job of it, so the usage page does not wait for
    them: it fetches this page's part when it is shown. What cannot be answered goes back to the page, which says why.
    """
    scope = scope_for(request.user, code)
    form = _form(request, scope.project)
    if not form.is_valid():
        return _back(request, code)
    asked = form.asked()
    found = waits(asked.period, scope.accounts, scope.sealed_before)
    context = {"project": scope.project, "asked": asked, "waits": found, "query": request.GET.urlencode()}
    return render(request, "accounting/use_waits.html", context)


@require_GET
@signed_in
def use_csv(request: SignedInRequest, code: str, table: str) -> HttpResponse:
    """One of the page's tables. What cannot be answered goes back to the page, which says why."""
    scope = scope_for(request.user, code)
    if table not in SHEETS:
        raise Http404
    form = _form(request, scope.project)
    if not form.is_valid():
        return _back(request, code)
    asked = form.asked()
    sheet = SHEETS[table](Source(asked, scope.accounts, scope.sealed_before))
    return csv_file(sheet, f"{code}-{table}-{asked.period.first}-{asked.period.last}")


@require_GET
@signed_in
def usage_file(request: SignedInRequest, code: str) -> HttpResponseBase:
    """Usage by day, person, pool and GPU kind: of a period where one is asked for, else from the beginning."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    name, period = f"{code}-usage", None
    if "period" in request.GET:
        form = _form(request, project)
        if not form.is_valid():
            return _back(request, code)
        period = form.asked().period
        name = f"{name}-{period.first}-{period.last}"
    answer = StreamingHttpResponse(usage_csv(project, period), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _back(request: SignedInRequest, code: str) -> HttpResponse:
    return redirect(f"{reverse('project_use', args=[code])}?{request.GET.urlencode()}")


def _figures(asked: Asked, scope: Scope) -> dict[str, Any]:
    found = breakdown(asked, scope.accounts)
    used = found.total.gpu_seconds
    return {
        "asked": asked,
        "breakdown": found,
        "figure": stacked_figure(found) if used else None,
        "calendar": _calendar(asked, found, scope) if used and calendar_fits(asked.period) else None,
        "ends": ends(asked.period, scope.accounts),
        "a_day": used // asked.period.days,
        "read_until": scope.read_until,
    }


def _calendar(asked: Asked, found: Breakdown, scope: Scope) -> Calendar:
    """From what was read by day already, else with a query of its own."""
    if asked.step is Step.DAY:
        return Calendar(asked.period, {row.span.begin: row.gpu_seconds for row in found.rows})
    return calendar(asked.period, scope.accounts)


def _form(request: SignedInRequest, project: Project) -> UseForm:
    at = timezone.now()
    grant = grant_period(project, at)
    since = min(day_of(project.created_at), grant.first if grant else day_of(at))
    return UseForm(request.GET.dict(), grant=grant, since=since, today=day_of(at))
