"""Deciding on one application in two steps; taking a decision back; taking one from the reserve list."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from allocations.forms.decisions import DecisionForm
from allocations.models import Application, Decision
from allocations.permissions import has_stake
from allocations.selectors.cases import Case, case
from allocations.selectors.panel import submitted_reviews
from allocations.services import Refused
from allocations.services.decisions import decision_check, decision_make, decision_promote, decision_reconsider
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import Action, ApplicationStatus, LostRace, transition
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours_unit


@requires(Permission.APPLICATION_DECIDE)
def decide(request: SignedInRequest, pk: int) -> HttpResponse:
    """All there is to go by beside the form; a first POST asks whether it is meant, a second records it.

    From the reserve list the same form selects. What is decided and not announced can be taken back here.
    """
    application = _application(request, pk)
    action = _open_action(application)
    if action is None and application.status != ApplicationStatus.DECIDED:
        if request.method == "POST":
            messages.warning(request, outcome_sentence(application))
        return redirect("application_detail", pk)
    if has_stake(request.user, application):
        return render(request, "panel/conflict.html", {"application": application}, status=403)
    found = case(application)
    if action is None:
        if request.method == "POST":
            messages.warning(request, outcome_sentence(application))
        return render(request, "panel/decided.html", {"case": found, "application": application})
    promoting = action == Action.PROMOTE
    form = DecisionForm(application, found.recommended, _posted(request), promoting=promoting)
    if form.is_bound and request.POST.get("action") != "back" and form.is_valid():
        return _checked(request, found, form, promoting)
    return _page(request, found, form)


@require_POST
@requires(Permission.APPLICATION_DECIDE)
def reconsider(request: SignedInRequest, pk: int) -> HttpResponse:
    application = _application(request, pk)
    try:
        decision_reconsider(application=application, by=request.user, at=timezone.now())
        messages.success(request, _("The decision is taken back. Its hours are free again."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except LostRace:
        application.refresh_from_db()
        text = _("It was not taken back. The application stands at: %(status)s.")
        messages.warning(request, text % {"status": application.get_status_display()})
        return redirect("application_detail", pk)
    return redirect("decide", pk)


def _application(request: SignedInRequest, pk: int) -> Application:
    visible = Application.objects.visible_to(request.user).select_related("call", "applicant", "institution", "tier")
    prefetched = visible.prefetch_related("lines__pool", "attachments", submitted_reviews())
    return get_object_or_404(prefetched.distinct(), pk=pk)


def _open_action(application: Application) -> Action | None:
    actions = (Action.DECIDE, Action.PROMOTE)
    return next((action for action in actions if transition(action, application.status)), None)


def _posted(request: SignedInRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None


def _checked(request: SignedInRequest, found: Case, form: DecisionForm, promoting: bool) -> HttpResponse:
    """Ask whether it is meant, or record it; what a rule forbids is said in the form."""
    application, verdict, at = found.application, form.verdict(), timezone.now()
    try:
        if request.POST.get("action") != "confirm":
            decision_check(application=application, verdict=verdict, at=at)
            return render(request, "panel/confirm.html", {"application": application, "form": form})
        act = decision_promote if promoting else decision_make
        act(
            application=application,
            outcome=verdict.outcome,
            awards=verdict.awards,
            reason_code=verdict.reason_code,
            reason=verdict.reason,
            conditions=verdict.conditions,
            by=request.user,
            at=at,
        )
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, found, form)
    except LostRace:
        application.refresh_from_db()
        messages.warning(request, outcome_sentence(application))
        return redirect("application_detail", application.pk)
    messages.success(request, _("Decided. The applicant is told when it is announced."))
    return redirect("panel_call", application.call_id)


def outcome_sentence(application: Application) -> str:
    """What stands, for somebody whose decision came too late."""
    decision = Decision.objects.filter(application=application).select_related("decided_by").first()
    if decision is None or application.status == ApplicationStatus.WITHDRAWN:
        return _("Nothing was decided: the application stands at %(status)s.") % {
            "status": application.get_status_display()
        }
    values = {
        "person": decision.decided_by or _("The portal"),
        "outcome": decision.get_outcome_display(),
        "amount": gpu_hours_unit(decision.awarded_gpu_seconds),
    }
    if not decision.selects:
        return _("%(person)s decided first: %(outcome)s. Yours was not recorded.") % values
    return _("%(person)s decided first: %(outcome)s, %(amount)s. Yours was not recorded.") % values


def _page(request: SignedInRequest, found: Case, form: DecisionForm) -> HttpResponse:
    return render(request, "panel/decide.html", {"case": found, "application": found.application, "form": form})
