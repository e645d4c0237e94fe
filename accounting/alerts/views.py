"""Alerts of a project: what stands and what was said, from when on they come, and putting one away."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounting.alerts.forms import ThresholdsForm
from accounting.alerts.hiding import alert_hide
from accounting.alerts.selectors import alerts_for, alerts_of, as_shown
from accounting.alerts.thresholds import CENTER, thresholds_drop, thresholds_of, thresholds_set
from accounting.models import Alert
from allocations.models import Project
from allocations.permissions import can_with_project
from allocations.views.base import SignedInRequest, signed_in
from portal.people.models import User
from portal.people.permissions import Permission

ROWS_A_PAGE = 30


@require_GET
@signed_in
def alert_list(request: SignedInRequest, code: str) -> HttpResponse:
    """What stands for the reader, what was ever said, and from when on alerts come."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    page = Paginator(alerts_of(project), ROWS_A_PAGE).get_page(request.GET.get("page"))
    thresholds = thresholds_of([project.pk])[project.pk]
    context = {
        "project": project,
        "alerts": alerts_for(request.user, timezone.now(), project),
        "page": page,
        "said": as_shown(page.object_list),
        "thresholds": thresholds.of(request.user),
        "are_own": request.user.pk in thresholds.own,
        "may_manage": can_with_project(request.user, Permission.PROJECT_MANAGE, project),
        "belongs": Project.objects.of(request.user).filter(pk=project.pk).exists(),
    }
    return render(request, "accounting/alerts.html", context)


@signed_in
def own_thresholds(request: SignedInRequest, code: str) -> HttpResponse:
    """The reader's own in a project they belong to."""
    project = get_object_or_404(Project.objects.of(request.user), code=code)
    return _thresholds(request, project, request.user)


@signed_in
def project_thresholds(request: SignedInRequest, code: str) -> HttpResponse:
    """The project's, by PI and delegates."""
    project = get_object_or_404(Project.objects.managed_by(request.user), code=code)
    return _thresholds(request, project, None)


def _thresholds(request: SignedInRequest, project: Project, user: User | None) -> HttpResponse:
    at = timezone.now()
    stored = thresholds_of([project.pk])[project.pk]
    form = ThresholdsForm(request.POST or None, thresholds=stored.of(user) if user else stored.project)
    if request.method == "POST" and "drop" in request.POST:
        thresholds_drop(project=project, user=user, by=request.user, at=at)
        messages.success(request, _("The thresholds are back to what holds for all."))
        return redirect("project_alerts", project.code)
    if request.method == "POST" and form.is_valid():
        thresholds_set(project=project, user=user, thresholds=form.thresholds(), by=request.user, at=at)
        messages.success(request, _("The thresholds are set. They hold from the next figures on."))
        return redirect("project_alerts", project.code)
    may_drop = user.pk in stored.own if user else stored.project != CENTER
    context = {"project": project, "form": form, "own": user is not None, "may_drop": may_drop}
    return render(request, "accounting/alert_thresholds.html", context)


@require_POST
@signed_in
def hide(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """Put an alert away for the reader; the page they came from follows."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    alert = get_object_or_404(Alert, project=project, pk=pk)
    alert_hide(alert=alert, by=request.user, at=timezone.now())
    messages.success(request, _("Hidden. It stays in the list of the project's alerts."))
    back = request.headers.get("referer", "")
    if url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        return redirect(back)
    return redirect("project_alerts", code)
