"""What changed in Slurm outside the portal: what was expected, what was found, and what an operator does about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, Cluster, Drift, Project
from allocations.services.drift import (
    adoptable_gpu_seconds,
    drift_adopt,
    drift_repair,
    is_left_to_a_person,
    lines_to_adopt,
    may_be_repaired,
)
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import AdoptForm
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours_unit

CLOSED_A_PAGE = 30
Kind = Drift.Kind


@dataclass(frozen=True, slots=True)
class DriftRow:
    """A difference in words. `adoptable` is by how many GPU-seconds adopting it would change the grant; `coming` says
    that the portal is about to put it right."""

    drift: Drift
    project: Project | None
    title: str
    expected: str
    found: str
    meaning: str
    may_be_repaired: bool
    coming: bool
    adoptable: int | None

    @property
    def taken(self) -> int:
        return -(self.adoptable or 0)


def drift_rows(drifts: Iterable[Drift], cluster: Cluster) -> list[DriftRow]:
    """Two queries besides the drifts' own."""
    rows = list(drifts)
    names = {row.account for row in rows}
    accounts = Account.objects.filter(name__in=names).select_related("project")
    leaves = {account.name: account.project for account in accounts}
    projects = leaves | {project.code: project for project in Project.objects.filter(code__in=names)}
    return [
        DriftRow(
            drift=row,
            project=projects.get(row.account),
            title=_title(row),
            expected=_expected(row),
            found=_found(row),
            meaning=_meaning(row),
            may_be_repaired=may_be_repaired(row, cluster),
            coming=_is_coming(row, cluster),
            adoptable=adoptable_gpu_seconds(row) if row.account in leaves else None,
        )
        for row in rows
    ]


def _is_coming(drift: Drift, cluster: Cluster) -> bool:
    waits = may_be_repaired(drift, cluster) or is_left_to_a_person(drift)
    return drift.closed_at is None and cluster.writing_enabled and not waits


def _title(drift: Drift) -> str:
    words = {
        Kind.LIMIT: _("Cap of %(whose)s changed") if drift.person else _("Limit of %(whose)s changed"),
        Kind.STOPPED: _("%(whose)s stopped by hand"),
        Kind.RELEASED: _("%(whose)s released by hand"),
        Kind.QOS: _("QOS of %(whose)s changed"),
        Kind.ADDED: _("%(whose)s added"),
        Kind.REMOVED: _("%(whose)s removed"),
        Kind.PARENT: _("%(whose)s moved in the tree"),
        Kind.LINEAGE: _("%(whose)s hangs elsewhere than its account"),
    }
    whose = f"{drift.account} · {drift.person}" if drift.person else drift.account
    return words[Kind(drift.kind)] % {"whose": whose}


def _meaning(drift: Drift) -> str:
    """What follows, and what is to be done where the portal cannot."""
    if is_left_to_a_person(drift) and drift.kind == Kind.ADDED:
        return _("It belongs to no project. Link it, or remove it with sacctmgr; the portal leaves it alone.")
    return {
        Kind.LIMIT: "",
        Kind.STOPPED: _("The portal leaves it stopped until an operator says otherwise."),
        Kind.RELEASED: _("Jobs could start there although nobody has a right to."),
        Kind.QOS: _("Jobs could go into another pool, or into none."),
        Kind.ADDED: _("Who is not a member is paused at once."),
        Kind.REMOVED: _("Members cannot start jobs."),
        Kind.PARENT: _(
            "The portal never moves an account: move it back with sacctmgr. Until then it loosens nothing there."
        ),
        Kind.LINEAGE: _("Limits may not bind here: repair Slurm's tree. Until then the portal loosens nothing there."),
    }[Kind(drift.kind)]


def _expected(drift: Drift) -> str:
    states = {Kind.STOPPED: _("open"), Kind.RELEASED: _("stopped"), Kind.REMOVED: _("there")}
    return _value(drift, drift.expected) or states.get(Kind(drift.kind), "–")


def _found(drift: Drift) -> str:
    states = {Kind.STOPPED: _("stopped"), Kind.RELEASED: _("open"), Kind.ADDED: _("there")}
    return _value(drift, drift.found) or states.get(Kind(drift.kind), "–")


def _value(drift: Drift, value: str) -> str:
    """GPU-minutes as hours, unlimited in words; names as they are."""
    if drift.kind != Kind.LIMIT:
        return value
    return gpu_hours_unit(int(value) * SECONDS_A_MINUTE) if value else _("no limit")


@requires(Permission.OPERATIONS_VIEW)
def drift_list(request: SignedInRequest) -> HttpResponse:
    """Open differences first, what was closed below."""
    closed = Drift.objects.filter(closed_at__isnull=False).select_related("closed_by").order_by("-closed_at", "-pk")
    page = Paginator(closed, CLOSED_A_PAGE).get_page(request.GET.get("page"))
    cluster = Cluster.current()
    context = {
        "cluster": cluster,
        "rows": drift_rows(Drift.objects.filter(closed_at=None), cluster),
        "closed": drift_rows(page.object_list, cluster),
        "page": page,
    }
    return render(request, "operations/drift.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def repair(request: SignedInRequest, pk: int) -> HttpResponse:
    drift = get_object_or_404(Drift, pk=pk)
    if request.method != "POST":
        (row,) = drift_rows([drift], Cluster.current())
        return render(request, "operations/drift_repair.html", {"row": row})
    try:
        drift_repair(drift=drift, by=request.user, at=timezone.now())
    except LostRace:
        messages.info(request, _("It is put right already, or about to be."))
    except Refused as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The portal puts it right at its next look, within seconds."))
    return redirect("operations_drift")


@requires(Permission.OPERATIONS_CHANGE)
def adopt(request: SignedInRequest, pk: int) -> HttpResponse:
    """Choose the grant, say why; the amount is the difference that was shown, and is not typed."""
    drift, at = get_object_or_404(Drift, pk=pk), timezone.now()
    (row,) = drift_rows([drift], Cluster.current())
    lines = lines_to_adopt(drift, at)
    if row.adoptable is None or not lines:
        messages.info(request, _("There is nothing to adopt: no open grant, or no amount."))
        return redirect("operations_drift")
    form = AdoptForm(request.POST or None, lines=lines, initial={"gpu_seconds": row.adoptable})
    if request.method == "POST" and form.is_valid():
        try:
            drift_adopt(drift=drift, by=request.user, at=at, **form.cleaned_data)
        except LostRace:
            messages.info(request, _("It has changed meanwhile: please look at it again."))
            return redirect("operations_drift")
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Adopted: the grant holds the difference now."))
            return redirect("operations_drift")
    return render(request, "operations/drift_adopt.html", {"row": row, "form": form})
