"""협약: the agreement page of a selected application, for its applicant."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.offers import AgreementForm, TurnDownForm
from allocations.models import Application
from allocations.services import Refused
from allocations.services.offers import agreement_texts, offer_accept, offer_turn_down
from allocations.views.base import SignedInRequest, signed_in
from allocations.workflow import ApplicationStatus, LostRace


@signed_in
def offer(request: SignedInRequest, pk: int) -> HttpResponse:
    """What was awarded, on which terms, and the texts to agree to one by one. Pressing twice changes nothing."""
    application = _own(request, pk)
    if application.status != ApplicationStatus.OFFERED:
        return _answered(request, application)
    form = AgreementForm(agreement_texts(application), request.POST if request.method == "POST" else None)
    if not form.is_bound or not form.is_valid():
        return _page(request, application, form)
    try:
        grant = offer_accept(application=application, given=form.given, by=request.user, at=timezone.now())
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, application, form)
    except LostRace:
        application.refresh_from_db()
        return _answered(request, application)
    messages.success(request, _("The agreement is made. These steps lead onto the cluster."))
    return redirect("onboarding", grant.project.code)


@signed_in
def offer_turn_down_page(request: SignedInRequest, pk: int) -> HttpResponse:
    application = _own(request, pk)
    if application.status != ApplicationStatus.OFFERED:
        return _answered(request, application)
    form = TurnDownForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            reason = form.cleaned_data["reason"]
            offer_turn_down(application=application, reason=reason, by=request.user, at=timezone.now())
        except LostRace:
            application.refresh_from_db()
            return _answered(request, application)
        messages.success(request, _("The offer is turned down."))
        return redirect("application_detail", pk)
    return render(request, "offers/turn_down.html", {"application": application, "form": form})


def _own(request: SignedInRequest, pk: int) -> Application:
    own = Application.objects.filter(applicant=request.user).select_related("call", "institution", "renews")
    return get_object_or_404(own, pk=pk)


def _answered(request: SignedInRequest, application: Application) -> HttpResponse:
    """Where the answer led to, for who comes again or too late."""
    if application.status == ApplicationStatus.AWARDED:
        messages.info(request, _("The agreement is made already."))
        return redirect("onboarding", application.grant.project.code)
    text = _("There is no agreement to make. The application stands at: %(status)s.")
    messages.info(request, text % {"status": application.get_status_display()})
    return redirect("application_detail", application.pk)


def _page(request: SignedInRequest, application: Application, form: AgreementForm) -> HttpResponse:
    decision = application.decision
    context = {
        "application": application,
        "decision": decision,
        "lines": decision.lines.select_related("pool"),
        "members": application.proposed_members.all(),
        "form": form,
    }
    return render(request, "offers/agreement.html", context)
