"""The operator's page: what the cluster is, what stands in the way, what was done; and its two switches."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Cluster
from allocations.services.accounts import (
    cluster_pausing_confirm,
    cluster_writing_disable,
    cluster_writing_enable,
)
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.state import page_context
from portal.people.permissions import Permission


@requires(Permission.OPERATIONS_VIEW)
def operations(request: SignedInRequest) -> HttpResponse:
    return render(request, "operations/page.html", page_context(at=timezone.now()))


@requires(Permission.OPERATIONS_CHANGE)
def writing(request: SignedInRequest) -> HttpResponse:
    """Asks whether it is meant, then turns the switch to what the button said, not merely to the other side."""
    cluster = Cluster.current()
    if request.method != "POST":
        return render(request, "operations/writing.html", {"cluster": cluster})
    enable = request.POST.get("writing") == "on"
    switch = cluster_writing_enable if enable else cluster_writing_disable
    try:
        switch(cluster=cluster, by=request.user, at=timezone.now())
    except LostRace:
        messages.info(request, _("Somebody else was faster: it is so already."))
    else:
        on, off = _("Writing to Slurm is switched on."), _("Writing to Slurm is switched off.")
        messages.success(request, on if enable else off)
    return redirect("operations")


@requires(Permission.OPERATIONS_CHANGE)
def pausing(request: SignedInRequest) -> HttpResponse:
    cluster = Cluster.current()
    if request.method != "POST":
        return render(request, "operations/pausing.html", {"cluster": cluster})
    try:
        cluster_pausing_confirm(cluster=cluster, by=request.user, at=timezone.now())
    except LostRace:
        messages.info(request, _("Nothing waits for a confirmation any more."))
    else:
        messages.success(request, _("Confirmed. The worker goes on with the plan."))
    return redirect("operations")
