"""The reviewer's acts: declare no conflict, save and submit a review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import Application, Review, Score
from allocations.permissions import can_with_application
from allocations.services.outcomes import Refused
from allocations.workflow import ApplicationStatus, LostRace
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


@transaction.atomic
def review_start(*, application: Application, by: User, at: datetime) -> Review:
    """Record that the reviewer declares no conflict of interest; the proposal opens. Twice changes nothing.

    Raises Refused for who may not review it, LostRace where it is no longer under review.
    """
    if not can_with_application(by, Permission.APPLICATION_REVIEW, application):
        raise Refused(_("You cannot review this application."))
    _hold_under_review(application)
    review, created = Review.objects.get_or_create(
        application=application, reviewer=by, defaults={"started_at": at, "declared_at": at}
    )
    if created:
        record("review.started", target=review, by=by, at=at, number=application.number)
    return review


@transaction.atomic
def review_save(*, review: Review, opinion: Opinion, by: User, at: datetime) -> Review:
    """Keep the review as it is. Raises LostRace where it is submitted or the application no longer under review."""
    _require_reviewer(review, by)
    _hold_under_review(review.application)
    open_review = Review.objects.filter(pk=review.pk, submitted_at__isnull=True)
    saved = open_review.update(
        comment_to_applicant=opinion.comment_to_applicant,
        comment_to_panel=opinion.comment_to_panel,
        recommended_gpu_seconds=opinion.recommended_gpu_seconds,
    )
    if not saved:
        raise LostRace("review")
    review.scores.exclude(criterion__in=opinion.scores).delete()
    for criterion_id, value in opinion.scores.items():
        Score.objects.update_or_create(review=review, criterion_id=criterion_id, defaults={"value": value})
    review.refresh_from_db()
    return review


@transaction.atomic
def review_submit(*, review: Review, opinion: Opinion, by: User, at: datetime) -> Review:
    """Keep the opinion and hand it in; from then on it cannot change.

    Raises Refused where something is missing, LostRace as review_save does.
    """
    criteria = set(review.application.call.criteria.values_list("pk", flat=True))
    complete = criteria == set(opinion.scores) and opinion.comment_to_applicant.strip()
    if not complete or opinion.recommended_gpu_seconds is None:
        raise Refused(_("Score every criterion, write to the applicant and recommend an amount."))
    review_save(review=review, opinion=opinion, by=by, at=at)
    Review.objects.filter(pk=review.pk).update(submitted_at=at)
    review.refresh_from_db()
    topics = (f"application:{review.application_id}",)
    record("review.submitted", target=review, by=by, at=at, topics=topics, number=review.application.number)
    return review


def _require_reviewer(review: Review, by: User) -> None:
    if review.reviewer_id != by.pk:
        raise Refused(_("This is another reviewer's review."))


def _hold_under_review(application: Application) -> None:
    """Keep the application from being decided or withdrawn until this transaction ends."""
    locked = Application.objects.select_for_update(of=("self",)).get(pk=application.pk)
    if locked.status != ApplicationStatus.SUBMITTED:
        raise LostRace("review")
