"""Projects: the list, and the live part with grants. The project's own page is accounting's dashboard."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from allocations.models import Project
from allocations.selectors import project_frame, projects_of, with_accounts, with_grants
from allocations.views.base import SignedInRequest, signed_in
from portal.people.permissions import Permission


@signed_in
def project_list(request: SignedInRequest) -> HttpResponse:
    """Own projects; all of them for who may see every project."""
    sees_all = request.user.can(Permission.PROJECT_VIEW)
    projects = with_grants(Project.objects.all()) if sees_all else projects_of(request.user)
    return render(request, "projects/list.html", {"projects": projects, "sees_all": sees_all})


@signed_in
def project_grants(request: SignedInRequest, code: str) -> HttpResponse:
    project = get_object_or_404(with_accounts(Project.objects.visible_to(request.user)), code=code)
    return render(request, "projects/parts/grants.html", project_frame(project, request.user, timezone.now()))
