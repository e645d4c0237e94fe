"""The technical reviewer's queue, and one technical review beside its proposal."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.eligibility import ReturnForm
from allocations.forms.technical import TechnicalForm
from allocations.models import Application, TechnicalReview
from allocations.permissions import has_stake, may_act
from allocations.selectors.office import technical_done
from allocations.selectors.office import technical_queue as rows_to_assess
from allocations.services import Refused
from allocations.services.deadlines import due_after
from allocations.services.eligibility import application_return
from allocations.services.technical import technical_save, technical_start, technical_submit
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import Action, ApplicationStatus, LostRace
from portal.people.permissions import Permission
from portal.web.autosave import is_autosave, left_out, not_saved, saved


@requires(Permission.APPLICATION_ASSESS)
def queue(request: SignedInRequest) -> HttpResponse:
    at = timezone.now()
    context = {"rows": rows_to_assess(request.user, at), "done": technical_done(request.user), "at": at}
    return render(request, "technical/queue.html", context)


@requires(Permission.APPLICATION_ASSESS)
def technical_review(request: SignedInRequest, pk: int) -> HttpResponse:
    """The proposal, with the form beside it once the reader has taken the review on."""
    application = _visible(request, pk)
    if request.method != "POST":
        return _page(request, application)
    action = request.POST.get("action", "")
    if action == "start":
        return _start(request, application)
    if action == "return":
        return _return(request, application)
    own = _own_draft(request, application)
    if own is None:
        return _moved_on(request, application)
    return _store(request, own, submitting=action == "submit")


def _visible(request: SignedInRequest, pk: int) -> Application:
    found = Application.objects.visible_to(request.user).exclude(submitted_at=None)
    return get_object_or_404(
        found.select_related("call", "tier", "applicant", "institution").prefetch_related("lines__pool", "attachments"),
        pk=pk,
    )


def _own_draft(request: SignedInRequest, application: Application) -> TechnicalReview | None:
    drafts = application.technical_reviews.filter(submitted_at=None, reviewer=request.user)
    return drafts.select_related("application__call").first()


def _start(request: SignedInRequest, application: Application) -> HttpResponse:
    try:
        technical_start(application=application, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, str(refusal))
    except LostRace:
        return _moved_on(request, application)
    return redirect("technical_review", application.pk)


def _return(request: SignedInRequest, application: Application) -> HttpResponse:
    form = ReturnForm(request.POST)
    if not form.is_valid():
        return _page(request, application, returning=form)
    try:
        application_return(application=application, text=form.cleaned_data["text"], by=request.user, at=timezone.now())
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, application, returning=form)
    except LostRace:
        return _moved_on(request, application)
    messages.success(request, _("Returned for correction. The applicant has been told."))
    return redirect("technical_queue")


def _store(request: SignedInRequest, own: TechnicalReview, *, submitting: bool) -> HttpResponse:
    """Keep whatever is valid of it; then hand it in, or list what is not, or go on writing."""
    at = timezone.now()
    form = TechnicalForm(own, request.POST, submitting=submitting)
    valid = form.is_valid()
    written = request.POST.get("revision", "")
    revision = int(written) if written.isdecimal() and len(written) < 10 else -1
    act = technical_submit if submitting and valid else technical_save
    try:
        review = act(review=own, opinion=form.opinion(), revision=revision, by=request.user, at=at)
    except LostRace:
        return _moved_on(request, own.application, form)
    except Refused as refusal:
        if is_autosave(request):
            return not_saved(str(refusal))
        form.add_error(None, str(refusal))
        return _page(request, own.application, form=form)
    if is_autosave(request):
        return saved(review.revision, at=at, problems=len(form.errors), unsaved=left_out(form))
    if not valid:
        return _page(request, own.application, form=form)
    messages.success(request, _("Technical review submitted.") if submitting else _("Technical review saved."))
    return redirect("technical_queue") if submitting else redirect("technical_review", own.application_id)


def _moved_on(request: SignedInRequest, application: Application, form: TechnicalForm | None = None) -> HttpResponse:
    """It was written elsewhere, taken over, submitted or withdrawn meanwhile; what was sent stays on the page."""
    application.refresh_from_db()
    begun = application.technical_reviews.filter(submitted_at=None).select_related("reviewer").first()
    if application.status != ApplicationStatus.TECHNICAL:
        text = _("This application is no longer in technical review. It stands at: %(status)s.")
        words = text % {"status": application.get_status_display()}
    elif begun is not None and begun.reviewer_id != request.user.pk:
        words = _("%(name)s has taken this review over.") % {"name": begun.reviewer.display_name}
    else:
        words = _("Not saved: it was changed in another window. Compare before you save again.")
    if is_autosave(request):
        return not_saved(words)
    messages.warning(request, words)
    return _page(request, application, form=form, status=409)


def _page(
    request: SignedInRequest,
    application: Application,
    *,
    form: TechnicalForm | None = None,
    returning: ReturnForm | None = None,
    status: int = 200,
) -> HttpResponse:
    reviews = list(application.technical_reviews.select_related("reviewer").prefetch_related("lines__pool"))
    begun = next((review for review in reviews if review.submitted_at is None), None)
    may_assess = may_act(request.user, Action.ASSESS, application)
    mine = begun if begun is not None and begun.reviewer_id == request.user.pk and may_assess else None
    conflicted = has_stake(request.user, application)
    # What is written to the panel is not for who has a stake.
    handed_in = [] if conflicted else [review for review in reviews if review.submitted_at is not None]
    context = {
        "application": application,
        "begun": begun,
        "mine": mine,
        "may_assess": may_assess,
        "conflicted": conflicted,
        "form": form or (TechnicalForm(mine) if mine else None),
        "returning": returning or ReturnForm(),
        "correction_due": due_after(Action.RETURN, application.call, timezone.now()),
        "submitted": handed_in[-1] if handed_in else None,
        "decides": application.route != "full",
        "at": timezone.now(),
    }
    return render(request, "technical/review.html", context, status=status)
