"""The pages of accounting: a project's dashboard, its figures as a file, and the center as a whole."""

from __future__ import annotations

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.caps import own_caps
from accounting.center import center_use
from accounting.export import usage_csv
from accounting.leavers import leavers
from accounting.selectors import lines_by_pool, lines_of_grants, project_usage, projects_with_figures
from allocations.models import Project
from allocations.permissions import can_with_project
from allocations.selectors.projects import members_of, project_frame
from allocations.views.base import SignedInRequest, requires, signed_in
from portal.people.permissions import Permission


@require_GET
@signed_in
def project(request: SignedInRequest, code: str) -> HttpResponse:
    """Where a project stands: for its PI and members, and for operators."""
    at = timezone.now()
    project = get_object_or_404(projects_with_figures(request.user), code=code)
    frame = project_frame(project, request.user, at)
    lines = lines_of_grants(frame["grants"])
    usage = project_usage(project, lines=lines, members=frame["members"], at=at)
    context = {
        **frame,
        "usage": usage,
        "leavers": leavers(usage, request.user),
        "own_caps": own_caps(request.user, frame["members"], project.accounts.all()),
    }
    return render(request, "accounting/project.html", context)


@require_GET
@signed_in
def project_usage_part(request: SignedInRequest, code: str) -> HttpResponse:
    """The sections of the page that follow the cluster, for a page that is open."""
    project = get_object_or_404(projects_with_figures(request.user), code=code)
    usage = project_usage(project, lines=lines_by_pool(project), members=members_of(project), at=timezone.now())
    may_manage = can_with_project(request.user, Permission.PROJECT_MANAGE, project)
    context = {"project": project, "usage": usage, "leavers": leavers(usage, request.user), "may_manage": may_manage}
    return render(request, "accounting/parts/refresh.html", context)


@require_GET
@signed_in
def project_usage_csv(request: SignedInRequest, code: str) -> StreamingHttpResponse:
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    answer = StreamingHttpResponse(usage_csv(project), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{project.code}-usage.csv"'
    return answer


@require_GET
@requires(Permission.CENTER_VIEW)
def center(request: SignedInRequest) -> HttpResponse:
    """Totals by institution and pool: no person, no project title."""
    return render(request, "accounting/center.html", {"center": center_use(timezone.now())})
