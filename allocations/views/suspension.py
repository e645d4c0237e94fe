"""Suspending a grant, resuming it, and ending a project's jobs at once: the operators' acts on a project's page."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.suspension import StopForm, SuspendForm
from allocations.models import Grant, GrantLine, Project
from allocations.services import Refused
from allocations.services.stopping import jobs_stop
from allocations.services.suspension import grant_resume, grant_suspend
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission


@requires(Permission.OPERATIONS_CHANGE)
def suspend(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    grant = get_object_or_404(_grants(request, code), pk=pk)
    form = SuspendForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            grant_suspend(grant=grant, **form.cleaned_data, by=request.user, at=timezone.now())
            messages.success(request, _("The grant is suspended. PI and delegate are told."))
        except Refused as refusal:
            messages.error(request, str(refusal))
        except LostRace:
            messages.info(request, _("The grant is suspended already."))
        return redirect("project", code)
    others = GrantLine.objects.filter(grant__project=grant.project).exclude(grant=grant).open(timezone.now())
    context = {
        "project": grant.project,
        "grant": grant,
        "last_day": grant.ends_at - timedelta(seconds=1),
        "others_open": others.exists(),
        "form": form,
    }
    return render(request, "grants/suspend.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def resume(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    grant = get_object_or_404(_grants(request, code), pk=pk)
    if request.method == "POST":
        try:
            grant_resume(grant=grant, by=request.user, at=timezone.now())
            messages.success(request, _("The grant is resumed. PI and delegate are told."))
        except Refused as refusal:
            messages.error(request, str(refusal))
        except LostRace:
            messages.info(request, _("The grant is not suspended any more."))
        return redirect("project", code)
    if grant.suspension is None:
        messages.info(request, _("The grant is not suspended any more."))
        return redirect("project", code)
    context = {"project": grant.project, "grant": grant, "suspension": grant.suspension}
    return render(request, "grants/resume.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def stop(request: SignedInRequest, code: str) -> HttpResponse:
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    form = StopForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            jobs_stop(project=project, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
            messages.success(request, _("Ordered. The page of the project says when the last job has ended."))
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect("project", code)
    return render(request, "grants/stop.html", {"project": project, "form": form})


def _grants(request: SignedInRequest, code: str) -> QuerySet[Grant]:
    visible = Project.objects.visible_to(request.user).filter(code=code)
    return Grant.objects.filter(project__in=visible).select_related("project").prefetch_related("suspensions")
