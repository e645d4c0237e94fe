"""협약: the applicant's answer to a selection. Accepting it makes the grant; turning it down, or not answering in time,
frees the hours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.mails import offers as mails
from allocations.models import Application, ConsentText, Grant
from allocations.services.consents import consent_give, refused_texts, texts_for
from allocations.services.grants import grant_award
from allocations.services.guards import hold_to_act
from allocations.services.outcomes import Refused
from allocations.workflow import Action, ApplicationStatus, LostRace, advance
from portal.events.services import record
from portal.people.models import User

log = logging.getLogger(__name__)


@transaction.atomic
def offer_accept(*, application: Application, given: Mapping[ConsentText, bool], by: User, at: datetime) -> Grant:
    """Make the agreement: record what was agreed to, and award the grant.

    Raises Refused where a required text is not agreed to, the time to answer is over or the period asked for has
    passed; LostRace where it is answered already.
    """
    held = hold_to_act(application, Action.ACCEPT, by)
    if held.due_at is not None and at > held.due_at:
        raise Refused(_("The time to make the agreement is over. Please ask the center."))
    texts = agreement_texts(held)
    answers = {text: given.get(text, False) for text in texts}
    consent_give(user=by, texts_given=answers, application=application, at=at)
    if refused_texts(by, texts, application):
        raise Refused(_("The agreement needs your word on every required text."))
    advance(application, Action.ACCEPT, at=at)
    decision = application.decision
    # Decided by rule: nobody at the center awarded it, so the ledger names who took it.
    awarded_by = decision.decided_by or by
    awards = {line.pool: line.awarded_gpu_seconds for line in decision.lines.select_related("pool")}
    grant = grant_award(application=application, awards=awards, by=awarded_by, at=at)
    record("application.accepted", target=application, by=by, at=at, number=application.number)
    mails.accepted(grant)
    return grant


@transaction.atomic
def offer_turn_down(*, application: Application, reason: str, by: User, at: datetime) -> Application:
    """Turn the selection down; its hours are free again. Raises Refused without a reason, LostRace where it is
    answered already."""
    hold_to_act(application, Action.TURN_DOWN, by)
    if not reason.strip():
        raise Refused(_("Say in a sentence why; it helps the center to plan."))
    advance(application, Action.TURN_DOWN, at=at)
    record(
        "application.turned_down",
        target=application,
        by=by,
        at=at,
        number=application.number,
        reason=reason.strip(),
    )
    return application


@transaction.atomic
def offer_prolong(*, application: Application, due_at: datetime, at: datetime) -> None:
    """Give the applicant more time, where the portal has failed to remind them: nobody loses an offer unwarned. Changes
    nothing where the offer is answered or its time was set anew meanwhile."""
    waiting = Application.objects.filter(pk=application.pk, status=ApplicationStatus.OFFERED, due_at=application.due_at)
    if waiting.update(due_at=due_at):
        record("application.offer_prolonged", target=application, by=None, at=at, number=application.number)


def offers_lapse(at: datetime) -> int:
    """Let every offer lapse whose time is over, each by itself; how many did. The worker calls it."""
    overdue = Application.objects.filter(status=ApplicationStatus.OFFERED, due_at__lt=at)
    return sum(_lapse(application, at) for application in overdue.select_related("applicant"))


def _lapse(application: Application, at: datetime) -> bool:
    try:
        with transaction.atomic():
            Application.objects.select_for_update(of=("self",)).get(pk=application.pk, due_at__lt=at)
            advance(application, Action.LAPSE, at=at)
            record("application.lapsed", target=application, by=None, at=at, number=application.number)
            mails.lapsed(application)
    except (LostRace, Application.DoesNotExist):
        return False  # answered, or given more time, in this very moment
    except Exception:  # one that cannot be closed must not keep the others open
        log.exception("The offer of %s could not be let lapse.", application.number)
        return False
    return True


def agreement_texts(application: Application) -> list[ConsentText]:
    """What the applicant is asked to agree to."""
    return texts_for(ConsentText.Stage.AGREEMENT, application.call.track)
