"""What a member may use at most, beside what they used: set by PI and delegates. Accounting's, which knows the use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounting.models import UsageDay
from allocations.forms.caps import CapsForm
from allocations.models import Account, Membership, Project
from allocations.selectors.projects import caps_of
from allocations.services import Refused
from allocations.services.caps import cap_set
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import LostRace
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class CapRow:
    """A member in one of the project's accounts: used since the account exists, and the cap, in GPU-seconds."""

    account: Account
    used: int
    cap: int | None

    @property
    def left(self) -> int:
        return max(0, (self.cap or 0) - self.used)

    @property
    def reached(self) -> bool:
        return self.cap is not None and self.used >= self.cap


@signed_in
def member_caps(request: SignedInRequest, code: str, pk: int) -> HttpResponse:
    """A member's caps, a pool each; written by who manages the project, for anybody but themselves and the PI."""
    project = get_object_or_404(Project.objects.managed_by(request.user), code=code)
    active = project.memberships.filter(status=Membership.Status.ACTIVE).exclude(
        user__in=[project.pi_id, request.user.pk]
    )
    membership = get_object_or_404(active.select_related("user"), pk=pk)
    rows = cap_rows(membership, project.accounts.select_related("pool").order_by("pool__position", "pool__code"))
    form = CapsForm(request.POST or None, rows=[(row.account.pool, row.cap) for row in rows])
    if request.method == "POST" and form.is_valid() and _stored(request, membership, form):
        return redirect("project_members", code)
    fields = [(row, form.field_of(row.account.pool)) for row in rows]
    context = {"project": project, "membership": membership, "form": form, "fields": fields}
    return render(request, "accounting/caps.html", context)


def _stored(request: SignedInRequest, membership: Membership, form: CapsForm) -> bool:
    try:
        for pool, gpu_seconds in form.caps():
            cap_set(membership=membership, pool=pool, gpu_seconds=gpu_seconds, by=request.user, at=timezone.now())
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    except LostRace:
        messages.warning(request, _("They have left the project meanwhile."))
        return True
    messages.success(request, _("The caps of %(name)s are set.") % {"name": membership.user})
    return True


def own_caps(user: User, members: Iterable[Membership], accounts: Iterable[Account]) -> list[CapRow]:
    """The reader's own caps in the project, from its rows of `members_of`; empty where they have none."""
    active = [row for row in members if row.user_id == user.pk and row.status == Membership.Status.ACTIVE]
    by_pool = caps_of(active[0]) if active else {}
    return _rows(user, [account for account in accounts if account.pool_id in by_pool], by_pool)


def cap_rows(membership: Membership, accounts: Iterable[Account]) -> list[CapRow]:
    """A row to each of the accounts, with a cap or without: two queries."""
    return _rows(membership.user, list(accounts), {cap.pool_id: cap.gpu_seconds for cap in membership.caps.all()})


def _rows(user: User | None, accounts: list[Account], caps: dict[int, int]) -> list[CapRow]:
    if not accounts:
        return []
    names = [account.name for account in accounts]
    use = UsageDay.objects.filter(account_name__in=names, user_name=(user and user.cluster_username) or "")
    used = dict(use.order_by().values_list("account_name").annotate(Sum("gpu_seconds")))
    return [CapRow(account, used.get(account.name, 0), caps.get(account.pool_id)) for account in accounts]
