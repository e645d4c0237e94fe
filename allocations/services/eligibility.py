"""The office's acts before the reviews: find an application eligible or not, or return it for correction."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.mails import office as mails
from allocations.mails import technical as technical_mails
from allocations.models import Application, CorrectionRequest, Decision, Tier
from allocations.services.deadlines import due_after
from allocations.services.decisions import decision_by_rule
from allocations.services.guards import hold_to_act
from allocations.services.outcomes import Refused
from allocations.workdays import business_days_after
from allocations.workflow import Action, advance
from portal.events.services import record
from portal.people.models import User


@transaction.atomic
def application_find_eligible(*, application: Application, note: str = "", by: User, at: datetime) -> Application:
    """Pass the application on to technical review. `note` stays inside the office.

    Raises Refused where its institution is not confirmed or the step is not this person's, LostRace where it is no
    longer before the eligibility check.
    """
    held = hold_to_act(application, Action.FIND_ELIGIBLE, by)
    if not held.institution.confirmed:
        raise Refused(_("Confirm the institution first."))
    advance(application, Action.FIND_ELIGIBLE, at=at, due_at=due_after(Action.FIND_ELIGIBLE, held.call, at))
    record("application.found_eligible", target=application, by=by, at=at, number=application.number, note=note)
    mails.found_eligible(application)
    technical_mails.to_assess(application)
    return application


@transaction.atomic
def application_find_ineligible(*, application: Application, reason: str, by: User, at: datetime) -> Application:
    """Close the application with the reason the applicant reads. Raises as application_find_eligible does."""
    if not reason.strip():
        raise Refused(_("Give the applicant a reason."))
    hold_to_act(application, Action.FIND_INELIGIBLE, by)
    advance(application, Action.FIND_INELIGIBLE, at=at)
    record("application.found_ineligible", target=application, by=by, at=at, number=application.number, reason=reason)
    mails.found_ineligible(application, reason)
    return application


@transaction.atomic
def application_return(*, application: Application, text: str, by: User, at: datetime) -> CorrectionRequest:
    """보완요청: back to the applicant with what is to be corrected, by the office from the eligibility check and by the
    technical reviewer from the technical review.

    Raises Refused without a text or where the step is not this person's, LostRace where the application is elsewhere.
    """
    if not text.strip():
        raise Refused(_("Say what is to be corrected."))
    held = hold_to_act(application, Action.RETURN, by)
    due_at = business_days_after(at, held.call.days_for_correction)
    advance(application, Action.RETURN, at=at, due_at=due_at)
    request = CorrectionRequest.objects.create(application=application, text=text, by=by, at=at, due_at=due_at)
    record("application.returned", target=application, by=by, at=at, number=application.number)
    mails.returned(request)
    return request


@transaction.atomic
def application_apply_rule(*, application: Application, by: User, at: datetime) -> Decision | None:
    """Let the portal decide again on an application that a rule held, once its cause is dealt with; None where a rule
    still holds it. Raises Refused where its tier is not decided by rule, and as application_find_eligible does."""
    held = hold_to_act(application, Action.FIND_ELIGIBLE, by)
    if held.route != Tier.Route.RULE:
        raise Refused(_("An application of this size is not decided by rule."))
    decision = decision_by_rule(application=held, at=at)
    application.refresh_from_db()
    return decision
