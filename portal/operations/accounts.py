"""Accounts in Slurm that are not the portal's: their use, whose they are, and handing them over to the portal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.adoption import NameUse, usage_claim, usage_release, use_by_name
from accounting.balance import recharge
from accounting.models import Counter, QueueJob
from allocations.models import Account, Pool, Project
from allocations.selectors.slurm_accounts import FoundAccount, found_account, found_accounts, strangers
from allocations.services.adoption import account_hand_over, account_link, account_unlink, hand_over_preview
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission

# A counter older than this says nothing about what was used since.
FRESH = timedelta(minutes=2)
UNUSED = NameUse(recent=0, total=0, owned=False)


@dataclass(frozen=True, slots=True)
class Row:
    """`strangers`: people in a linked account who are no members of its project."""

    found: FoundAccount
    use: NameUse
    strangers: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shares:
    """GPU-seconds of the last 30 days: of the portal's projects, of everybody else, and of the whole cluster."""

    projects: int
    others: int

    @property
    def cluster(self) -> int:
        return self.projects + self.others


class LinkForm(forms.Form):
    project = forms.ModelChoiceField(label=gettext_lazy("Project"), queryset=Project.objects.order_by("code"))
    pool = forms.ModelChoiceField(label=gettext_lazy("Pool"), queryset=Pool.objects.all())


@requires(Permission.OPERATIONS_VIEW)
def account_list(request: SignedInRequest) -> HttpResponse:
    use = use_by_name(timezone.now())
    found = found_accounts()
    missing = strangers(found)
    rows = [Row(row, use.get(row.name, UNUSED), missing.get(row.name, ())) for row in found]
    known = {row.name for row in found}
    owned = sum(each.recent for each in use.values() if each.owned)
    others = sum(each.recent for each in use.values() if not each.owned)
    context = {
        "root": settings.SLURM_ROOT_ACCOUNT,
        "below": [row for row in rows if row.found.below_root],
        "beside": [row for row in rows if not row.found.below_root],
        "gone": sorted((name, each) for name, each in use.items() if not each.owned and name not in known),
        "shares": Shares(owned, others),
    }
    return render(request, "operations/accounts.html", context)


@requires(Permission.OPERATIONS_CHANGE)
def link(request: SignedInRequest, name: str) -> HttpResponse:
    found = found_account(name)
    if found is None or found.account is not None or not found.usable_name:
        messages.info(request, _("This account is linked already, or is no longer in Slurm."))
        return redirect("operations_accounts")
    form = LinkForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                usage_claim(account_link(name=name, by=request.user, at=timezone.now(), **form.cleaned_data))
        except Refused as error:
            form.add_error(None, str(error))
        except LostRace:
            return _as_it_is(request)
        else:
            messages.success(request, _("Linked. Nothing changed in Slurm."))
            return redirect("operations_accounts")
    use = use_by_name(timezone.now()).get(name, UNUSED)
    return render(request, "operations/account_link.html", {"found": found, "use": use, "form": form})


@requires(Permission.OPERATIONS_CHANGE)
def unlink(request: SignedInRequest, pk: int) -> HttpResponse:
    account = _linked(pk)
    if account is None:
        return _as_it_is(request)
    if request.method != "POST":
        return render(request, "operations/account_unlink.html", {"account": account})
    try:
        with transaction.atomic():
            usage_release(account)
            account_unlink(account=account, by=request.user, at=timezone.now())
            recharge(Account.objects.filter(pk=pk).values_list("name", flat=True))
    except LostRace:
        return _as_it_is(request)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("No longer linked. Nothing changed in Slurm."))
    return redirect("operations_accounts")


@requires(Permission.OPERATIONS_CHANGE)
def hand_over(request: SignedInRequest, pk: int) -> HttpResponse:
    """What exactly will change in Slurm, then once more: the portal looks after the account."""
    account = _linked(pk)
    if account is None:
        return _as_it_is(request)
    at = timezone.now()
    try:
        counter = fresh_counter(account, at)
        if request.method == "POST":
            account_hand_over(account=account, counter=counter, by=request.user, at=at)
            messages.success(request, _("Handed over. The worker sets limit and people within seconds."))
            return redirect("operations_accounts")
        plan = hand_over_preview(account=account, counter=counter, at=at)
    except LostRace:
        return _as_it_is(request)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("operations_accounts")
    running = QueueJob.objects.filter(account=account).exclude(state="PENDING")
    context = {"account": account, "plan": plan, "running_gpus": sum(running.values_list("gpus", flat=True))}
    return render(request, "operations/account_hand_over.html", context)


def fresh_counter(account: Account, at: datetime) -> int:
    """slurmctld's counter of the account, in GPU-seconds. Raises Refused where it was not read just now."""
    counter = Counter.objects.filter(account=account, read_at__gt=at - FRESH).first()
    if counter is None:
        raise Refused(_("Slurm's counter of this account has not been read yet. Is a worker running?"))
    return counter.used_gpu_seconds


def _linked(pk: int) -> Account | None:
    return Account.objects.select_related("project", "pool").filter(pk=pk, managed=False).first()


def _as_it_is(request: SignedInRequest) -> HttpResponse:
    """The button was pressed a second time, or by somebody else a moment before."""
    messages.info(request, _("Somebody else was faster: it is so already."))
    return redirect("operations_accounts")
