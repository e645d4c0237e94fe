"""Projects: the list, the live part with grants, and applying for the next one.

The project's own page is accounting's dashboard.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Call, Project
from allocations.selectors.changes import all_lines
from allocations.selectors.projects import projects_of, with_grants
from allocations.selectors.reports import reports_overdue
from allocations.services import Refused
from allocations.services.applications import application_start
from allocations.views.base import SignedInRequest, signed_in
from portal.people.permissions import Permission


@signed_in
def project_list(request: SignedInRequest) -> HttpResponse:
    """Own projects; all of them for who may see every project."""
    sees_all = request.user.can(Permission.PROJECT_VIEW)
    projects = with_grants(Project.objects.all()) if sees_all else projects_of(request.user)
    return render(request, "projects/list.html", {"projects": projects, "sees_all": sees_all})


@signed_in
def project_renew(request: SignedInRequest, code: str) -> HttpResponse:
    """Apply for the project's next grant: choose an open call, and the draft starts from the last application."""
    managed = Project.objects.managed_by(request.user).select_related("pi")
    project = get_object_or_404(managed, code=code)
    at = timezone.now()
    calls = list(Call.objects.open(at).order_by("closes_at"))
    if request.method == "POST":
        call = next((call for call in calls if str(call.pk) == request.POST.get("call")), None)
        if call is not None:
            return _renew(request, project, call, at)
        messages.error(request, _("Choose a call that is open."))
    context = {
        "project": project,
        "calls": calls,
        "lines": all_lines(project),
        "overdue": reports_overdue(project.pi, at),
        "draft": project.renewals.filter(applicant=request.user, status="draft").first(),
    }
    return render(request, "projects/renew.html", context)


def _renew(request: SignedInRequest, project: Project, call: Call, at: datetime) -> HttpResponse:
    try:
        application = application_start(call=call, by=request.user, at=at, renews=project)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("project_renew", project.code)
    return redirect("application_edit", application.pk)
