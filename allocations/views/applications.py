"""Own applications: list, detail, withdrawal, attachment."""

from __future__ import annotations

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Application, Call, Decision
from allocations.permissions import can_with_application, may_read_proposal
from allocations.selectors import applications_of
from allocations.services import Refused
from allocations.services.applications import application_start, application_withdraw
from allocations.standing import steps
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import TRANSITIONS, ApplicationStatus, LostRace
from portal.people.permissions import Permission


@signed_in
def application_list(request: SignedInRequest) -> HttpResponse:
    return render(request, "applications/list.html", {"rows": applications_of(request.user)})


@signed_in
def application_new(request: SignedInRequest, call_pk: int) -> HttpResponse:
    """Begin a draft. Who comes here by GET has just signed in: the call's page has the button."""
    at = timezone.now()
    call = get_object_or_404(Call.objects.published(at), pk=call_pk)
    if request.method != "POST":
        return redirect("call_detail", call.pk)
    try:
        application = application_start(call=call, by=request.user, at=at)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("call_detail", call.pk)
    return redirect("application_edit", application.pk)


@signed_in
def application_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    application = _readable(request, pk)
    if application is None:
        return redirect("review", pk)
    return render(request, "applications/detail.html", _detail_context(request, application))


@signed_in
def application_status(request: SignedInRequest, pk: int) -> HttpResponse:
    """The part of the detail page that changes while it is open."""
    application = _readable(request, pk)
    if application is None:
        raise Http404
    return render(request, "applications/parts/status.html", _detail_context(request, application))


@signed_in
def application_withdraw_page(request: SignedInRequest, pk: int) -> HttpResponse:
    application = get_object_or_404(Application.objects.filter(applicant=request.user), pk=pk)
    if request.method != "POST":
        if not _withdrawable(application):
            return redirect("application_detail", pk)
        return render(request, "applications/withdraw.html", {"application": application})
    try:
        application_withdraw(application=application, by=request.user, at=timezone.now())
        messages.success(request, _("The application is withdrawn."))
    except LostRace:
        application.refresh_from_db()
        text = _("It was not withdrawn. It stands at: %(status)s.")
        messages.warning(request, text % {"status": application.get_status_display()})
    return redirect("application_detail", pk)


@signed_in
def attachment(request: SignedInRequest, pk: int, attachment_pk: int) -> HttpResponseBase:
    application = get_object_or_404(Application.objects.visible_to(request.user), pk=pk)
    if not may_read_proposal(request.user, application):
        raise Http404
    attached = get_object_or_404(application.attachments, pk=attachment_pk)
    return FileResponse(
        attached.file.open("rb"), as_attachment=True, filename=attached.name, content_type=attached.content_type
    )


def _readable(request: SignedInRequest, pk: int) -> Application | None:
    """The application; None for a reviewer, whose page is the review. Raises Http404 for who may not know of it."""
    visible = Application.objects.visible_to(request.user).select_related("call", "applicant", "institution")
    application = get_object_or_404(visible.prefetch_related("lines__pool", "reviews", "attachments"), pk=pk)
    return application if can_with_application(request.user, Permission.APPLICATION_VIEW, application) else None


def _detail_context(request: SignedInRequest, application: Application) -> dict[str, object]:
    decision = Decision.objects.filter(application=application).prefetch_related("lines__pool").first()
    own = application.applicant_id == request.user.pk
    return {
        "application": application,
        "steps": steps(application),
        "decision": decision,
        "grant": getattr(application, "grant", None),
        "comments": _comments(application) if decision else [],
        "own": own,
        "may_edit": own and application.status == ApplicationStatus.DRAFT,
        "may_withdraw": own and _withdrawable(application),
    }


def _comments(application: Application) -> list[str]:
    """What reviewers wrote to the applicant, without their names."""
    return [review.comment_to_applicant for review in application.reviews.all() if review.submitted_at is not None]


def _withdrawable(application: Application) -> bool:
    return ApplicationStatus.WITHDRAWN in TRANSITIONS[ApplicationStatus(application.status)]
