"""선정: the center's act on an application. Made, taken back or changed by the panel; told to the applicant when it is
announced. What the size of a request allows is decided by rule or after the technical check, and announced at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from allocations.mails import decisions as mails
from allocations.models import Application, Call, Decision, DecisionLine, Pool, Tier
from allocations.scoring import mean_score
from allocations.services.deadlines import due_after
from allocations.services.guards import hold_to_act
from allocations.services.outcomes import Refused
from allocations.services.room import require_allowed
from allocations.services.rules import held_by_rule
from allocations.services.settling import call_settle
from allocations.workflow import Action, ApplicationStatus, LostRace, advance
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours

Outcome, Reason = Decision.Outcome, Decision.Reason

ANNOUNCEMENT = {
    Outcome.AWARDED: Action.ANNOUNCE_OFFER,
    Outcome.PARTLY: Action.ANNOUNCE_OFFER,
    Outcome.CONDITIONAL: Action.ANNOUNCE_OFFER,
    Outcome.RESERVE: Action.ANNOUNCE_RESERVE,
    Outcome.DECLINED: Action.ANNOUNCE_DECLINE,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided on one application; `awards` in GPU-seconds by pool."""

    outcome: str
    awards: Mapping[Pool, int] = field(default_factory=dict)
    reason_code: str = Reason.MERIT
    reason: str = ""
    conditions: str = ""

    @property
    def selects(self) -> bool:
        return self.outcome in Decision.SELECTS

    @property
    def awarded(self) -> dict[Pool, int]:
        return {pool: seconds for pool, seconds in self.awards.items() if seconds} if self.selects else {}


@transaction.atomic
def decision_make(
    *,
    application: Application,
    outcome: str,
    awards: Mapping[Pool, int] | None = None,
    reason_code: str = Reason.MERIT,
    reason: str = "",
    conditions: str = "",
    by: User,
    at: datetime,
) -> Decision:
    """Decide on an application before the panel. Nobody is told before it is announced.

    `awards` are GPU-seconds by pool in whole GPU-minutes; only a selection has any. Raises Refused where a rule
    forbids it, LostRace where somebody else decided or it was withdrawn.
    """
    held = hold_to_act(application, Action.DECIDE, by)
    verdict = Verdict(outcome, awards or {}, reason_code, reason.strip(), conditions.strip())
    require_decidable(held, verdict, at)
    advance(application, Action.DECIDE, at=at, due_at=due_after(Action.DECIDE, held.call, at))
    decision = _store(application, verdict, by, at)
    record("application.decided", target=application, by=by, at=at, number=application.number, outcome=outcome)
    return decision


@transaction.atomic
def decisions_adopt(*, verdicts: Sequence[tuple[Application, Verdict]], by: User, at: datetime) -> list[Decision]:
    """Make many decisions at once, all or none. Raises as decision_make does."""
    # All applications before the first call, or two people adopting at once would wait for each other.
    _lock([application for application, _verdict in verdicts])
    return [
        decision_make(
            application=application,
            outcome=verdict.outcome,
            awards=verdict.awards,
            reason_code=verdict.reason_code,
            reason=verdict.reason,
            conditions=verdict.conditions,
            by=by,
            at=at,
        )
        for application, verdict in verdicts
    ]


@transaction.atomic
def decision_reconsider(*, application: Application, by: User, at: datetime) -> Application:
    """Take back a decision that is not announced; the application is before the panel again, its hours are free.

    Raises Refused for who may not decide on it, LostRace where it is announced already.
    """
    held = hold_to_act(application, Action.RECONSIDER, by)
    advance(application, Action.RECONSIDER, at=at, due_at=due_after(Action.RECONSIDER, held.call, at))
    Decision.objects.filter(application=application).delete()
    record("application.reconsidered", target=application, by=by, at=at, number=application.number)
    return application


@transaction.atomic
def decision_promote(
    *,
    application: Application,
    awards: Mapping[Pool, int],
    outcome: str = Outcome.AWARDED,
    reason_code: str = Reason.MERIT,
    reason: str = "",
    conditions: str = "",
    by: User,
    at: datetime,
) -> Decision:
    """Select an application from the reserve list; announced like any other. Raises as decision_make does."""
    held = hold_to_act(application, Action.PROMOTE, by)
    verdict = Verdict(outcome, awards, reason_code, reason.strip(), conditions.strip())
    if not verdict.selects:
        raise Refused(_("From the reserve list an application can only be selected."))
    require_decidable(held, verdict, at)
    advance(application, Action.PROMOTE, at=at, due_at=due_after(Action.PROMOTE, held.call, at))
    Decision.objects.filter(application=application).delete()
    decision = _store(application, verdict, by, at)
    record("application.promoted", target=application, by=by, at=at, number=application.number)
    return decision


@transaction.atomic
def decisions_announce(*, applications: Iterable[Application], by: User, at: datetime) -> list[Decision]:
    """Tell each applicant what was decided, by letter and on their page; a selected one has an agreement to make.

    Those announced or taken back meanwhile are left out. Raises LostRace where that leaves none, Refused where one is
    not this person's to announce.
    """
    locked = _lock(applications)
    announced = [_announce(row, by, at) for row in locked if row.status == ApplicationStatus.DECIDED]
    if not announced:
        raise LostRace(Action.ANNOUNCE_OFFER)
    for call in Call.objects.filter(applications__in=locked).distinct().order_by("pk"):
        call_settle(call=call, at=at)
    return announced


@transaction.atomic
def decision_by_rule(*, application: Application, at: datetime) -> Decision | None:
    """Award what is asked for, where every rule for the smallest size is kept; offered and announced at once.

    None where a rule holds it: it stays with the office, the rule in the Event "application.rule_held". Raises
    LostRace where it is not submitted any more.
    """
    rows = Application.objects.select_for_update(of=("self",), no_key=True).select_related("call", "tier")
    held = rows.get(pk=application.pk)
    if held.status != ApplicationStatus.SUBMITTED:
        raise LostRace(Action.AWARD_BY_RULE)
    User.objects.select_for_update(no_key=True).get(pk=held.applicant_id)
    if (rule := held_by_rule(held, at)) is not None:
        # The log keeps words as they are written: those of the center's own language, which the office reads.
        with translation.override("ko"):
            reason = str(rule.label)
        record("application.rule_held", target=application, by=None, at=at, rule=rule.value, reason=reason)
        return None
    lines = held.lines.select_related("pool")
    verdict = Verdict(Outcome.AWARDED, {line.pool: line.requested_gpu_seconds or 0 for line in lines}, Reason.RULE)
    return _offer_at_once(application, Action.AWARD_BY_RULE, verdict, None, at)


@transaction.atomic
def decision_by_technical(
    *, application: Application, feasible: bool, awards: Mapping[Pool, int], reason: str = "", by: User, at: datetime
) -> Decision:
    """Decide a request that needs the technical check only: award what is recommended, up to what is requested, or
    decline with the reason. Announced at once.

    Raises Refused where a rule forbids it, with the sentence for the technical reviewer, who may recommend less;
    LostRace where it is no longer in technical review.
    """
    action = Action.ASSESS_AWARD if feasible else Action.ASSESS_DECLINE
    held = hold_to_act(application, action, by)
    if held.route == Tier.Route.FULL:
        raise Refused(_("An application of this size goes on to scientific review."))
    if not feasible:
        return _decline_at_once(application, reason.strip(), by, at)
    requested = {line.pool: line.requested_gpu_seconds or 0 for line in held.lines.select_related("pool")}
    awarded = {pool: min(seconds, requested.get(pool, seconds)) for pool, seconds in awards.items() if seconds}
    outcome = Outcome.AWARDED if awarded == requested else Outcome.PARTLY
    verdict = Verdict(outcome, awarded, Reason.TECHNICAL, reason.strip())
    _require_period(held, at)
    require_allowed(held, awarded)
    return _offer_at_once(application, action, verdict, by, at)


@transaction.atomic
def decision_check(*, application: Application, verdict: Verdict, at: datetime) -> None:
    """Raises Refused as decision_make would now; decides nothing."""
    require_decidable(application, verdict, at)


def require_decidable(application: Application, verdict: Verdict, at: datetime) -> None:
    """Raises Refused with the rule a decision would break: words that are missing, or an award that cannot be given."""
    if verdict.outcome not in Outcome.values or verdict.reason_code not in Reason.values:
        raise Refused(_("Choose an outcome and a kind of reason."))
    if verdict.reason_code == Reason.OTHER and not verdict.reason:
        raise Refused(_("Give the applicant a reason in words."))
    if verdict.outcome == Outcome.CONDITIONAL and not verdict.conditions:
        raise Refused(_("Write the conditions."))
    if not verdict.selects:
        return
    _require_period(application, at)
    _require_amounts_as_said(application, verdict)
    require_allowed(application, verdict.awarded)
    if not verdict.reason and not reaches_threshold(application):
        raise Refused(_("The score does not reach the call's threshold. Say in words why it is selected."))


def reaches_threshold(application: Application) -> bool:
    """Whether the mean of the submitted reviews is what the call asks for; an application that needs none has it."""
    submitted = application.reviews.filter(submitted_at__isnull=False, released_at=None)
    score = mean_score(submitted.prefetch_related("scores__criterion"))
    if score is None:
        return application.reviews_needed == 0
    return score >= Decimal(application.call.threshold_hundredths) / 100


def _require_amounts_as_said(application: Application, verdict: Verdict) -> None:
    requested = {line.pool: line.requested_gpu_seconds for line in application.lines.select_related("pool")}
    whole = verdict.awarded == requested
    if verdict.outcome == Outcome.AWARDED and verdict.awarded and not whole:
        raise Refused(_("“Selected” awards everything requested. Choose “Partly selected” for less."))
    if verdict.outcome == Outcome.PARTLY and whole:
        raise Refused(_("This is everything requested. Choose “Selected”."))


def _require_period(application: Application, at: datetime) -> None:
    if application.ends_on is None or application.ends_on < timezone.localdate(at):
        raise Refused(_("The period asked for has passed."))


def _lock(applications: Iterable[Application]) -> list[Application]:
    """The applications as they stand now, locked in one order."""
    rows = Application.objects.select_for_update(of=("self",), no_key=True)
    rows = rows.filter(pk__in=[row.pk for row in applications])
    return list(rows.select_related("call", "tier", "applicant").order_by("pk"))


def _store(application: Application, verdict: Verdict, by: User | None, at: datetime) -> Decision:
    decision = Decision.objects.create(
        application=application,
        outcome=verdict.outcome,
        reason_code=verdict.reason_code,
        reason=verdict.reason,
        conditions=verdict.conditions,
        decided_by=by,
        decided_at=at,
    )
    DecisionLine.objects.bulk_create(
        DecisionLine(decision=decision, pool=pool, awarded_gpu_seconds=seconds)
        for pool, seconds in verdict.awarded.items()
    )
    return decision


def _announce(application: Application, by: User, at: datetime) -> Decision:
    decision = Decision.objects.get(application=application)
    action = ANNOUNCEMENT[Outcome(decision.outcome)]
    held = hold_to_act(application, action, by)
    advance(application, action, at=at, due_at=due_after(action, held.call, at))
    return _tell(application, decision, by, at)


def _offer_at_once(
    application: Application, action: Action, verdict: Verdict, by: User | None, at: datetime
) -> Decision:
    advance(application, action, at=at, due_at=due_after(action, application.call, at))
    decision = _tell(application, _store(application, verdict, by, at), by, at)
    call_settle(call=application.call, at=at)
    return decision


def _decline_at_once(application: Application, reason: str, by: User, at: datetime) -> Decision:
    if not reason:
        raise Refused(_("Give the applicant a reason in words."))
    advance(application, Action.ASSESS_DECLINE, at=at)
    verdict = Verdict(Outcome.DECLINED, reason_code=Reason.NOT_FEASIBLE, reason=reason)
    decision = _tell(application, _store(application, verdict, by, at), by, at)
    call_settle(call=application.call, at=at)
    return decision


EVENT_OF_STATUS = {
    ApplicationStatus.OFFERED: "application.offered",
    ApplicationStatus.RESERVE: "application.reserved",
    ApplicationStatus.DECLINED: "application.declined",
}


def _tell(application: Application, decision: Decision, by: User | None, at: datetime) -> Decision:
    """The decision becomes the applicant's to read, and the letter goes out."""
    decision.announced_at = at
    decision.save(update_fields=["announced_at"])
    record(
        EVENT_OF_STATUS[ApplicationStatus(application.status)],
        target=application,
        by=by,
        at=at,
        number=application.number,
        gpu_hours=gpu_hours(decision.awarded_gpu_seconds),
    )
    decision.application = application
    mails.announced(decision)
    return decision
