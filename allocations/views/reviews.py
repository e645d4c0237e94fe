"""The reviewer's queue, the declaration, one review beside its proposal, and the last look before it is handed in."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _

from allocations.fields import BY_NAME
from allocations.fields.values import shown
from allocations.forms.reviews import ConflictForm, ReviewForm, scored_text
from allocations.models import Review
from allocations.models.reviews import TAKES_REVIEWS
from allocations.permissions import may_review
from allocations.scoring import weighted_score
from allocations.selectors.reviews import (
    colleagues_reviews,
    past_grants,
    proposal_parts,
    review_attachments,
    review_queue,
    technical_result,
)
from allocations.services import Refused
from allocations.services.pledges import pledge_sign, pledges_due
from allocations.services.reviews import (
    missing_in,
    opinion_of,
    review_declare,
    review_save,
    review_submit,
)
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import ApplicationStatus, LostRace
from portal.people.permissions import Permission
from portal.web.autosave import is_autosave, left_out, not_saved, saved


@requires(Permission.APPLICATION_REVIEW)
def queue(request: SignedInRequest) -> HttpResponse:
    context = {"queue": review_queue(request.user), "at": timezone.now()}
    return render(request, "reviews/queue.html", context)


@requires(Permission.APPLICATION_REVIEW)
def review(request: SignedInRequest, pk: int) -> HttpResponse:
    """First the declaration; the proposal opens after it, and stays readable once the review is in."""
    own = _own(request, pk)
    if own.released_at is not None:
        messages.info(request, _("This review is no longer asked of you."))
        return redirect("review_queue")
    action = request.POST.get("action") if request.method == "POST" else None
    if own.declared_at is None:
        return _declare(request, own, action)
    if action == "conflict":
        return _declare_conflict(request, own)
    if action in {"save", "autosave", "submit"}:
        return _store(request, own, action)
    return _page(request, own, ReviewForm(own))


@requires(Permission.APPLICATION_REVIEW)
def pledge(request: SignedInRequest) -> HttpResponse:
    """비밀유지서약: each of the year's texts in full, agreed to as a whole."""
    due = pledges_due(request.user, timezone.now())
    wanted = request.GET.get("next", "")
    following = wanted if url_has_allowed_host_and_scheme(wanted, None) else reverse("review_queue")
    if not due:
        return redirect(following)
    missing = False
    if request.method == "POST":
        agreed = [text for text in due if request.POST.get(f"text_{text.pk}")]
        missing = len(agreed) < len(due)
        if not missing:
            pledge_sign(texts=agreed, by=request.user, at=timezone.now())
            messages.success(request, _("Thank you. The pledge holds for this year."))
            return redirect(following)
    return render(request, "reviews/pledge.html", {"texts": due, "missing": missing})


@requires(Permission.APPLICATION_REVIEW)
def submit(request: SignedInRequest, pk: int) -> HttpResponse:
    """What is handed in, as it will read; from here it cannot change."""
    own = _own(request, pk)
    opinion = opinion_of(own)
    if not _is_writable(own) or missing_in(own, opinion):
        return redirect("review", pk)
    if request.method != "POST":
        context = {"application": own.application, "review": own, "scores": _scores(own), "score": weighted_score(own)}
        return render(request, "reviews/submit.html", context)
    if request.POST.get("revision") != str(own.revision):
        messages.warning(request, _("The review was changed in another window. Please look at it again."))
        return redirect("review", pk)
    try:
        review_submit(review=own, opinion=opinion, by=request.user, at=timezone.now())
    except LostRace:
        messages.warning(request, _standing_now(own))
        return redirect("review", pk)
    messages.success(request, _("Review submitted. Thank you."))
    return redirect("review_queue")


@requires(Permission.APPLICATION_REVIEW)
def attachment(request: SignedInRequest, pk: int, attachment_pk: int) -> HttpResponseBase:
    own = _own(request, pk)
    if not may_review(request.user, own.application):
        raise Http404
    readable = {row.pk: (row, name) for row, name in review_attachments(own.application)}
    if attachment_pk not in readable:
        raise Http404
    attached, name = readable[attachment_pk]
    return FileResponse(attached.file.open("rb"), as_attachment=True, filename=name, content_type=attached.content_type)


def _own(request: SignedInRequest, pk: int) -> Review:
    """The reader's review of the application, also a released one. Raises Http404 where none was asked of them."""
    reviews = Review.objects.filter(reviewer=request.user).exclude(application__status=ApplicationStatus.WITHDRAWN)
    related = reviews.select_related("reviewer", "application__call", "application__tier", "application__institution")
    return get_object_or_404(related.prefetch_related("application__lines__pool", "scores__criterion"), application=pk)


def _is_writable(own: Review) -> bool:
    current = own.submitted_at is None and own.released_at is None and own.declared_at is not None
    return current and own.application.status in TAKES_REVIEWS


def _declare(request: SignedInRequest, own: Review, action: str | None) -> HttpResponse:
    if action == "conflict":
        return _declare_conflict(request, own)
    at = timezone.now()
    here = reverse("review", args=[own.application_id])
    if own.application.status in TAKES_REVIEWS and pledges_due(request.user, at):
        return redirect(f"{reverse('review_pledge')}?{urlencode({'next': here})}")
    if action != "declare":
        return _declaration_page(request, own, ConflictForm())
    try:
        review_declare(review=own, by=request.user, at=at)
    except LostRace:
        messages.warning(request, _standing_now(own))
        return redirect("review_queue")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(here)


def _declare_conflict(request: SignedInRequest, own: Review) -> HttpResponse:
    form = ConflictForm(request.POST)
    if not form.is_valid():
        return _declaration_page(request, own, form)
    reason = form.cleaned_data["conflict_reason"]
    try:
        review_declare(review=own, conflict_reason=reason, by=request.user, at=timezone.now())
    except LostRace:
        messages.warning(request, _standing_now(own))
    else:
        messages.success(request, _("Thank you. Somebody else is asked to review it."))
    return redirect("review_queue")


def _declaration_page(request: SignedInRequest, own: Review, form: ConflictForm) -> HttpResponse:
    is_open = own.submitted_at is None and own.application.status in TAKES_REVIEWS
    context = {
        "application": own.application,
        "review": own,
        "is_open": is_open,
        "form": form,
        "field": shown(BY_NAME["research_field"], own.application.answers.get("research_field")),
    }
    return render(request, "reviews/declare.html", context)


def _store(request: SignedInRequest, own: Review, action: str) -> HttpResponse:
    form = ReviewForm(own, request.POST, submitting=action == "submit")
    is_valid = form.is_valid()
    try:
        own = review_save(
            review=own, opinion=form.opinion(), revision=form.revision(), by=request.user, at=timezone.now()
        )
    except LostRace:
        return _not_stored(request, own, form)
    if is_autosave(request):
        opinion = opinion_of(own)
        whole = len(form.criteria) + 2
        done = len(opinion.scores) + bool(opinion.comment_to_applicant) + (opinion.recommended_gpu_seconds is not None)
        text = _("Saved at %(time)s · %(scored)s")
        time = formats.time_format(timezone.localtime(), "H:i")
        return saved(
            own.revision,
            meter=done * 100 // whole,
            problems=len(form.errors),
            unsaved=left_out(form),
            message=text % {"time": time, "scored": scored_text(own, opinion)},
        )
    if not is_valid:
        return _page(request, own, form)
    if action == "submit":
        return redirect("review_submit", own.application_id)
    messages.success(request, _("Review saved."))
    return redirect("review", own.application_id)


def _not_stored(request: SignedInRequest, own: Review, form: ReviewForm) -> HttpResponse:
    """What was written stands on the page still, so that it can be copied."""
    own.refresh_from_db()
    text = _standing_now(own)
    if is_autosave(request):
        return not_saved(text)
    messages.warning(request, text)
    return _page(request, own, form, revision=form.revision(), status=409)


def _standing_now(own: Review) -> str:
    own.refresh_from_db()
    application = own.application
    application.refresh_from_db()
    if own.submitted_at is not None:
        return _("This review is submitted already.")
    if own.released_at is not None:
        return _("This review is no longer asked of you.")
    if application.status in TAKES_REVIEWS:
        return _("Not saved: this review was changed in another window.")
    return _("This application is no longer under review. It stands at: %(status)s.") % {
        "status": application.get_status_display()
    }


def _page(
    request: SignedInRequest, own: Review, form: ReviewForm, revision: int | None = None, status: int = 200
) -> HttpResponse:
    """`revision` is the one the form started from; the stored one, if left out."""
    application = own.application
    context = {
        "application": application,
        "review": own,
        "form": form,
        "revision": own.revision if revision is None else revision,
        "conflict_form": ConflictForm(),
        "editable": _is_writable(own),
        "scored": scored_text(own, opinion_of(own)),
        "parts": proposal_parts(application),
        "attachments": review_attachments(application),
        "past": past_grants(application),
        "technical": technical_result(application),
        "scores": _scores(own),
        "score": weighted_score(own),
        "colleagues": colleagues_reviews(own),
        "at": timezone.now(),
    }
    return render(request, "reviews/review.html", context, status=status)


def _scores(own: Review) -> object:
    return own.scores.select_related("criterion")
