"""The pages of accounting: a project's dashboard, its figures as files, and the center as a whole."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.agenda import agenda
from accounting.alerts.selectors import alerts_for
from accounting.caps import own_caps
from accounting.course_words import course_sheet
from accounting.leavers import leavers
from accounting.projection import METHOD
from accounting.selectors import (
    courses,
    latest_jobs,
    lines_by_pool,
    lines_of_grants,
    member_use,
    project_usage,
    project_with_figures,
)
from allocations.selectors.dates import dates_in
from allocations.selectors.projects import project_frame
from allocations.views.base import SignedInRequest, signed_in
from portal.web.sheets import csv_file


@require_GET
@signed_in
def project(request: SignedInRequest, code: str) -> HttpResponse:
    """Where a project stands: for its PI and members, and for operators."""
    at = timezone.now()
    project = project_with_figures(request.user, code)
    frame = project_frame(project, request.user, at)
    usage = project_usage(
        project, lines=lines_of_grants(frame["grants"]), members=frame["members"], whole_period=True, at=at
    )
    context = {
        **frame,
        "at": at,
        "usage": usage,
        "method": METHOD,
        "alerts": alerts_for(request.user, at, project),
        "courses": courses(usage),
        "agenda": agenda(project, dates_in(frame), [pool.outlook for pool in usage.pools], at),
        "people": member_use(usage.pools, usage.now.names, at),
        "jobs": latest_jobs(project.accounts.all()),
        "leavers": leavers(project, usage.now, request.user, frame["stops"]),
        "own_caps": own_caps(request.user, frame["members"], project.accounts.all()),
    }
    return render(request, "accounting/project.html", context)


@require_GET
@signed_in
def project_usage_part(request: SignedInRequest, code: str) -> HttpResponse:
    """The sections of the page that follow the cluster, for a page that is open; after an Event (static/js/live.js
    says so) the grants, too, so that it is one request all the same."""
    at = timezone.now()
    project = project_with_figures(request.user, code)
    frame = project_frame(project, request.user, at) if "Live-Event" in request.headers else None
    if frame:
        usage = project_usage(project, lines=lines_of_grants(frame["grants"]), members=frame["members"], at=at)
    else:
        usage = project_usage(project, lines=lines_by_pool(project), at=at)
    context = {
        "project": project,
        "usage": usage,
        "jobs": latest_jobs(project.accounts.all()),
        "method": METHOD,
        "after_event": bool(frame),
        **(frame or {}),
    }
    return render(request, "accounting/parts/refresh.html", context)


@require_GET
@signed_in
def project_course_csv(request: SignedInRequest, code: str, pool: str) -> HttpResponse:
    """The table beside the chart of use over time in one pool."""
    at = timezone.now()
    project = project_with_figures(request.user, code)
    usage = project_usage(project, lines=lines_by_pool(project), whole_period=True, at=at)
    for row in courses(usage):
        if row.pool.code == pool:
            return csv_file(course_sheet(row.course, row.pool.name), f"{project.code}-{pool}-course")
    raise Http404
