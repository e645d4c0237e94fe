"""Adjustments 조정: an operator gives a grant line more hours or takes some off, with a reason."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.budget import SECONDS_A_MINUTE
from allocations.forms.amounts import GpuHoursField
from allocations.models import GrantLine
from allocations.permissions import has_stake_in_project
from allocations.provisioning.desired import desired_leaves
from allocations.services.ledger import left_gpu_seconds, line_adjust
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.people.permissions import Permission


class AdjustForm(ReasonForm):
    """`granted`: what the ledger of the line came to when the page was shown, GPU-seconds."""

    use_required_attribute = False

    way = forms.ChoiceField(
        label=gettext_lazy("What is to be done"),
        choices=[("add", gettext_lazy("Add hours")), ("take", gettext_lazy("Take hours off"))],
        widget=forms.RadioSelect,
        initial="add",
    )
    amount = GpuHoursField(label=gettext_lazy("Hours to add or take off"))
    granted = forms.IntegerField(widget=forms.HiddenInput)

    field_order = ("way", "amount", "reason")

    @property
    def gpu_seconds(self) -> int:
        amount: int = self.cleaned_data["amount"]
        return amount if self.cleaned_data["way"] == "add" else -amount


@requires(Permission.OPERATIONS_CHANGE)
def adjust(request: SignedInRequest, pk: int) -> HttpResponse:
    """The amount and the reason, then what it does to what is left and to the limit, then the act."""
    rows = GrantLine.objects.select_related("grant__project__pi", "grant__application", "pool")
    line, at = get_object_or_404(rows, pk=pk), timezone.now()
    project = line.grant.project
    posted = request.POST if request.method == "POST" else None
    form = AdjustForm(posted, initial={"granted": line.granted_gpu_seconds})
    has_stake = has_stake_in_project(request.user, project)
    context: dict[str, Any] = {"line": line, "project": project, "form": form, "left": left_gpu_seconds(line)}
    context |= {"has_stake": has_stake, "over": line.grant.ends_at <= at}
    if posted is None or has_stake or not form.is_valid() or "back" in posted:
        return render(request, "operations/adjust.html", context)
    if "confirmed" not in posted:
        context |= {"gpu_seconds": form.gpu_seconds, "amount": abs(form.gpu_seconds), **_effect(line, form, at)}
        if form.gpu_seconds < 0 and context["left_after"] < 0:
            form.add_error("amount", _("The grant has less left than would be taken from it."))
            return render(request, "operations/adjust.html", context)
        return render(request, "operations/adjust_confirm.html", context)
    try:
        line_adjust(
            line=line,
            gpu_seconds=form.gpu_seconds,
            granted_gpu_seconds=form.cleaned_data["granted"],
            reason=form.cleaned_data["reason"],
            by=request.user,
            at=at,
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return render(request, "operations/adjust.html", context)
    except LostRace:
        messages.info(request, _("It has changed meanwhile: please look at it again."))
        return redirect("operations_adjust", pk)
    messages.success(request, _("Entered. The limit follows within seconds."))
    return redirect("project", project.code)


def _effect(line: GrantLine, form: AdjustForm, at: datetime) -> dict[str, int | None]:
    """What is left, in GPU-seconds, and the limit that Slurm is to hold, in GPU-seconds too, before and after.

    No limit where the line is not open: its hours count from the moment it opens or is resumed.
    """
    left = left_gpu_seconds(line)
    place, limit = (line.grant.project.code, line.pool.qos), None
    if line.grant.is_open(at):
        leaves = (leaf for leaf in desired_leaves(at=at) if (leaf.project, leaf.qos) == place)
        limit = next((leaf.budget.gpu_minutes * SECONDS_A_MINUTE for leaf in leaves), None)
    after = None if limit is None else max(0, limit + form.gpu_seconds)
    return {"left_after": left + form.gpu_seconds, "limit": limit, "limit_after": after}
