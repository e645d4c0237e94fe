"""Verification 대조: our figures held against Slurm's own, with what is behind each difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Max
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.models import IngestMark, Verification
from accounting.verification.disputes import clear_until, difference_accept, of_person
from allocations.models import Account
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.operations.forms import ReasonForm
from portal.operations.ledger_check import ledger_check_context
from portal.people.permissions import Permission

ROWS_A_PAGE = 25
# The worker compares each hour within minutes of its end.
PATIENCE = timedelta(hours=3)
Cause = Verification.Cause
ADVICE = {
    Cause.RESERVATION: gettext_lazy("Idle reserved time is added to whoever might have used it. No grant pays for it."),
    Cause.RUNAWAY: gettext_lazy("End it in slurmdbd: the command stands under Job rows."),
    Cause.LATE: gettext_lazy("It goes by itself once slurmdbd sums the hour up again."),
    Cause.HELD: gettext_lazy("Slurm says less now. Decide under Job rows which is right."),
    Cause.UNREAD: gettext_lazy("It goes once the row is read; one put aside stands under Job rows."),
    Cause.GONE: gettext_lazy("Slurm has lost the row. It stays charged: what ran was used."),
    Cause.TREE: gettext_lazy("Slurm's tree of accounts is broken: let slurmdbd rebuild it (slurmdbd -R)."),
    Cause.ACCEPTED: gettext_lazy("An operator looked at it and let it stand."),
}


@dataclass(frozen=True, slots=True)
class CauseRow:
    kind: str
    label: str
    what: str
    gpu_seconds: int


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """GPU-seconds. `code` is the project's, empty where the account is of none."""

    account: str
    user: str
    code: str
    ours: int
    slurm: int
    unexplained: int
    causes: list[CauseRow]

    @property
    def difference(self) -> int:
        return self.ours - self.slurm


@dataclass(frozen=True, slots=True)
class DisputeRow:
    """What is unexplained of a person, from its first hour to its last. `gpu_seconds`: ours minus Slurm's."""

    account: str
    user: str
    code: str
    since: datetime
    until: datetime
    gpu_seconds: int


@requires(Permission.OPERATIONS_VIEW)
def verification_list(request: SignedInRequest) -> HttpResponse:
    rows = Verification.objects.defer("disputed")
    last = Verification.objects.first()
    context = {
        "last": last,
        "verified_until": clear_until(last.covered_until, last.disputed) if last else None,
        "late": is_late(timezone.now(), read_until=IngestMark.current().read_until, compared=_compared_until()),
        "disputes": dispute_rows(last.disputed if last else []),
        "page": Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page")),
        **ledger_check_context(),
    }
    return render(request, "operations/verification.html", context)


def _compared_until() -> datetime | None:
    return Verification.objects.aggregate(until=Max("period_end"))["until"]


@requires(Permission.OPERATIONS_VIEW)
def verification_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    verification = get_object_or_404(Verification, pk=pk)
    page = Paginator(verification.differences, ROWS_A_PAGE).get_page(request.GET.get("page"))
    rows = difference_rows(list(page.object_list))
    kinds = dict.fromkeys(Cause(cause.kind) for row in rows for cause in row.causes)
    context = {
        "verification": verification,
        "rows": rows,
        "page": page,
        "advice": [(kind.label, ADVICE[kind]) for kind in kinds],
    }
    return render(request, "operations/verification_detail.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def verification_accept(request: SignedInRequest, account: str, user: str) -> HttpResponse:
    """Let a difference stand that nothing explains, with a reason."""
    rows = dispute_rows(of_person(Verification.objects.first(), account, user))
    if not rows:
        messages.info(request, _("Nothing is unexplained there any more."))
        return redirect("operations_verification")
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        try:
            difference_accept(account=account, user=user, reason=reason, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error(None, str(refusal))
        except LostRace:
            messages.info(request, _("Nothing is unexplained there any more."))
            return redirect("operations_verification")
        else:
            messages.success(request, _("Accepted. It stands in the records with your reason."))
            return redirect("operations_verification")
    return render(request, "operations/verification_accept.html", {"row": rows[0], "form": form})


def is_late(at: datetime, *, read_until: datetime | None, compared: datetime | None) -> bool:
    """Whether hours that were read long ago have not been compared."""
    return read_until is not None and min(read_until, at) - (compared or read_until) > PATIENCE


def difference_rows(differences: Collection[Mapping[str, Any]]) -> list[DifferenceRow]:
    """One query. Comparisons of before causes were looked for have none."""
    codes = _codes(row["account"] for row in differences)
    return [
        DifferenceRow(
            account=row["account"],
            user=row["user"],
            code=codes.get(row["account"], ""),
            ours=row["ours"],
            slurm=row["slurm"],
            unexplained=row.get("unexplained", abs(row["ours"] - row["slurm"])),
            causes=[_cause_row(cause) for cause in row.get("causes", ())],
        )
        for row in differences
    ]


def dispute_rows(disputed: Collection[Mapping[str, Any]]) -> list[DisputeRow]:
    """One for each person and account. One query."""
    codes = _codes(row["account"] for row in disputed)
    by_person: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in disputed:
        by_person[row["account"], row["user"]].append(row)
    return [_dispute_row(pair, rows, codes) for pair, rows in by_person.items()]


def _dispute_row(pair: tuple[str, str], rows: list[Mapping[str, Any]], codes: Mapping[str, str]) -> DisputeRow:
    account, user = pair
    return DisputeRow(
        account=account,
        user=user,
        code=codes.get(account, ""),
        since=min(datetime.fromisoformat(row["since"]) for row in rows),
        until=max(datetime.fromisoformat(row["until"]) for row in rows),
        gpu_seconds=sum(row["gpu_seconds"] for row in rows),
    )


def _cause_row(cause: Mapping[str, Any]) -> CauseRow:
    return CauseRow(cause["kind"], str(Cause(cause["kind"]).label), cause["what"], cause["gpu_seconds"])


def _codes(names: Iterable[str]) -> dict[str, str]:
    return dict(Account.objects.filter(name__in=set(names)).values_list("name", "project__code"))
