"""The application form: save as often as one likes, submit once."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.applications import ApplicationForm, BaseMemberFormSet, member_rows
from allocations.models import Application
from allocations.services import Refused
from allocations.services.applications import application_save, application_submit
from allocations.services.completeness import problems
from allocations.services.outcomes import Incomplete
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import ApplicationStatus, LostRace


@signed_in
def application_edit(request: SignedInRequest, pk: int) -> HttpResponse:
    application = get_object_or_404(Application.objects.filter(applicant=request.user).select_related("call"), pk=pk)
    if request.method == "POST":
        return _store(request, application)
    if application.status != ApplicationStatus.DRAFT:
        return redirect("application_detail", pk)
    return _page(request, application, ApplicationForm(application), member_rows(application))


def _store(request: SignedInRequest, application: Application) -> HttpResponse:
    """Keep whatever is valid; then list what is not, or submit, or go on editing."""
    at = timezone.now()
    form = ApplicationForm(application, request.POST, request.FILES)
    members = member_rows(application, request.POST)
    valid = all([form.is_valid(), members.is_valid()])
    revision = request.POST.get("revision", "")
    try:
        application_save(
            application=application,
            draft=form.draft(members),
            revision=int(revision) if revision.isdecimal() else -1,
            by=request.user,
            at=at,
        )
    except LostRace:
        return _stale(request, application)
    submitting = request.POST.get("action") == "submit"
    if not submitting and valid:
        messages.success(request, _("Draft saved."))
        return redirect("application_edit", application.pk)
    if submitting and _submitted(request, application, form, valid):
        return redirect("application_detail", application.pk)
    if not submitting:
        messages.warning(request, _("Saved, except for what is listed below."))
    return _page(request, application, form, members)


def _submitted(request: SignedInRequest, application: Application, form: ApplicationForm, valid: bool) -> bool:
    """Whether the application is in now. Otherwise the form lists why not."""
    try:
        if valid:
            application_submit(application=application, by=request.user, at=timezone.now())
            text = _("Submitted. Its number is %(number)s; a confirmation is on its way by e-mail.")
            messages.success(request, text % {"number": application.number})
            return True
        raise Incomplete(problems(application, timezone.localdate()))
    except Incomplete as incomplete:
        for problem in incomplete.problems:
            if problem.field not in form.errors:
                form.add_error(problem.field, problem.message)
    except Refused as refusal:
        form.add_error(None, str(refusal))
    except LostRace:
        form.add_error(None, _("It was submitted or withdrawn meanwhile, in another window."))
    return False


def _stale(request: SignedInRequest, application: Application) -> HttpResponse:
    """Another window saved first: show what is stored beside what was written here, and lose neither."""
    application = Application.objects.select_related("call").get(pk=application.pk)
    form = ApplicationForm(application, request.POST)
    members = member_rows(application, request.POST)
    form.is_valid()
    members.is_valid()
    differences = list(form.differences(members))
    return _page(request, application, form, members, stale=True, differences=differences, status=409)


def _page(
    request: SignedInRequest,
    application: Application,
    form: ApplicationForm,
    members: BaseMemberFormSet,
    *,
    stale: bool = False,
    differences: list[tuple[str, str]] | None = None,
    status: int = 200,
) -> HttpResponse:
    line = application.lines.first()
    product = line.product_gpu_seconds if line else None
    context = {
        "application": application,
        "form": form,
        "members": members,
        "attached": application.attachments.first(),
        "product": product,
        "differs": line is not None and product is not None and product != line.requested_gpu_seconds,
        "is_draft": application.status == ApplicationStatus.DRAFT,
        "is_open": application.call.is_open(timezone.now()),
        "stale": stale,
        "differences": differences,
    }
    return render(request, "applications/form.html", context, status=status)
