"""Reviewers as the office sees them, and the reviewers of one application."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.db.models.functions import Coalesce

from allocations.conflicts import Conflict, conflicts, is_named, without_stake
from allocations.models import Application, Call, ConflictWaiver, Review, ReviewerInvitation, ReviewerProfile
from allocations.selectors.assignment import (
    ReviewerLoad,
    application_keywords,
    plain_keywords,
    reviewer_loads,
    suggested_people,
)
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class ReviewerRow:
    reviewer: User
    profile: ReviewerProfile
    open_reviews: int
    late_reviews: int
    done_reviews: int


def reviewer_rows(at: datetime) -> list[ReviewerRow]:
    """Everybody who reviews, with what they have open, late and done. Two queries."""
    current = Q(reviews__isnull=False, reviews__released_at=None)
    still_open = current & Q(reviews__submitted_at=None) & Q(reviews__application__status=ApplicationStatus.REVIEW)
    people = User.objects.filter(pk__in=User.objects.who_can(Permission.APPLICATION_REVIEW).values("pk"))
    counted = people.select_related("reviewer_profile", "institution").annotate(
        open_reviews=Count("reviews", filter=still_open),
        late_reviews=Count("reviews", filter=still_open & Q(reviews__due_at__lt=at)),
        done_reviews=Count("reviews", filter=current & Q(reviews__submitted_at__isnull=False)),
    )
    return [
        ReviewerRow(
            reviewer=person,
            profile=profile_of(person),
            open_reviews=person.open_reviews,
            late_reviews=person.late_reviews,
            done_reviews=person.done_reviews,
        )
        for person in counted
    ]


def profile_of(person: User) -> ReviewerProfile:
    """The stored one, or the usual one of who has none yet."""
    return getattr(person, "reviewer_profile", None) or ReviewerProfile(user=person)


def open_invitations() -> Iterable[ReviewerInvitation]:
    return ReviewerInvitation.objects.filter(accepted_at=None, withdrawn_at=None).select_related("invited_by")


def waiting_waivers(user: User) -> list[ConflictWaiver]:
    """Waivers that the person may confirm: asked for by somebody else, where they have no stake."""
    waiting = ConflictWaiver.objects.filter(confirmed_at=None).exclude(asked_by=user).exclude(reviewer=user)
    rows = list(waiting.select_related("application", "reviewer"))
    judgeable = {row.pk for row in without_stake([row.application for row in rows], user)}
    return [row for row in rows if row.application_id in judgeable]


@dataclass(frozen=True, slots=True)
class CallReviews:
    """How far the reviews of a call are."""

    call: Call
    applications: int
    needed: int
    assigned: int
    submitted: int
    late: int


def calls_under_review(at: datetime) -> list[CallReviews]:
    """The calls with applications in scientific review. Two queries."""
    in_review = Q(status=ApplicationStatus.REVIEW)
    calls = Call.objects.filter(Exists(Application.objects.filter(in_review, call=OuterRef("pk")))).annotate(
        in_review=Count("applications", filter=Q(applications__status=ApplicationStatus.REVIEW)),
        # A call without sizes asks for one review of each.
        needed=Sum(
            Coalesce("applications__tier__reviews_needed", 1),
            filter=Q(applications__status=ApplicationStatus.REVIEW),
        ),
    )
    reviews = Review.objects.current().filter(application__status=ApplicationStatus.REVIEW)
    counted = reviews.values("application__call").annotate(
        assigned=Count("pk"),
        submitted=Count("pk", filter=Q(submitted_at__isnull=False)),
        late=Count("pk", filter=Q(submitted_at=None, due_at__lt=at)),
    )
    by_call: dict[int, dict[str, Any]] = {row["application__call"]: dict(row) for row in counted}
    none = {"assigned": 0, "submitted": 0, "late": 0}
    return [
        CallReviews(
            call=call,
            applications=call.in_review,
            needed=call.needed,
            **{name: by_call.get(call.pk, none)[name] for name in none},
        )
        for call in calls
    ]


@dataclass(frozen=True, slots=True)
class PossibleReviewer:
    """Somebody who may be asked by hand, or why not."""

    load: ReviewerLoad
    in_common: int
    conflicts: list[Conflict]
    waiver: ConflictWaiver | None
    is_suggested: bool

    @property
    def reviewer(self) -> User:
        return self.load.reviewer


def possible_reviewers(application: Application) -> list[PossibleReviewer]:
    """Who is not asked yet: without a conflict first, then by matching keywords and load."""
    asked = set(application.reviews.current().values_list("reviewer", flat=True))
    loads = [row for row in reviewer_loads(application.call) if row.reviewer.pk not in asked]
    found = conflicts([application], [row.reviewer for row in loads])
    waivers = {row.reviewer_id: row for row in application.waivers.select_related("asked_by", "confirmed_by")}
    words, suggested = application_keywords(application), suggested_people(application)
    rows = [
        PossibleReviewer(
            load=row,
            in_common=len(words & plain_keywords(row.profile.keywords)),
            conflicts=[kind for kind in Conflict if kind in found.get((application.pk, row.reviewer.pk), ())],
            waiver=waivers.get(row.reviewer.pk),
            is_suggested=is_named(row.reviewer, suggested),
        )
        for row in loads
    ]
    return sorted(rows, key=lambda row: (bool(row.conflicts), -row.in_common, row.load.load, row.reviewer.pk))
