"""기술검토: can it run here, and how much of each pool does that take? By its tier it goes on or is decided at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from allocations.mails import technical as mails
from allocations.models import Application, Pool, TechnicalLine, TechnicalReview, Tier
from allocations.services.assignment import reviews_assign_missing
from allocations.services.deadlines import due_after
from allocations.services.decisions import decision_by_technical
from allocations.services.guards import hold_to_act
from allocations.services.outcomes import Refused
from allocations.workflow import Action, LostRace, advance
from portal.events.services import record
from portal.people.models import User

Verdict = TechnicalReview.Verdict


@dataclass(frozen=True, slots=True)
class TechnicalOpinion:
    """What a technical reviewer writes; `recommended` in GPU-seconds by pool, whole GPU-minutes."""

    verdict: str = ""
    comment_to_applicant: str = ""
    comment_to_panel: str = ""
    recommended: Mapping[Pool, int] = field(default_factory=dict)


@transaction.atomic
def technical_start(*, application: Application, by: User, at: datetime) -> TechnicalReview:
    """The application's open technical review, from now on in this person's hands. Another's draft is taken over as it
    is. Raises Refused and LostRace as technical_submit does."""
    hold_to_act(application, Action.ASSESS, by)
    review, created = TechnicalReview.objects.get_or_create(
        application=application, submitted_at=None, defaults={"reviewer": by, "started_at": at}
    )
    if not created and review.reviewer_id == by.pk:
        return review
    TechnicalReview.objects.filter(pk=review.pk).update(reviewer=by)
    review.refresh_from_db()
    topics = (f"application:{application.pk}",)
    record("technical.started", target=review, by=by, at=at, topics=topics, number=application.number)
    return review


@transaction.atomic
def technical_save(
    *, review: TechnicalReview, opinion: TechnicalOpinion, revision: int, by: User, at: datetime
) -> TechnicalReview:
    """Keep the opinion as it is, complete or not. `revision` is the one the writer started from.

    Raises LostRace where it was saved elsewhere, taken over or submitted meanwhile, or the application has moved on;
    nothing is changed then. Raises Refused where the review is not this person's to write.
    """
    hold_to_act(review.application, Action.ASSESS, by)
    current = TechnicalReview.objects.filter(pk=review.pk, submitted_at=None, reviewer=by, revision=revision)
    saved = current.update(
        verdict=opinion.verdict,
        comment_to_applicant=opinion.comment_to_applicant,
        comment_to_panel=opinion.comment_to_panel,
        revision=F("revision") + 1,
    )
    if not saved:
        raise LostRace(Action.ASSESS)
    review.lines.exclude(pool__in=opinion.recommended).delete()
    for pool, seconds in opinion.recommended.items():
        TechnicalLine.objects.update_or_create(review=review, pool=pool, defaults={"recommended_gpu_seconds": seconds})
    review.refresh_from_db()
    return review


@transaction.atomic
def technical_submit(
    *, review: TechnicalReview, opinion: TechnicalOpinion, by: User, at: datetime, revision: int | None = None
) -> TechnicalReview:
    """Hand the opinion in; from then on it cannot change. The application goes on to scientific review, to the panel
    where it is not feasible or needs no review, or, where its tier asks for no more than this check, is decided.
    `revision` is the one the writer started from; None passes over what was saved meanwhile.

    Raises Refused where something is missing or no award is possible, LostRace as technical_save does.
    """
    application = hold_to_act(review.application, Action.ASSESS, by)
    complete = _complete(opinion, application)
    started_from = review.revision if revision is None else revision
    technical_save(review=review, opinion=complete, revision=started_from, by=by, at=at)
    TechnicalReview.objects.filter(pk=review.pk).update(submitted_at=at)
    review.refresh_from_db()
    topics = (f"application:{application.pk}",)
    record("technical.submitted", target=review, by=by, at=at, topics=topics, number=application.number)
    if application.route == Tier.Route.FULL:
        _pass_on(application, complete, at)
    else:
        _decide(application, complete, by, at)
    return review


def _complete(opinion: TechnicalOpinion, application: Application) -> TechnicalOpinion:
    """The opinion with an amount for every pool asked for. Raises Refused with what is missing or in contradiction."""
    requested = {line.pool: line.requested_gpu_seconds or 0 for line in application.lines.select_related("pool")}
    if opinion.verdict not in Verdict.values:
        raise Refused(_("Choose a verdict."))
    if opinion.verdict != Verdict.FEASIBLE and not opinion.comment_to_applicant.strip():
        raise Refused(_("Tell the applicant what has to change, or why it is not feasible."))
    if opinion.verdict == Verdict.INFEASIBLE:
        amounts = dict.fromkeys(requested, 0)
    elif opinion.verdict == Verdict.FEASIBLE:
        amounts = requested | dict(opinion.recommended)
    else:
        amounts = dict(opinion.recommended)
    _require_amounts(opinion.verdict, amounts, requested)
    return TechnicalOpinion(opinion.verdict, opinion.comment_to_applicant, opinion.comment_to_panel, amounts)


def _require_amounts(verdict: str, amounts: Mapping[Pool, int], requested: Mapping[Pool, int]) -> None:
    if set(amounts) != set(requested):
        raise Refused(_("Recommend an amount for every GPU kind asked for; 0 where nothing is."))
    if any(not 0 <= seconds <= requested[pool] or seconds % 60 for pool, seconds in amounts.items()):
        raise Refused(_("Recommend no more than what is requested, in whole GPU-minutes."))
    if verdict == Verdict.FEASIBLE and dict(amounts) != dict(requested):
        raise Refused(_("Where you recommend less than requested, choose “Feasible with changes”."))
    if verdict == Verdict.CHANGES and not any(amounts.values()):
        raise Refused(_("Where nothing is recommended, choose “Not feasible”."))


def _pass_on(application: Application, opinion: TechnicalOpinion, at: datetime) -> None:
    reviewed = opinion.verdict != Verdict.INFEASIBLE and application.reviews_needed > 0
    action = Action.ASSESS if reviewed else Action.ASSESS_TO_PANEL
    advance(application, action, at=at, due_at=due_after(action, application.call, at))
    mails.assessed(application)
    if reviewed:
        reviews_assign_missing(application=application, at=at)


def _decide(application: Application, opinion: TechnicalOpinion, by: User, at: datetime) -> None:
    awards = {pool: seconds for pool, seconds in opinion.recommended.items() if seconds}
    feasible = opinion.verdict != Verdict.INFEASIBLE
    decision_by_technical(
        application=application,
        feasible=feasible,
        awards=awards,
        reason=opinion.comment_to_applicant,
        by=by,
        at=at,
    )
