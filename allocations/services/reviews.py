"""One review from being asked for to being handed in: by the office, who asks, and the reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from allocations.conflicts import Conflict, conflicts_between
from allocations.mails import reviews as mails
from allocations.models import Application, Review, Score
from allocations.models.reviews import TAKES_REVIEWS, ReviewQuerySet
from allocations.permissions import has_stake
from allocations.services.assignment import (
    hold_application,
    hold_assignments,
    require_manager,
    review_place,
    reviews_assign_missing,
    tell_assigned,
)
from allocations.services.deadlines import due_after
from allocations.services.guards import hold_to_act
from allocations.services.outcomes import Refused
from allocations.services.pledges import pledges_due
from allocations.workflow import Action, ApplicationStatus, LostRace, advance
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a reviewer writes: a score from 0 to 5 by criterion id, two comments, an amount."""

    scores: Mapping[int, int] = field(default_factory=dict)
    comment_to_applicant: str = ""
    comment_to_panel: str = ""
    recommended_gpu_seconds: int | None = None


def opinion_of(review: Review) -> Opinion:
    """What is kept of the review."""
    return Opinion(
        scores={score.criterion_id: score.value for score in review.scores.all()},
        comment_to_applicant=review.comment_to_applicant,
        comment_to_panel=review.comment_to_panel,
        recommended_gpu_seconds=review.recommended_gpu_seconds,
    )


@transaction.atomic
def review_assign(
    *, application: Application, reviewer: User, by: User, at: datetime, due_at: datetime | None = None
) -> Review:
    """Ask a reviewer by name, until `due_at` or for the call's days.

    Raises Refused for who may not assign, has a stake themselves, or names somebody who does not review, has paused
    or has a conflict that is not waived; LostRace where it is no longer under review or the reviewer has it already.
    """
    require_manager(by)
    held = hold_application(application, ApplicationStatus.REVIEW)
    hold_assignments(held.call_id)
    if has_stake(by, held):
        raise Refused(_("Nobody acts for the center on an application of their own, their institution or their team."))
    _require_available(held, reviewer)
    review = review_place(application=held, reviewer=reviewer, by=by, at=at, due_at=due_at)
    tell_assigned([review])
    return review


def _require_available(application: Application, reviewer: User) -> None:
    if not reviewer.can(Permission.APPLICATION_REVIEW):
        raise Refused(_("This person does not review."))
    profile = getattr(reviewer, "reviewer_profile", None)
    if profile is not None and profile.paused_at is not None:
        raise Refused(_("%(name)s has paused.") % {"name": reviewer})
    if found := conflicts_between(application, reviewer):
        raise Refused(
            _("%(name)s has a conflict of interest: %(conflicts)s.")
            % {"name": reviewer, "conflicts": ", ".join(str(kind.label) for kind in Conflict if kind in found)}
        )


@transaction.atomic
def review_release(*, review: Review, by: User, at: datetime) -> Review:
    """Take a review back from the reviewer; what they wrote stays with the row. Nobody is asked instead by itself.

    Raises Refused for who may not assign, LostRace where it is submitted or released already.
    """
    require_manager(by)
    _release(review, at)
    topics = (f"application:{review.application_id}",)
    record("review.released", target=review, by=by, at=at, topics=topics, number=review.application.number)
    mails.released(review)
    return review


@transaction.atomic
def review_prolong(*, review: Review, due_at: datetime, by: User, at: datetime) -> Review:
    """Set another deadline. Raises Refused for who may not assign, LostRace where it is submitted or released."""
    require_manager(by)
    if not _unsubmitted(review).update(due_at=due_at):
        raise LostRace("review")
    review.refresh_from_db()
    topics = (f"application:{review.application_id}",)
    record("review.prolonged", target=review, by=by, at=at, topics=topics, number=review.application.number)
    mails.prolonged(review)
    return review


@transaction.atomic
def review_declare(*, review: Review, conflict_reason: str = "", by: User, at: datetime) -> Review:
    """The reviewer's declaration. Without a conflict the proposal opens; with one (in a sentence) the review is
    released and somebody else is asked.

    Raises Refused where it is not theirs, the year's pledge is not made, or the portal itself knows of a conflict;
    LostRace where it was declared, released or the application has moved on.
    """
    _require_reviewer(review, by)
    held = hold_application(review.application, *TAKES_REVIEWS)
    if conflict_reason.strip():
        return _declare_conflict(review, held, conflict_reason.strip(), at)
    waiting = _unsubmitted(review).filter(declared_at=None)
    if not waiting.exists():
        raise LostRace("review")
    if pledges_due(by, at):
        raise Refused(_("Please sign this year's pledge of confidentiality first."))
    if conflicts_between(held, by):
        raise Refused(
            _("The portal knows of a conflict of interest of yours with this application. Please declare it.")
        )
    waiting.update(declared_at=at)
    review.refresh_from_db()
    record("review.opened", target=review, by=by, at=at, number=held.number)
    return review


def _declare_conflict(review: Review, application: Application, reason: str, at: datetime) -> Review:
    """Also later than the declaration: a conflict may only show in the text."""
    _release(review, at, conflict_reason=reason)
    topics = (f"application:{application.pk}",)
    record("review.conflict", target=review, by=review.reviewer, at=at, topics=topics, number=application.number)
    if application.status == ApplicationStatus.REVIEW:
        reviews_assign_missing(application=application, at=at)
    return review


@transaction.atomic
def review_save(*, review: Review, opinion: Opinion, revision: int, by: User, at: datetime) -> Review:
    """Keep the review as it is. `revision` is the one the writer started from.

    Raises LostRace where it was saved elsewhere meanwhile, is submitted or released, or the application is decided;
    nothing is changed then.
    """
    _require_reviewer(review, by)
    hold_application(review.application, *TAKES_REVIEWS)
    current = _unsubmitted(review).filter(declared_at__isnull=False, revision=revision)
    saved = current.update(
        comment_to_applicant=opinion.comment_to_applicant,
        comment_to_panel=opinion.comment_to_panel,
        recommended_gpu_seconds=opinion.recommended_gpu_seconds,
        revision=F("revision") + 1,
    )
    if not saved:
        raise LostRace("review")
    review.scores.exclude(criterion__in=opinion.scores).delete()
    for criterion_id, value in opinion.scores.items():
        Score.objects.update_or_create(review=review, criterion_id=criterion_id, defaults={"value": value})
    review.refresh_from_db()
    return review


@transaction.atomic
def review_submit(*, review: Review, opinion: Opinion, by: User, at: datetime, revision: int | None = None) -> Review:
    """Keep the opinion and hand it in; from then on it cannot change. The last one needed brings the application before
    the panel. `revision` is the one the writer read; left out, it is the given row's.

    Raises Refused where something is missing, LostRace as review_save does.
    """
    if missing := missing_in(review, opinion):
        raise Refused(missing)
    held = hold_application(review.application, *TAKES_REVIEWS)
    read = review.revision if revision is None else revision
    review_save(review=review, opinion=opinion, revision=read, by=by, at=at)
    Review.objects.filter(pk=review.pk).update(submitted_at=at)
    review.refresh_from_db()
    topics = (f"application:{held.pk}",)
    record("review.submitted", target=review, by=by, at=at, topics=topics, number=held.number)
    submitted = held.reviews.current().filter(submitted_at__isnull=False).count()
    if held.status == ApplicationStatus.REVIEW and submitted >= held.reviews_needed:
        _bring_before_panel(held, "", by=None, at=at)
    return review


def missing_in(review: Review, opinion: Opinion) -> str:
    """What keeps the opinion from being handed in; "" where nothing does."""
    criteria = set(review.application.call.criteria.values_list("pk", flat=True))
    complete = criteria == set(opinion.scores) and opinion.comment_to_applicant.strip()
    if not complete or opinion.recommended_gpu_seconds is None:
        return _("Score every criterion, write to the applicant and recommend an amount.")
    requested = review.application.requested_gpu_seconds
    if not 0 <= opinion.recommended_gpu_seconds <= requested:
        return _("Recommend no more than what is requested.")
    return ""


@transaction.atomic
def reviews_finish(*, application: Application, reason: str, by: User, at: datetime) -> Application:
    """Go on to the panel with fewer reviews than the tier asks for; late ones are still taken until the decision.

    Raises Refused without a reason or for whom the step is not, LostRace where it is no longer under review.
    """
    if not reason.strip():
        raise Refused(_("Say why the panel should decide with fewer reviews."))
    held = hold_to_act(application, Action.FINISH_REVIEWS, by)
    _bring_before_panel(held, reason.strip(), by=by, at=at)
    application.refresh_from_db()
    return application


def _bring_before_panel(application: Application, reason: str, by: User | None, at: datetime) -> None:
    due_at = due_after(Action.FINISH_REVIEWS, application.call, at)
    advance(application, Action.FINISH_REVIEWS, at=at, due_at=due_at)
    action = "application.reviews_cut_short" if reason else "application.reviews_finished"
    record(action, target=application, by=by, at=at, number=application.number, reason=reason)


def _require_reviewer(review: Review, by: User) -> None:
    if review.reviewer_id != by.pk:
        raise Refused(_("This is another reviewer's review."))


def _unsubmitted(review: Review) -> ReviewQuerySet:
    return Review.objects.current().filter(pk=review.pk, submitted_at=None)


def _release(review: Review, at: datetime, conflict_reason: str = "") -> None:
    if not _unsubmitted(review).update(released_at=at, conflict_reason=conflict_reason):
        raise LostRace("review")
    review.refresh_from_db()
