"""A person's own page: who the portal takes them for, their name on the cluster, and where their jobs go by default."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from allocations.forms.members import DefaultAccountForm, UsernameForm
from allocations.selectors.default_accounts import default_standing
from allocations.selectors.projects import projects_of
from allocations.services import Refused
from allocations.services.default_accounts import default_account_choose
from allocations.services.usernames import username_ask
from allocations.usernames import badge_of, sentence_of, steps_of
from allocations.views.base import SignedInRequest, signed_in


@signed_in
def profile(request: SignedInRequest) -> HttpResponse:
    return _page(request)


@signed_in
def cluster_username(request: SignedInRequest) -> HttpResponse:
    """Ask for a user name; afterwards back to the page that asked for it (`next`)."""
    if request.method != "POST":
        return redirect("profile")
    form = UsernameForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["cluster_username"]
        try:
            username_ask(user=request.user, name=name, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("cluster_username", str(refusal))
        else:
            messages.success(request, _("Asked for: %(name)s. You are told by e-mail.") % {"name": name})
            return redirect(_next(request) or "profile")
    return _page(request, username_form=form)


@signed_in
def default_account(request: SignedInRequest) -> HttpResponse:
    if request.method != "POST":
        return redirect("profile")
    standing = default_standing(request.user)
    form = DefaultAccountForm(request.POST, accounts=standing.accounts)
    if form.is_valid():
        account = form.cleaned_data["account"]
        try:
            default_account_choose(user=request.user, account=account, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("account", str(refusal))
        else:
            messages.success(request, _("Your choice is kept: %(account)s.") % {"account": account.name})
            return redirect("profile")
    return _page(request, default_form=form)


def _page(
    request: SignedInRequest,
    username_form: UsernameForm | None = None,
    default_form: DefaultAccountForm | None = None,
) -> HttpResponse:
    user = request.user
    standing = default_standing(user)
    chosen = standing.chosen.name if standing.chosen else ""
    context: dict[str, Any] = {
        "form": username_form or UsernameForm(),
        "default_form": default_form or DefaultAccountForm(accounts=standing.accounts, initial={"account": chosen}),
        "default": standing,
        "projects": projects_of(user),
        "badge": badge_of(user),
        "sentence": sentence_of(user),
        "steps": steps_of(user),
        "next": _next(request),
    }
    return render(request, "projects/profile.html", context)


def _next(request: SignedInRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else ""
