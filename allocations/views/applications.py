"""Own applications: list, detail, versions, print, withdrawal, taking over an earlier one, attachments."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Application, Call
from allocations.permissions import can_with_application, may_read_proposal
from allocations.selectors.applications import applications_of, versions_of
from allocations.services import Refused
from allocations.services.applications import application_start, application_withdraw
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import Action, ApplicationStatus, LostRace, transition
from portal.people.permissions import Permission


@signed_in
def application_list(request: SignedInRequest) -> HttpResponse:
    return render(request, "applications/list.html", {"rows": applications_of(request.user)})


@signed_in
def application_new(request: SignedInRequest, call_pk: int) -> HttpResponse:
    """Begin a draft. Who comes here by GET has just signed in: the call's page has the button."""
    call = get_object_or_404(Call.objects.published(timezone.now()), pk=call_pk)
    if request.method != "POST":
        return redirect("call_detail", call.pk)
    if request.user.institution_id is None:
        messages.info(request, _("Tell us first which institution you belong to."))
        address = reverse("call_detail", args=[call.pk])
        return redirect(f"{reverse('institution_register')}?{urlencode({'next': address})}")
    return _started(request, call, None, redirect("call_detail", call.pk))


@signed_in
def application_clone(request: SignedInRequest, pk: int) -> HttpResponse:
    """Take over an own earlier application into an open call."""
    earlier = get_object_or_404(Application.objects.filter(applicant=request.user), pk=pk)
    calls = Call.objects.open(timezone.now())
    if request.method != "POST":
        return render(request, "applications/clone.html", {"application": earlier, "calls": calls})
    chosen = request.POST.get("call", "")
    call = get_object_or_404(calls, pk=int(chosen) if chosen.isdecimal() else 0)
    return _started(request, call, earlier, redirect("application_detail", pk))


def _started(
    request: SignedInRequest, call: Call, earlier: Application | None, otherwise: HttpResponse
) -> HttpResponse:
    try:
        application = application_start(call=call, clone_of=earlier, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, str(refusal))
        return otherwise
    return redirect("application_edit", application.pk)


@signed_in
def application_detail(request: SignedInRequest, pk: int) -> HttpResponse:
    application = _readable(request, pk)
    if application is None:
        return redirect("review", pk)
    context = {
        "application": application,
        "own": application.applicant_id == request.user.pk,
        "versions": application.versions.count(),
    }
    return render(request, "applications/detail.html", context)


@signed_in
def application_status(request: SignedInRequest, pk: int) -> HttpResponse:
    """The part of the detail page that changes while it is open."""
    application = _readable(request, pk)
    if application is None:
        raise Http404
    return render(request, "applications/parts/status.html", {"application": application})


@signed_in
def application_print(request: SignedInRequest, pk: int) -> HttpResponse:
    """The whole proposal on paper."""
    application = _readable(request, pk)
    if application is None:
        raise Http404
    return render(request, "applications/print.html", {"application": application})


@signed_in
def application_versions(request: SignedInRequest, pk: int) -> HttpResponse:
    """What was handed in each time, and what changed from one to the next."""
    application = _readable(request, pk)
    if application is None:
        raise Http404
    context = {
        "application": application,
        "own": application.applicant_id == request.user.pk,
        "changes": versions_of(application),
    }
    return render(request, "applications/versions.html", context)


@signed_in
def application_withdraw_page(request: SignedInRequest, pk: int) -> HttpResponse:
    application = get_object_or_404(Application.objects.filter(applicant=request.user), pk=pk)
    if request.method != "POST":
        if transition(Action.WITHDRAW, application.status) is None:
            return redirect("application_detail", pk)
        return render(request, "applications/withdraw.html", {"application": application})
    was_draft = application.status == ApplicationStatus.DRAFT
    try:
        application_withdraw(application=application, by=request.user, at=timezone.now())
    except LostRace:
        application.refresh_from_db()
        text = _("It was not withdrawn. It stands at: %(status)s.")
        messages.warning(request, text % {"status": application.get_status_display()})
        return redirect("application_detail", pk)
    messages.success(request, _("The draft is discarded.") if was_draft else _("The application is withdrawn."))
    return redirect("application_list" if was_draft else "application_detail", *([] if was_draft else [pk]))


@signed_in
def attachment(request: SignedInRequest, pk: int, attachment_pk: int) -> HttpResponseBase:
    """A file, never opened by the browser itself. A reviewer of a blind call has those of the review's page only."""
    application = get_object_or_404(Application.objects.visible_to(request.user).select_related("call"), pk=pk)
    if not may_read_proposal(request.user, application):
        raise Http404
    attached = get_object_or_404(application.attachments, pk=attachment_pk)
    response = FileResponse(
        attached.file.open("rb"), as_attachment=True, filename=attached.name, content_type=attached.content_type
    )
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def _readable(request: SignedInRequest, pk: int) -> Application | None:
    """The application; None for a reviewer, whose page is the review. Raises Http404 for who may not know of it."""
    visible = Application.objects.visible_to(request.user).select_related(
        "call", "tier", "applicant", "institution", "firm"
    )
    application = get_object_or_404(visible.prefetch_related("lines__pool", "reviews", "attachments"), pk=pk)
    return application if can_with_application(request.user, Permission.APPLICATION_VIEW, application) else None
