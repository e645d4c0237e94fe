"""The cluster's switches, each asked for twice: the first page says what it does, the second press does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Cluster
from allocations.services.accounts import (
    cluster_backup_accept,
    cluster_pausing_confirm,
    cluster_repairs_set,
    cluster_writing_disable,
    cluster_writing_enable,
)
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission


@requires(Permission.OPERATIONS_CHANGE)
def writing(request: SignedInRequest) -> HttpResponse:
    """Turns the switch to what the button said, not merely to the other side."""
    cluster = Cluster.current()
    if request.method != "POST":
        return render(request, "operations/writing.html", {"cluster": cluster})
    enable = request.POST.get("writing") == "on"
    switch = cluster_writing_enable if enable else cluster_writing_disable
    on, off = _("Writing to Slurm is switched on."), _("Writing to Slurm is switched off.")
    taken = _("Somebody else was faster: it is so already.")
    _act(request, switch, on if enable else off, taken, cluster=cluster)
    return redirect("operations")


@requires(Permission.OPERATIONS_CHANGE)
def pausing(request: SignedInRequest) -> HttpResponse:
    cluster = Cluster.current()
    if request.method != "POST":
        return render(request, "operations/pausing.html", {"cluster": cluster})
    done = _("Confirmed. The worker goes on with the plan.")
    _act(request, cluster_pausing_confirm, done, _("Nothing waits for a confirmation any more."), cluster=cluster)
    return redirect("operations")


@requires(Permission.OPERATIONS_CHANGE)
def repairs(request: SignedInRequest) -> HttpResponse:
    """Whether what was taken away outside is given back at once, or waits for an operator."""
    cluster = Cluster.current()
    if request.method != "POST":
        return render(request, "operations/repairs.html", {"cluster": cluster})
    by_itself = request.POST.get("repairs") == "by_itself"
    done = _("The portal puts right by itself.") if by_itself else _("The portal asks before it puts right.")
    taken = _("Somebody else was faster: it is so already.")
    _act(request, cluster_repairs_set, done, taken, cluster=cluster, by_itself=by_itself)
    return redirect("operations_drift")


@requires(Permission.OPERATIONS_CHANGE)
def backup(request: SignedInRequest) -> HttpResponse:
    """The database is older than what Slurm has seen of it: what that means, and an operator's word to go on."""
    cluster = Cluster.current()
    if request.method != "POST":
        ahead = (cluster.ahead_in_slurm or 0) - cluster.sequence
        return render(request, "operations/backup.html", {"cluster": cluster, "ahead": max(0, ahead)})
    done = _("Accepted. Writing stays off until it is switched on.")
    taken = _("There is nothing to accept any more.")
    _act(request, cluster_backup_accept, done, taken, cluster=cluster)
    return redirect("operations")


def _act(request: SignedInRequest, service: Callable[..., Any], done: str, taken: str, **arguments: Any) -> None:
    """Call the service once and say what it came to."""
    try:
        service(by=request.user, at=timezone.now(), **arguments)
    except LostRace:
        messages.info(request, taken)
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
