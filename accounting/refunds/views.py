"""The project's side of refunds: what was given back, and asking for more."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting.models import Job, Refund
from accounting.refunds.forms import AskForm
from accounting.refunds.request import refund_ask, refund_withdraw, require_askable
from accounting.refunds.selectors import askable_jobs, names_in, refunds_of
from allocations.models import Account, Project
from allocations.permissions import can_with_project
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import LostRace
from portal.people.permissions import Permission

ROWS_A_PAGE = 30


@require_GET
@signed_in
def refund_list(request: SignedInRequest, code: str) -> HttpResponse:
    """What was given back to the project, asked for and declined."""
    project = get_object_or_404(Project.objects.visible_to(request.user), code=code)
    refunds = Paginator(refunds_of(project), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "may_manage": can_with_project(request.user, Permission.PROJECT_MANAGE, project),
        "refunds": refunds,
        "names": names_in([refund.job for refund in refunds]),
    }
    return render(request, "accounting/refunds.html", context)


@require_GET
@signed_in
def choose(request: SignedInRequest, code: str) -> HttpResponse:
    """The finished jobs that the PI and the delegate can ask a refund for."""
    project = get_object_or_404(Project.objects.managed_by(request.user).prefetch_related("accounts"), code=code)
    jobs = Paginator(askable_jobs(project, timezone.now()), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "jobs": jobs,
        "names": names_in(jobs.object_list),
        "days": settings.REFUND_REQUEST_DAYS,
    }
    return render(request, "accounting/refund_choose.html", context)


@signed_in
def ask(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """Say what happened to a job, and ask for what it was charged."""
    project = get_object_or_404(Project.objects.managed_by(request.user).select_related("pi"), code=code)
    accounts = Account.objects.filter(project=project).values("name")
    job = get_object_or_404(Job.objects.filter(account__in=accounts), pk=pk)
    at = timezone.now()
    try:
        charge = require_askable(job, project, at)
        form = AskForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            refund_ask(job=job, project=project, words=form.cleaned_data["words"], by=request.user, at=at)
            messages.success(request, _("Asked for. The center's answer comes by e-mail."))
            return redirect("project_refunds", code)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("project_refunds", code)
    context = {"project": project, "charge": charge, "job": job, "names": names_in([job]), "form": form}
    return render(request, "accounting/refund_ask.html", context)


@signed_in
def withdraw(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    managed = Refund.objects.filter(line__grant__project__in=Project.objects.managed_by(request.user))
    refund = get_object_or_404(
        managed.select_related("job", "line__grant__project__pi"), pk=pk, line__grant__project__code=code
    )
    if request.method == "POST":
        try:
            refund_withdraw(refund=refund, by=request.user, at=timezone.now())
            messages.success(request, _("The request is withdrawn."))
        except LostRace:
            messages.info(request, _("It was decided on meanwhile."))
    return redirect("project_refunds", code)
