"""The office's list of applications, and the eligibility check of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.eligibility import EligibleForm, IneligibleForm, InstitutionConfirmForm, ReturnForm
from allocations.models import Application
from allocations.permissions import has_stake, may_act
from allocations.selectors.checklist import checklist
from allocations.selectors.office import OPEN, Chosen, calls_with_applications, office_page
from allocations.selectors.status import last_event
from allocations.services import Refused
from allocations.services.deadlines import due_after
from allocations.services.eligibility import (
    application_apply_rule,
    application_find_eligible,
    application_find_ineligible,
    application_return,
)
from allocations.standing import standing, steps
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import Action, ApplicationStatus, LostRace
from portal.people.institutions import NotRegistered, domain_offered, institution_confirm
from portal.people.permissions import Permission

# What is waited for stands before what is over.
STATES = [status for status in ApplicationStatus if status in OPEN] + [
    status for status in ApplicationStatus if status not in OPEN and status != ApplicationStatus.DRAFT
]


@requires(Permission.APPLICATION_CHECK)
def application_list(request: SignedInRequest) -> HttpResponse:
    at = timezone.now()
    chosen = Chosen.read(request.GET)
    page, rows = office_page(request.user, chosen, request.GET.get("page"), at)
    context = {
        "page": page,
        "rows": rows,
        "chosen": chosen,
        "calls": calls_with_applications(),
        "states": STATES,
    }
    return render(request, "office/applications/list.html", context)


@requires(Permission.APPLICATION_CHECK)
def application(request: SignedInRequest, pk: int) -> HttpResponse:
    """One application: where it stands, the checklist, the proposal, and what the office can do with it now."""
    row = _visible(request, pk)
    if request.method != "POST":
        return _page(request, row)
    act = ACTS.get(request.POST.get("action", ""))
    return act(request, row) if act else redirect("office_application", pk)


def _visible(request: SignedInRequest, pk: int) -> Application:
    visible = Application.objects.visible_to(request.user).exclude(submitted_at=None)
    found = visible.select_related("call", "tier", "applicant", "institution__registered_by")
    return get_object_or_404(
        found.prefetch_related("lines__pool", "reviews__reviewer", "technical_reviews__reviewer", "attachments"), pk=pk
    )


def _eligible(request: SignedInRequest, row: Application) -> HttpResponse:
    form = EligibleForm(request.POST)
    if not form.is_valid():
        return _page(request, row, eligible=form)
    return _done(
        request,
        row,
        lambda: application_find_eligible(
            application=row, note=form.cleaned_data["note"], by=request.user, at=timezone.now()
        ),
        _("Found eligible. The technical review has it now."),
        eligible=form,
    )


def _return(request: SignedInRequest, row: Application) -> HttpResponse:
    form = ReturnForm(request.POST)
    if not form.is_valid():
        return _page(request, row, returning=form)
    return _done(
        request,
        row,
        lambda: application_return(application=row, text=form.cleaned_data["text"], by=request.user, at=timezone.now()),
        _("Returned for correction. The applicant has been told."),
        returning=form,
    )


def _ineligible(request: SignedInRequest, row: Application) -> HttpResponse:
    """Asks once more: there is no way back."""
    form = IneligibleForm(request.POST)
    if not form.is_valid():
        return _page(request, row, ineligible=form)
    reason = form.cleaned_data["reason"]
    if request.POST.get("confirmed") != "yes":
        return render(request, "office/applications/ineligible.html", {"application": row, "reason": reason})
    return _done(
        request,
        row,
        lambda: application_find_ineligible(application=row, reason=reason, by=request.user, at=timezone.now()),
        _("Found not eligible. The applicant has been told."),
    )


def _confirm_institution(request: SignedInRequest, row: Application) -> HttpResponse:
    if not may_act(request.user, Action.FIND_ELIGIBLE, row):
        return redirect("office_application", row.pk)
    form = InstitutionConfirmForm(request.POST)
    if not form.is_valid():
        return _page(request, row, confirming=form)
    domain = form.cleaned_data["domain"]
    try:
        institution_confirm(institution=row.institution, domain=domain, by=request.user, at=timezone.now())
    except NotRegistered as refusal:
        form.add_error("domain", str(refusal))
        return _page(request, row, confirming=form)
    messages.success(request, _("The institution is confirmed."))
    return redirect("office_application", row.pk)


def _apply_rule(request: SignedInRequest, row: Application) -> HttpResponse:
    try:
        decision = application_apply_rule(application=row, by=request.user, at=timezone.now())
    except (Refused, LostRace) as failure:
        return _told(request, row, failure)
    if decision is None:
        messages.warning(request, _("A rule still holds it."))
    else:
        messages.success(request, _("Awarded by rule. The applicant has been told."))
    return redirect("office_application", row.pk)


ACTS: dict[str, Callable[[SignedInRequest, Application], HttpResponse]] = {
    "eligible": _eligible,
    "return": _return,
    "ineligible": _ineligible,
    "confirm_institution": _confirm_institution,
    "apply_rule": _apply_rule,
}


def _done(
    request: SignedInRequest, row: Application, act: Callable[[], Any], words: str, **written: Form
) -> HttpResponse:
    """What was `written` is shown again where the act is refused."""
    try:
        act()
    except (Refused, LostRace) as failure:
        if written and isinstance(failure, Refused):
            for form in written.values():
                form.add_error(None, str(failure))
            return _page(request, row, **written)
        return _told(request, row, failure)
    messages.success(request, words)
    return redirect("office_application", row.pk)


def _told(request: SignedInRequest, row: Application, failure: Refused | LostRace) -> HttpResponse:
    """Why it was not done, on the page as it stands now."""
    if isinstance(failure, Refused):
        messages.error(request, str(failure))
    else:
        row.refresh_from_db()
        text = _("Somebody else acted meanwhile. It stands at: %(status)s.")
        messages.warning(request, text % {"status": row.get_status_display()})
    return redirect("office_application", row.pk)


def _page(
    request: SignedInRequest,
    row: Application,
    *,
    eligible: Form | None = None,
    returning: Form | None = None,
    ineligible: Form | None = None,
    confirming: Form | None = None,
) -> HttpResponse:
    """Who has a stake in it reads no more than its applicant: no names, and nothing that is for the center alone."""
    at = timezone.now()
    conflicted = has_stake(request.user, row)
    checking = row.status == ApplicationStatus.SUBMITTED
    found = None if conflicted else last_event(row, "application.found_eligible")
    assessed = row.technical_reviews.filter(submitted_at__isnull=False).prefetch_related("lines__pool")
    context = {
        "application": row,
        "standing": standing(row, named=not conflicted),
        "steps": steps(row),
        "late": row.due_at is not None and row.due_at < at and row.status in OPEN,
        "checks": checklist(row, at),
        "may_check": may_act(request.user, Action.FIND_ELIGIBLE, row),
        "conflicted": conflicted,
        "checking": checking,
        "held": last_event(row, "application.rule_held") if checking else None,
        "found_eligible": found,
        "corrections": row.corrections.none() if conflicted else row.corrections.select_related("by"),
        "versions": row.versions.count(),
        "correction_due": due_after(Action.RETURN, row.call, at),
        "eligible": eligible or EligibleForm(),
        "returning": returning or ReturnForm(),
        "ineligible": ineligible or IneligibleForm(),
        "confirming": confirming or _confirming(row),
        "technical": None if conflicted else assessed.last(),
    }
    return render(request, "office/applications/detail.html", context)


def _confirming(row: Application) -> Form | None:
    if row.institution.confirmed:
        return None
    return InstitutionConfirmForm(initial={"domain": domain_offered(row.institution)})
