"""A person's own page: who the portal takes them for, and their name on the cluster."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from allocations.forms.members import UsernameForm
from allocations.selectors.projects import projects_of
from allocations.services import Refused
from allocations.services.members import cluster_username_choose
from allocations.views.base import SignedInRequest, signed_in


@signed_in
def profile(request: SignedInRequest) -> HttpResponse:
    return _page(request, UsernameForm())


@signed_in
def cluster_username(request: SignedInRequest) -> HttpResponse:
    """Choose the user name; afterwards back to the page that asked for it (`next`)."""
    if request.method != "POST":
        return redirect("profile")
    form = UsernameForm(request.POST)
    if form.is_valid():
        try:
            name = form.cleaned_data["cluster_username"]
            cluster_username_choose(user=request.user, name=name, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("cluster_username", str(refusal))
        else:
            messages.success(request, _("Your cluster user name is %(name)s.") % {"name": name})
            return redirect(_next(request) or "profile")
    return _page(request, form)


def _page(request: SignedInRequest, form: UsernameForm) -> HttpResponse:
    context = {"form": form, "projects": projects_of(request.user), "next": _next(request)}
    return render(request, "projects/profile.html", context)


def _next(request: SignedInRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    return wanted if url_has_allowed_host_and_scheme(wanted, allowed_hosts={request.get_host()}) else ""
