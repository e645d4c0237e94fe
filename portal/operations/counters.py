"""Slurm's usage counters against the ledger: where they disagree, and an operator's decision about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting.counters import deviation_note, deviation_rebase, deviation_sums
from accounting.models import Counter, Deviation
from allocations.models import Account, Rebase
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import OffsetForm
from portal.people.permissions import Permission

MOST_REBASES = 30


@dataclass(frozen=True, slots=True)
class DeviationRow:
    deviation: Deviation
    account: Account | None
    alarm: bool

    @property
    def expected(self) -> int:
        """What the counter should be, GPU-seconds."""
        return self.deviation.counter_gpu_seconds - self.deviation.difference_gpu_seconds


@dataclass(frozen=True, slots=True)
class RebaseRow:
    """`moved`: by how much the limit went up or down with it, GPU-seconds. `reason` is the portal's own, translated,
    or what the operator wrote."""

    rebase: Rebase
    moved: int
    reason: str


@requires(Permission.OPERATIONS_VIEW)
def counter_list(request: SignedInRequest) -> HttpResponse:
    at = timezone.now()
    rebases = Rebase.objects.select_related("account__project", "by")[:MOST_REBASES]
    return render(
        request,
        "operations/counters.html",
        {
            "rows": deviation_rows(Deviation.objects.open(), at),
            "rebases": [_rebase_row(rebase) for rebase in rebases],
            "held": Counter.objects.filter(account__managed=True).count(),
        },
    )


def deviation_rows(deviations: Iterable[Deviation], at: datetime) -> list[DeviationRow]:
    rows = list(deviations)
    accounts = {
        account.name: account
        for account in Account.objects.filter(name__in=[row.account_name for row in rows]).select_related("project")
    }
    return [DeviationRow(row, accounts.get(row.account_name), row.is_alarm(at)) for row in rows]


def _rebase_row(rebase: Rebase) -> RebaseRow:
    return RebaseRow(
        rebase=rebase,
        moved=rebase.after_gpu_seconds - rebase.before_gpu_seconds,
        reason=rebase.reason if rebase.cause == Rebase.Cause.OPERATOR else _(rebase.reason),
    )


@requires(Permission.OPERATIONS_CHANGE)
def rebase(request: SignedInRequest, pk: int) -> HttpResponse:
    """Both sums, what would become of the limit, and a reason; the button carries the offset that was shown."""
    at = timezone.now()
    deviation = get_object_or_404(Deviation, pk=pk, kind=Deviation.Kind.AHEAD)
    sums = deviation_sums(deviation)
    if deviation.closed_at or sums is None:
        messages.info(request, _("The counter and the ledger agree again."))
        return redirect("operations_counters")
    form = OffsetForm(request.POST or None, initial={"offset": sums.offset})
    if request.method == "POST" and form.is_valid():
        try:
            deviation_rebase(
                deviation=deviation,
                expected_offset=form.cleaned_data["offset"],
                reason=form.cleaned_data["reason"],
                by=request.user,
                at=at,
            )
        except LostRace:
            messages.info(request, _("It has changed meanwhile: please look at it again."))
            return redirect("operations_counters")
        except Refused as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("Entered. The limit follows within seconds."))
            return redirect("operations_counters")
    context = {"deviation": deviation, "sums": sums, "form": form}
    return render(request, "operations/rebase.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def noted(request: SignedInRequest, pk: int) -> HttpResponse:
    """Use in an account in which no jobs belong has been looked at."""
    deviation = get_object_or_404(Deviation, pk=pk, kind=Deviation.Kind.MISPLACED)
    if request.method == "POST":
        try:
            deviation_note(deviation=deviation, by=request.user, at=timezone.now())
        except LostRace:
            messages.info(request, _("Somebody else was faster: it is so already."))
        else:
            messages.success(request, _("Noted. Further use there is said again."))
    return redirect("operations_counters")
