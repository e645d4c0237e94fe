"""Reviewers: the office's list and invitations, accepting one, and a reviewer's own profile."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.reviewers import ProfileForm, ReviewerInviteForm, StandingConflictForm
from allocations.models import Application, Review, ReviewerInvitation
from allocations.selectors.reviewers import (
    calls_under_review,
    open_invitations,
    profile_of,
    reviewer_rows,
    waiting_waivers,
)
from allocations.services import Refused
from allocations.services.reviewers import (
    conflict_declare,
    conflict_remove,
    reviewer_invitation_withdraw,
    reviewer_invite,
    reviewer_join,
    reviewer_profile_change,
    reviewer_remind,
)
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.models import User
from portal.people.permissions import Permission


@requires(Permission.REVIEWER_MANAGE)
def reviewer_list(request: SignedInRequest) -> HttpResponse:
    form = ReviewerInviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            reviewer_invite(**form.cleaned_data, by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error("email", str(refusal))
        else:
            messages.success(request, _("Invited: %(email)s.") % {"email": form.cleaned_data["email"]})
            return redirect("reviewer_list")
    at = timezone.now()
    context = {
        "rows": reviewer_rows(at),
        "invitations": open_invitations(),
        "calls": calls_under_review(at),
        "waivers": waiting_waivers(request.user),
        "form": form,
    }
    return render(request, "reviewers/list.html", context)


@requires(Permission.REVIEWER_MANAGE)
def reviewer_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    """One reviewer's fields and pause, set by the office for them, and what they review."""
    reviewers = User.objects.who_can(Permission.APPLICATION_REVIEW).select_related("reviewer_profile", "institution")
    reviewer = get_object_or_404(reviewers, pk=pk)
    form = ProfileForm(profile_of(reviewer), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        reviewer_profile_change(reviewer=reviewer, profile=form.profile(), by=request.user, at=timezone.now())
        messages.success(request, _("Saved."))
        return redirect("reviewer_detail", pk)
    judgeable = Application.objects.without_stake_of(request.user).values("pk")
    reviews = Review.objects.current().filter(reviewer=reviewer, application__in=judgeable)
    context = {
        "reviewer": reviewer,
        "form": form,
        "reviews": reviews.select_related("application").order_by("-assigned_at")[:50],
        "declared": reviewer.declared_conflicts.select_related("institution"),
        "at": timezone.now(),
    }
    return render(request, "reviewers/detail.html", context)


@requires(Permission.REVIEWER_MANAGE)
def invitation_act(request: SignedInRequest, pk: int) -> HttpResponse:
    """Send an open invitation again, or withdraw it."""
    invited = get_object_or_404(ReviewerInvitation, pk=pk)
    if request.method != "POST":
        return redirect("reviewer_list")
    withdraws = request.POST.get("action") == "withdraw"
    act = reviewer_invitation_withdraw if withdraws else reviewer_remind
    done = _("Invitation withdrawn: %(email)s.") if withdraws else _("Invited again: %(email)s.")
    try:
        act(invitation=invited, by=request.user, at=timezone.now())
        messages.success(request, done % {"email": invited.email})
    except LostRace:
        messages.warning(request, _("This invitation is no longer open: %(email)s.") % {"email": invited.email})
    return redirect("reviewer_list")


def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who is not signed in is told what awaits them; who is, under the invited address, accepts."""
    invited = get_object_or_404(ReviewerInvitation.objects.select_related("invited_by"), token=token)
    user = request.user
    if invited.accepted_by_id is not None and invited.accepted_by_id == user.pk:
        return redirect("review_queue")
    if invited.accepted_at is not None or invited.withdrawn_at is not None:
        return render(request, "reviewers/invitation_over.html", {"invitation": invited}, status=410)
    if user.is_authenticated and request.method == "POST":
        try:
            reviewer_join(invitation=invited, by=user, at=timezone.now())
        except Refused as refusal:
            messages.error(request, str(refusal))
        except LostRace:
            return redirect("reviewer_invitation", token)
        else:
            messages.success(
                request, _("Thank you. Please check your fields, and name standing conflicts of interest.")
            )
            return redirect("reviewer_profile")
    is_theirs = user.is_authenticated and user.email.lower() == invited.email.lower()
    return render(request, "reviewers/invitation.html", {"invitation": invited, "is_theirs": is_theirs})


@requires(Permission.APPLICATION_REVIEW)
def profile(request: SignedInRequest) -> HttpResponse:
    action = request.POST.get("action") if request.method == "POST" else None
    own = profile_of(request.user)
    form = ProfileForm(own, request.POST if action == "profile" else None)
    conflict = StandingConflictForm(request.POST if action == "conflict" else None)
    at = timezone.now()
    if action == "profile" and form.is_valid():
        reviewer_profile_change(reviewer=request.user, profile=form.profile(), by=request.user, at=at)
        messages.success(request, _("Saved."))
        return redirect("reviewer_profile")
    if action == "conflict" and conflict.is_valid():
        conflict_declare(**conflict.cleaned_data, by=request.user, at=at)
        messages.success(request, _("Noted. You are not asked to review there."))
        return redirect("reviewer_profile")
    declared = request.user.declared_conflicts.select_related("institution").order_by("-at")
    context = {"form": form, "conflict_form": conflict, "declared": declared, "own": own}
    return render(request, "reviewers/profile.html", context)


@requires(Permission.APPLICATION_REVIEW)
def conflict_remove_page(request: SignedInRequest, pk: int) -> HttpResponse:
    declared = get_object_or_404(request.user.declared_conflicts, pk=pk)
    if request.method == "POST":
        conflict_remove(declared=declared, by=request.user, at=timezone.now())
        messages.success(request, _("Removed."))
    return redirect("reviewer_profile")
