"""The center's act on an application: award or decline. Exactly one decision is ever made on each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations import mails
from allocations.models import Application, Decision, DecisionLine, Pool
from allocations.permissions import can_with_application
from allocations.services.grants import grant_award
from allocations.services.outcomes import Refused
from allocations.workflow import ApplicationStatus, advance
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours


@transaction.atomic
def decision_award(
    *, application: Application, awards: Mapping[Pool, int], reason: str = "", by: User, at: datetime
) -> Decision:
    """Select the application and grant `awards`, GPU-seconds by pool in whole GPU-minutes; zeros are left out.

    Raises Refused where a rule forbids it, LostRace where somebody else decided or it was withdrawn.
    """
    awarded = {pool: seconds for pool, seconds in awards.items() if seconds}
    if not awarded or any(seconds < 0 or seconds % 60 for seconds in awarded.values()):
        raise Refused(_("Award an amount in at least one GPU kind, in whole GPU-minutes."))
    _require_may_decide(application, by)
    advance(application, ApplicationStatus.AWARDED, updated_at=at)
    decision = Decision.objects.create(
        application=application, outcome=Decision.Outcome.AWARDED, reason=reason, decided_by=by, decided_at=at
    )
    for pool, seconds in awarded.items():
        DecisionLine.objects.create(decision=decision, pool=pool, awarded_gpu_seconds=seconds)
    hours = gpu_hours(sum(awarded.values()))
    record("application.awarded", target=application, by=by, at=at, number=application.number, gpu_hours=hours)
    grant_award(application=application, awards=awarded, by=by, at=at)
    mails.decided(decision)
    return decision


@transaction.atomic
def decision_decline(*, application: Application, reason: str, by: User, at: datetime) -> Decision:
    """Decline the application with the reason the applicant reads. Raises as decision_award does."""
    if not reason.strip():
        raise Refused(_("Give the applicant a reason."))
    _require_may_decide(application, by)
    advance(application, ApplicationStatus.DECLINED, updated_at=at)
    decision = Decision.objects.create(
        application=application, outcome=Decision.Outcome.DECLINED, reason=reason, decided_by=by, decided_at=at
    )
    record("application.declined", target=application, by=by, at=at, number=application.number)
    mails.decided(decision)
    return decision


def _require_may_decide(application: Application, by: User) -> None:
    if not can_with_application(by, Permission.APPLICATION_DECIDE, application):
        raise Refused(_("Nobody decides on an application of their own, their institution or their team."))
    submitted = application.reviews.filter(submitted_at__isnull=False).count()
    if submitted < application.call.reviews_needed:
        text = _("A decision needs %(needed)s submitted reviews; there are %(submitted)s.")
        raise Refused(text % {"needed": application.call.reviews_needed, "submitted": submitted})
