"""Overruns 초과 사용: what went beyond a grant, until the next one bears it or it is written off."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting.settlement import unsettled
from allocations.models import Overrun
from allocations.permissions import has_stake_in_project
from allocations.services.outcomes import Refused
from allocations.services.overruns import overrun_write_off
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.people.permissions import Permission

CLOSED_A_PAGE = 30
MOST_UNSETTLED = 50
# The longest a job may run is a day or two; a grant that is over longer and not settled waits for something else.
SETTLING_PATIENCE = timedelta(days=3)


@requires(Permission.OPERATIONS_VIEW)
def overrun_list(request: SignedInRequest) -> HttpResponse:
    rows = Overrun.objects.select_related(
        "line__grant__application", "line__grant__project", "line__pool", "carried_to__grant", "closed_by"
    )
    closed = Paginator(rows.filter(closed_at__isnull=False).order_by("-closed_at", "-pk"), CLOSED_A_PAGE)
    late = unsettled(timezone.now() - SETTLING_PATIENCE).select_related("grant__project", "pool")
    context = {
        "open": rows.filter(closed_at=None),
        "closed": closed.get_page(request.GET.get("page")),
        "unsettled": late[:MOST_UNSETTLED],
    }
    return render(request, "operations/overruns.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def write_off(request: SignedInRequest, pk: int) -> HttpResponse:
    rows = Overrun.objects.select_related("line__grant__project", "line__grant__application", "line__pool")
    overrun = get_object_or_404(rows, pk=pk)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            overrun_write_off(overrun=overrun, reason=reason, by=request.user, at=timezone.now())
            messages.success(request, _("Written off. No later grant pays for it."))
        except Refused as refusal:
            messages.error(request, str(refusal))
        except LostRace:
            messages.info(request, _("The overrun was carried over or written off meanwhile."))
        return redirect("operations_overruns")
    project = overrun.line.grant.project
    context = {
        "overrun": overrun,
        "project": project,
        "form": form,
        "has_stake": has_stake_in_project(request.user, project),
    }
    return render(request, "operations/write_off.html", context)
