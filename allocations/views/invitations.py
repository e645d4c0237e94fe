"""Accepting an invitation by its link, as whoever is signed in."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.members import UsernameForm
from allocations.models import Membership
from allocations.services import Refused
from allocations.services.members import member_join
from allocations.workflow import LostRace
from portal.people.models import User


def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who is not signed in is told what awaits them; who is chooses a cluster user name, once, and joins."""
    rows = Membership.objects.select_related("project__pi", "project__institution", "invited_by")
    membership = get_object_or_404(rows, token=token)
    if membership.status != Membership.Status.INVITED:
        return _over(request, membership)
    user = request.user
    data = request.POST if request.method == "POST" else None
    form = UsernameForm(data, initial={"cluster_username": membership.proposed_username})
    if user.is_authenticated and request.method == "POST" and (user.cluster_username or form.is_valid()):
        return _join(request, membership, user, form)
    return render(request, "invitations/invitation.html", {"membership": membership, "form": form})


def _join(request: HttpRequest, membership: Membership, user: User, form: UsernameForm) -> HttpResponse:
    chosen = "" if user.cluster_username else form.cleaned_data["cluster_username"]
    try:
        member_join(membership=membership, cluster_username=chosen, by=user, at=timezone.now())
    except Refused as refusal:
        if user.cluster_username:
            messages.error(request, str(refusal))
        else:
            form.add_error("cluster_username", str(refusal))
        return render(request, "invitations/invitation.html", {"membership": membership, "form": form})
    except LostRace:
        membership.refresh_from_db()
        return _over(request, membership)
    messages.success(request, _("You are in the project now."))
    return redirect("project", membership.project.code)


def _over(request: HttpRequest, membership: Membership) -> HttpResponse:
    """The link has done its work, or the invitation was taken back."""
    joined = membership.status == Membership.Status.ACTIVE
    if joined and request.user.is_authenticated and membership.user_id == request.user.pk:
        return redirect("project", membership.project.code)
    return render(request, "invitations/over.html", {"membership": membership}, status=410)
