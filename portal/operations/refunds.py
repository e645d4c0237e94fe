"""Refunds 환급 for operators: requests to decide on, the rule, and maintenance windows."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting.models import Refund, RefundRule
from accounting.refunds import rule as rules
from accounting.refunds.charges import charge_of
from accounting.refunds.forms import DecisionForm, RuleForm, WindowForm
from accounting.refunds.maintenance import MOST_JOBS, broken_jobs, fingerprint, maintenance_refund
from accounting.refunds.request import refund_decline, refund_grant
from accounting.refunds.selectors import (
    maintenances,
    names_in,
    refunds_closed,
    refunds_waiting,
    sums_by_project,
)
from accounting.templatetags.usage import exact_hours_unit
from allocations.forms.moments import split
from allocations.permissions import has_stake_in_project
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission

CLOSED_A_PAGE = 30
MOST_WINDOWS = 20


@requires(Permission.OPERATIONS_VIEW)
def refund_list(request: SignedInRequest) -> HttpResponse:
    """What waits first, then the rule and the windows, then everything that was refunded or declined."""
    waiting = list(refunds_waiting())
    closed = Paginator(refunds_closed(), CLOSED_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "waiting": waiting,
        "closed": closed,
        "versions": rules.rules(),
        "windows": maintenances()[:MOST_WINDOWS],
        "names": names_in([refund.job for refund in [*waiting, *closed]]),
    }
    return render(request, "operations/refunds.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def refund(request: SignedInRequest, pk: int) -> HttpResponse:
    """One request: the job, what the project says of it, and the decision."""
    rows = Refund.objects.select_related("job", "line__grant__project__pi", "line__grant__application", "line__pool")
    row = get_object_or_404(rows, pk=pk)
    charge = charge_of(row.job)
    if row.status != Refund.Status.ASKED or charge is None:
        messages.info(request, _("It was decided on or withdrawn meanwhile."))
        return redirect("operations_refunds")
    form = DecisionForm(
        request.POST if request.method == "POST" else None, initial={"gpu_seconds": charge.gpu_seconds // 60 * 60}
    )
    if form.is_valid() and _decided(request, row, form):
        return redirect("operations_refunds")
    project, at = row.line.grant.project, timezone.now()
    context = {
        "refund": row,
        "job": row.job,
        "project": project,
        "charge": charge,
        "form": form,
        "over": row.line.grant.ends_at <= at,
        "has_stake": has_stake_in_project(request.user, project),
        "names": names_in([row.job]),
    }
    return render(request, "operations/refund.html", context)


def _decided(request: SignedInRequest, row: Refund, form: DecisionForm) -> bool:
    """Whether there is nothing more to say on this page."""
    acting: dict[str, Any] = {"refund": row, "reason": form.cleaned_data["reason"], "by": request.user}
    try:
        if request.POST.get("action") == "decline":
            refund_decline(**acting, at=timezone.now())
            messages.success(request, _("Declined. The project is told."))
        elif form.cleaned_data["gpu_seconds"] is None:
            raise Refused(_("Say how much is refunded."))
        else:
            given = refund_grant(**acting, gpu_seconds=_part(form), at=timezone.now())
            messages.success(
                request, _("Refunded: %(hours)s. The project is told.") % {"hours": exact_hours_unit(given)}
            )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    except LostRace:
        messages.info(request, _("It was decided on or withdrawn meanwhile."))
    return True


def _part(form: DecisionForm) -> int | None:
    """None for the whole charge, where the field was left as it was: it holds whole minutes, the charge seconds."""
    return form.cleaned_data["gpu_seconds"] if "gpu_seconds" in form.changed_data else None


@requires(Permission.OPERATIONS_CHANGE)
def rule(request: SignedInRequest) -> HttpResponse:
    """Write a new version; what it would refund at once is shown before it is written."""
    at = timezone.now()
    newest = rules.rule_ensure(at)
    initial = {
        "states": newest.states,
        "most_hours": newest.most_hours,
        "seen": newest.pk,
        **split("since", at),
    }
    posted = request.POST if request.method == "POST" else None
    form = RuleForm(posted, initial=initial)
    if posted is None or not form.is_valid() or "back" in posted:
        return render(request, "operations/refund_rule.html", {"form": form, "newest": newest})
    version = RefundRule(**form.version())
    try:
        if "confirmed" in posted:
            rules.rule_set(**form.version(), seen=form.cleaned_data["seen"], by=request.user, at=at)
            messages.success(request, _("The rule is changed. The worker follows it within a minute."))
            return redirect("operations_refunds")
        if version.since > at:
            raise Refused(_("Choose a beginning that is not in the future."))
    except LostRace:
        messages.info(request, _("It has changed meanwhile: please look at it again."))
        return redirect("operations_refund_rule")
    except Refused as refusal:
        form.add_error("since_on", str(refusal))
        return render(request, "operations/refund_rule.html", {"form": form, "newest": newest})
    found = rules.due_by_rule([version, *rules.rules()])
    due = [rules.due_gpu_seconds(charge, by) for charge, by in found if by is version]
    context = {"form": form, "version": version, "jobs": len(due), "gpu_seconds": sum(due)}
    return render(request, "operations/refund_rule_confirm.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def maintenance(request: SignedInRequest) -> HttpResponse:
    """A window, then the jobs that were broken in it with sums by project, then one act.

    The window is in the address, so that the list can be looked at, shared and left without changing anything.
    """
    at = timezone.now()
    form = WindowForm(request.GET or None, at=at)
    if not form.is_valid():
        return render(request, "operations/maintenance.html", {"form": form})
    window = form.window()
    rows = broken_jobs(window, request.user)
    if request.method == "POST":
        left_out = {int(value) for value in request.POST.getlist("leave_out") if value.isdecimal()}
        try:
            _kept, given = maintenance_refund(
                window=window, left_out=left_out, shown=request.POST.get("shown", ""), by=request.user, at=at
            )
        except LostRace:
            messages.info(request, _("It has changed meanwhile: please look at it again."))
            return redirect(request.get_full_path())
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())
        messages.success(request, _("Refunded: %(hours)s. The projects are told.") % {"hours": exact_hours_unit(given)})
        return redirect("operations_refunds")
    sums = sums_by_project(rows)
    context = {
        "form": form,
        "window": window,
        "rows": rows[:MOST_JOBS],
        "too_many": len(rows) > MOST_JOBS,
        "most": MOST_JOBS,
        "sums": sums,
        "jobs": sum(row.jobs for row in sums),
        "gpu_seconds": sum(row.gpu_seconds for row in sums),
        "shown": fingerprint(rows),
        "names": names_in([row.charge.job for row in rows]),
    }
    return render(request, "operations/maintenance.html", context)
