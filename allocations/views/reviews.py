"""The reviewer's queue, and one review beside its proposal."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.reviews import ReviewForm
from allocations.models import Application, Review
from allocations.scoring import weighted_score
from allocations.selectors import review_queue
from allocations.services import Refused
from allocations.services.reviews import review_save, review_start, review_submit
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.permissions import Permission


@requires(Permission.APPLICATION_REVIEW)
def queue(request: SignedInRequest) -> HttpResponse:
    return render(request, "reviews/queue.html", {"queue": review_queue(request.user)})


@requires(Permission.APPLICATION_REVIEW)
def review(request: SignedInRequest, pk: int) -> HttpResponse:
    """First the declaration; the proposal opens after it, and stays readable once the review is in."""
    reviewable = Application.objects.reviewable_by(request.user).select_related("call", "applicant", "institution")
    application = get_object_or_404(reviewable.prefetch_related("lines__pool", "attachments"), pk=pk)
    own = application.reviews.select_related("application__call").filter(reviewer=request.user).first()
    if own is None:
        return _declare(request, application)
    if request.method == "POST" and request.POST.get("action") in {"save", "submit"}:
        return _store(request, own)
    return _page(request, own, ReviewForm(own))


def _declare(request: SignedInRequest, application: Application) -> HttpResponse:
    if request.method != "POST" or request.POST.get("action") != "declare":
        is_open = application.status == ApplicationStatus.SUBMITTED
        return render(request, "reviews/declare.html", {"application": application, "is_open": is_open})
    try:
        review_start(application=application, by=request.user, at=timezone.now())
    except LostRace:
        messages.warning(request, _standing_now(application))
        return redirect("review_queue")
    return redirect("review", application.pk)


def _store(request: SignedInRequest, own: Review) -> HttpResponse:
    submitting = request.POST["action"] == "submit"
    form = ReviewForm(own, request.POST, submitting=submitting)
    if not form.is_valid():
        return _page(request, own, form)
    act = review_submit if submitting else review_save
    try:
        act(review=own, opinion=form.opinion(), by=request.user, at=timezone.now())
    except LostRace:
        own.refresh_from_db()
        text = _("This review is submitted already.") if own.submitted_at else _standing_now(own.application)
        messages.warning(request, text)
        return _page(request, own, form, status=409)
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, own, form)
    messages.success(request, _("Review submitted.") if submitting else _("Review saved."))
    return redirect("review_queue" if submitting else "review", *([] if submitting else [own.application_id]))


def _standing_now(application: Application) -> str:
    application.refresh_from_db()
    return _("This application is no longer under review. It stands at: %(status)s.") % {
        "status": application.get_status_display()
    }


def _page(request: SignedInRequest, own: Review, form: ReviewForm, status: int = 200) -> HttpResponse:
    application = own.application
    context = {
        "application": application,
        "review": own,
        "form": form,
        "editable": own.submitted_at is None and application.status == ApplicationStatus.SUBMITTED,
        "scores": own.scores.select_related("criterion"),
        "score": weighted_score(own),
    }
    return render(request, "reviews/review.html", context, status=status)
