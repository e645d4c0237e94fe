"""Asking reviewers: by the portal, what a tier needs; by the office, whom it names."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.mails import reviews as mails
from allocations.models import Application, Call, Review
from allocations.selectors.assignment import assignment_of, judgeable
from allocations.services.deadlines import due_after
from allocations.services.outcomes import Refused
from allocations.workflow import ApplicationStatus, LostRace
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@transaction.atomic
def reviews_assign_missing(*, application: Application, at: datetime) -> list[Review]:
    """Ask as many reviewers as the application lacks, balanced by load and field, nobody with a conflict. Where nobody
    is free fewer are asked: the office sees it, and nothing fails. The caller holds the application."""
    hold_assignments(application.call_id)
    return _carry_out(application.call, among={application.pk}, by=None, at=at)


@transaction.atomic
def call_assign(*, call: Call, by: User, at: datetime) -> list[Review]:
    """Ask for every review that the call's applications lack, those aside in which `by` has a stake. Raises Refused for
    who may not assign."""
    require_manager(by)
    waiting = call.applications.filter(status=ApplicationStatus.REVIEW, pk__in=judgeable(call, by)).order_by("pk")
    held = {row.pk for row in waiting.select_for_update(no_key=True)}
    hold_assignments(call.pk)
    return _carry_out(call, among=held, by=by, at=at)


def _carry_out(call: Call, among: set[int], by: User | None, at: datetime) -> list[Review]:
    rows = assignment_of(call, among).rows
    placed = [
        review_place(application=row.application, reviewer=person, by=by, at=at)
        for row in rows
        for person in row.proposed
    ]
    tell_assigned(placed)
    return placed


def hold_assignments(call_pk: int) -> None:
    """One at a time in a call, so that two do not give the same reviewer more than they take. Taken after the rows of
    applications, as everywhere (services/room.py)."""
    Call.objects.select_for_update(no_key=True).get(pk=call_pk)


def hold_application(application: Application, *statuses: ApplicationStatus) -> Application:
    """The application as it stands, kept so until the transaction ends. Raises LostRace where it stands elsewhere."""
    rows = Application.objects.select_for_update(of=("self",), no_key=True).select_related("call", "tier")
    held = rows.get(pk=application.pk)
    if held.status not in statuses:
        raise LostRace("review")
    return held


def require_manager(by: User) -> None:
    if not by.can(Permission.REVIEWER_MANAGE):
        raise Refused(_("Only the office assigns reviews."))


def review_place(
    *, application: Application, reviewer: User, by: User | None, at: datetime, due_at: datetime | None = None
) -> Review:
    """The review's row, anew or taken up again where the office had taken it back, and its Event. Mails are the
    caller's: several to one person become one. Raises LostRace where the reviewer has one already."""
    due_at = due_at or due_after(ApplicationStatus.REVIEW, application.call, at)
    fresh = {"assigned_at": at, "assigned_by": by, "due_at": due_at, "declared_at": None, "released_at": None}
    review, created = Review.objects.get_or_create(application=application, reviewer=reviewer, defaults=fresh)
    if not created:
        if not Review.objects.filter(pk=review.pk, released_at__isnull=False).update(**fresh):
            raise LostRace("review")
        review.refresh_from_db()
    topics = (f"application:{application.pk}",)
    record("review.assigned", target=review, by=by, at=at, topics=topics, number=application.number)
    return review


def tell_assigned(reviews: list[Review]) -> None:
    by_reviewer: dict[User, list[Review]] = defaultdict(list)
    for review in reviews:
        by_reviewer[review.reviewer].append(review)
    for reviewer, theirs in by_reviewer.items():
        mails.assigned(reviewer, theirs)
