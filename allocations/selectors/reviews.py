"""What a reviewer sees: the queue, one proposal as far as it may be read, what the PI used before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Prefetch
from django.utils.translation import gettext as _

from allocations.fields import Kind, fields_of, sections_of
from allocations.fields.values import shown, value_of
from allocations.forms.attachments import SUFFIXES
from allocations.models import Application, Attachment, Grant, GrantLine, Review, TechnicalReview
from allocations.models.reviews import TAKES_REVIEWS
from allocations.scoring import weighted_score
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission

# Whom the applicant wants or does not want to be read by is nobody's who reads.
NEVER_FOR_REVIEWERS = frozenset({"suggested_reviewers", "excluded_reviewers"})
IN_THE_HEAD = frozenset({"title_ko", "title_en", "starts_on", "ends_on", "confidential"})


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A review that is asked of a reader, with its application: of a blind call, only number and title may be shown."""

    application: Application
    review: Review
    scored: int
    criteria: int


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    to_do: list[QueueRow]
    in_progress: list[QueueRow]
    done: list[QueueRow]

    @property
    def due(self) -> list[QueueRow]:
        """What is to be written, begun or not, what is due first coming first."""
        return sorted([*self.in_progress, *self.to_do], key=_by_deadline)


def review_queue(user: User) -> ReviewQueue:
    """What a reviewer has to do and has begun, what is due first coming first, and has done, the latest first. What was
    decided meanwhile is not asked for any more."""
    if not user.can(Permission.APPLICATION_REVIEW):
        return ReviewQueue([], [], [])
    rows = [QueueRow(review.application, review, review.scored, review.criteria) for review in _reviews_of(user)]
    open_rows = [row for row in rows if row.review.submitted_at is None]
    done = [row for row in rows if row.review.submitted_at is not None]
    return ReviewQueue(
        to_do=[
            row
            for row in open_rows
            if row.review.declared_at is None and row.application.status == ApplicationStatus.REVIEW
        ],
        in_progress=[
            row for row in open_rows if row.review.declared_at is not None and row.application.status in TAKES_REVIEWS
        ],
        done=sorted(done, key=lambda row: row.review.submitted_at or row.review.assigned_at, reverse=True),
    )


def reviews_due(user: User) -> list[QueueRow]:
    """What a reviewer is asked to do, begun or not, what is due first coming first."""
    return review_queue(user).due


def _by_deadline(row: QueueRow) -> tuple[bool, datetime]:
    return row.review.due_at is None, row.review.due_at or row.review.assigned_at


def _reviews_of(user: User) -> Iterable[Any]:
    """With `scored`, how many of the call's `criteria` have a score."""
    current = Review.objects.current().filter(reviewer=user).exclude(application__status=ApplicationStatus.WITHDRAWN)
    related = current.select_related("application__call", "application__tier", "application__institution")
    rows = related.prefetch_related("application__lines__pool").annotate(
        scored=Count("scores", distinct=True), criteria=Count("application__call__criteria", distinct=True)
    )
    return rows.order_by(F("due_at").asc(nulls_last=True), "assigned_at", "pk")


@dataclass(frozen=True, slots=True)
class ProposalPart:
    """A step of the form as it reads: its label, short answers and long ones, each with the field's label."""

    label: str
    facts: list[tuple[str, str]]
    texts: list[tuple[str, str]]


def proposal_parts(application: Application) -> list[ProposalPart]:
    """What a reviewer may read of the proposal; on a blind call nothing that tells who applies."""
    parts = []
    for section in sections_of(application):
        facts: list[tuple[str, str]] = []
        texts: list[tuple[str, str]] = []
        for field, _level in fields_of(application.call, section):
            hidden = field.name in NEVER_FOR_REVIEWERS | IN_THE_HEAD or (application.call.blind and field.identifies)
            if hidden or field.kind == Kind.BLOCK:
                continue
            if text := shown(field, value_of(application, field)):
                (texts if field.kind == Kind.TEXT else facts).append((str(field.label), text))
        if facts or texts:
            parts.append(ProposalPart(str(section.label), facts, texts))
    return parts


def review_attachments(application: Application) -> list[tuple[Attachment, str]]:
    """The files a reviewer may open, each with the name it is shown under; on a blind call, blind copies by number."""
    attached = [row for row in application.attachments.all() if row.blind == application.call.blind]
    if not application.call.blind:
        return [(row, row.name) for row in attached]
    return [
        (row, _("Attachment %(number)s") % {"number": number} + SUFFIXES.get(row.content_type, ""))
        for number, row in enumerate(attached, start=1)
    ]


@dataclass(frozen=True, slots=True)
class PastGrant:
    """A grant the applicant led before, in GPU-seconds. On a blind call `grant` is not to be shown."""

    grant: Grant
    granted: int
    charged: int


def past_grants(application: Application) -> list[PastGrant]:
    """What the applicant was granted before and what of it was used, the latest first."""
    lines = GrantLine.objects.prefetch_related("entries")
    earlier = Grant.objects.filter(project__pi=application.applicant_id).exclude(application=application)
    named = earlier.select_related("project", "application")
    rows = named.prefetch_related(Prefetch("lines", queryset=lines)).order_by("-starts_at", "-pk")
    return [
        PastGrant(
            grant,
            granted=sum(line.granted_gpu_seconds for line in grant.lines.all()),
            charged=sum(line.charged_gpu_seconds for line in grant.lines.all()),
        )
        for grant in rows
    ]


def technical_result(application: Application) -> TechnicalReview | None:
    """The technical review of what was handed in last."""
    submitted = application.technical_reviews.filter(submitted_at__isnull=False)
    return submitted.prefetch_related("lines__pool").order_by("-submitted_at").first()


def colleagues_reviews(review: Review) -> list[tuple[Review, object]]:
    """The other submitted reviews with their weighted scores: to whoever has submitted their own, and without names."""
    if review.submitted_at is None:
        return []
    others = review.application.reviews.current().filter(submitted_at__isnull=False).exclude(pk=review.pk)
    return [(other, weighted_score(other)) for other in others.prefetch_related("scores__criterion")]
