"""Who reviews what: a call's assignment as a whole, first shown and then confirmed, and one application's by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from allocations.forms.reviewers import DueForm, ProlongForm, ReasonForm
from allocations.models import Application, Call, ConflictWaiver, Review
from allocations.permissions import has_stake
from allocations.selectors.assignment import assignment_of, judgeable
from allocations.selectors.reviewers import possible_reviewers
from allocations.services import Refused
from allocations.services.assignment import call_assign
from allocations.services.reviews import review_assign, review_prolong, review_release, reviews_finish
from allocations.services.waivers import waiver_ask, waiver_confirm, waiver_refuse
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.models import User
from portal.people.permissions import Permission


@requires(Permission.REVIEWER_MANAGE)
def call_assignment(request: SignedInRequest, pk: int) -> HttpResponse:
    """The proposal of the portal, which changes nothing until it is confirmed."""
    call = get_object_or_404(Call, pk=pk)
    if request.method == "POST":
        placed = call_assign(call=call, by=request.user, at=timezone.now())
        text = ngettext("%(number)s review was assigned.", "%(number)s reviews were assigned.", len(placed))
        messages.success(request, text % {"number": len(placed)})
        return redirect("call_assignment", pk)
    mine = judgeable(call, request.user)
    under_review = set(call.applications.filter(status=ApplicationStatus.REVIEW).values_list("pk", flat=True))
    context = {
        "call": call,
        "assignment": assignment_of(call, mine),
        "hidden": len(under_review - mine),
        "at": timezone.now(),
    }
    return render(request, "reviewers/assignment.html", context)


@requires(Permission.REVIEWER_MANAGE)
def application_reviewers(request: SignedInRequest, pk: int) -> HttpResponse:
    """One application's reviewers: ask, release, prolong, waive, or go on with fewer."""
    handed_in = Application.objects.handed_in().select_related("call", "tier", "applicant", "institution")
    application = get_object_or_404(handed_in, pk=pk)
    if has_stake(request.user, application):
        return render(request, "reviewers/stake.html", {"application": application}, status=403)
    if request.method == "POST":
        return _act(request, application)
    return _page(request, application)


@dataclass(frozen=True, slots=True)
class _Act:
    """What a button does: the form that must hold, and the service with what was done, in words."""

    form: type[Form] | None
    run: Callable[[SignedInRequest, Application, dict[str, Any], datetime], str]


def _act(request: SignedInRequest, application: Application) -> HttpResponse:
    act = ACTS.get(request.POST.get("action", ""))
    if act is None:
        return redirect("application_reviewers", application.pk)
    form = act.form(request.POST) if act.form else None
    if form is not None and not form.is_valid():
        messages.error(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
        return _page(request, application)
    try:
        done = act.run(request, application, form.cleaned_data if form else {}, timezone.now())
        messages.success(request, done)
    except Refused as refusal:
        messages.error(request, str(refusal))
    except LostRace:
        messages.warning(request, _("Somebody else was faster. This is how it stands now."))
    return redirect("application_reviewers", application.pk)


def _reviewer(request: SignedInRequest) -> User:
    pk = request.POST.get("reviewer", "")
    people = User.objects.who_can(Permission.APPLICATION_REVIEW).select_related("reviewer_profile")
    return get_object_or_404(people, pk=pk if pk.isdecimal() else 0)


def _review(request: SignedInRequest, application: Application) -> Review:
    pk = request.POST.get("review", "")
    return get_object_or_404(application.reviews.select_related("reviewer"), pk=pk if pk.isdecimal() else 0)


def _waiver(request: SignedInRequest, application: Application) -> ConflictWaiver:
    pk = request.POST.get("waiver", "")
    return get_object_or_404(application.waivers, pk=pk if pk.isdecimal() else 0)


def _assign(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    reviewer = _reviewer(request)
    review_assign(application=application, reviewer=reviewer, by=request.user, at=at, due_at=cleaned["due_on"])
    return _("%(name)s is asked to review.") % {"name": reviewer}


def _release(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    review = review_release(review=_review(request, application), by=request.user, at=at)
    return _("The review is taken back from %(name)s.") % {"name": review.reviewer}


def _prolong(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    review = _review(request, application)
    review_prolong(review=review, due_at=cleaned["due_on"], by=request.user, at=at)
    return _("%(name)s has a new deadline.") % {"name": review.reviewer}


def _ask_waiver(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    reviewer = _reviewer(request)
    waiver_ask(application=application, reviewer=reviewer, reason=cleaned["reason"], by=request.user, at=at)
    return _("Asked for. Another person of the office has to confirm it.")


def _confirm_waiver(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    waiver_confirm(waiver=_waiver(request, application), by=request.user, at=at)
    return _("The waiver is confirmed. The reviewer can be asked now.")


def _refuse_waiver(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    waiver_refuse(waiver=_waiver(request, application), by=request.user, at=at)
    return _("The waiver is taken away.")


def _finish(request: SignedInRequest, application: Application, cleaned: dict[str, Any], at: datetime) -> str:
    reviews_finish(application=application, reason=cleaned["reason"], by=request.user, at=at)
    return _("The application is before the panel now.")


ACTS = {
    "assign": _Act(DueForm, _assign),
    "release": _Act(None, _release),
    "prolong": _Act(ProlongForm, _prolong),
    "waive": _Act(ReasonForm, _ask_waiver),
    "waiver_confirm": _Act(None, _confirm_waiver),
    "waiver_refuse": _Act(None, _refuse_waiver),
    "finish": _Act(ReasonForm, _finish),
}


def _page(request: SignedInRequest, application: Application) -> HttpResponse:
    in_review = application.status == ApplicationStatus.REVIEW
    reviews = list(application.reviews.select_related("reviewer__institution"))
    current = [row for row in reviews if row.released_at is None]
    context = {
        "application": application,
        "reviews": current,
        "released": [row for row in reviews if row.released_at is not None],
        "submitted": sum(row.submitted_at is not None for row in current),
        "possible": possible_reviewers(application) if in_review else [],
        "waivers": application.waivers.select_related("reviewer", "asked_by", "confirmed_by"),
        "in_review": in_review,
        "reason_form": ReasonForm(),
        "at": timezone.now(),
    }
    return render(request, "reviewers/application.html", context)
