"""The office's list of everything handed in: who has each, since when, and what is late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet

from allocations.conflicts import without_stake
from allocations.models import Application, Call, Review, TechnicalReview
from allocations.selectors.assignment import lacking_reviews
from allocations.standing import Standing, standing
from allocations.workflow import CLOSED, HANDED_IN, ApplicationStatus
from portal.people.models import User

ROWS_PER_PAGE = 50
MOST_SOUGHT = 100
OPEN = HANDED_IN - CLOSED


@dataclass(frozen=True, slots=True)
class OfficeRow:
    """`late`: it, or a review of it, is past its deadline; `overdue`: it is itself."""

    application: Application
    standing: Standing
    late: bool
    overdue: bool
    conflicted: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the list is narrowed to; by default everything that somebody still has to do something with.

    `text` is looked for in everything handed in, whatever became of it.
    """

    call: Call | None = None
    status: ApplicationStatus | None = None
    late: bool = False
    text: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Chosen:
        """From a query string; what is not understood narrows nothing."""
        call, status = query.get("call", ""), query.get("status", "")
        return cls(
            call=Call.objects.filter(pk=int(call)).first() if call.isdecimal() and len(call) < 10 else None,
            status=ApplicationStatus(status) if status in HANDED_IN | {ApplicationStatus.WITHDRAWN} else None,
            late=query.get("late") == "1",
            text=" ".join(query.get("text", "").replace("\0", "").split())[:MOST_SOUGHT],
        )


def office_page(
    user: User, chosen: Chosen, page: str | None, at: datetime
) -> tuple[Page[Application], list[OfficeRow]]:
    """A page of the list and its rows: what is due first comes first, what waits for nobody last."""
    found = _narrowed(Application.objects.visible_to(user).exclude(submitted_at=None), chosen, at)
    ordered = _with_people(found).order_by("due_at", "submitted_at", "pk")
    shown = Paginator(ordered, ROWS_PER_PAGE).get_page(page)
    on_page = list(shown.object_list)
    on_page_pks = [row.pk for row in on_page]
    judgeable = set(Application.objects.filter(pk__in=on_page_pks).without_stake_of(user).values_list("pk", flat=True))
    late = set(late_ones(at).filter(pk__in=on_page_pks).values_list("pk", flat=True))
    return shown, [_office_row(row, row.pk in late, row.pk not in judgeable, at) for row in on_page]


def _office_row(row: Application, late: bool, conflicted: bool, at: datetime) -> OfficeRow:
    now = standing(row, named=not conflicted)
    return OfficeRow(row, now, late, late and now.is_late(at), conflicted)


def _narrowed(found: QuerySet[Application], chosen: Chosen, at: datetime) -> QuerySet[Application]:
    found = found.filter(call=chosen.call) if chosen.call else found
    if chosen.status:
        found = found.filter(status=chosen.status)
    elif not chosen.late and not chosen.text:
        found = found.filter(status__in=OPEN)
    for word in chosen.text.split():
        found = found.filter(_says(word))
    return found.filter(pk__in=late_ones(at)) if chosen.late else found


def _says(word: str) -> Q:
    names = [
        "number",
        "title_ko",
        "title_en",
        "applicant__name_ko",
        "applicant__name_en",
        "applicant__email",
        "institution__name_ko",
        "institution__name_en",
    ]
    return Q.create([(f"{name}__icontains", word) for name in names], connector=Q.OR)


def _with_people(found: QuerySet[Application]) -> QuerySet[Application]:
    return found.select_related("call", "tier", "applicant", "institution").prefetch_related(
        "lines", "reviews__reviewer", "technical_reviews__reviewer"
    )


def late_ones(at: datetime) -> QuerySet[Application]:
    """Those past their deadline, and those of which a review is; nobody is turned down for it."""
    overdue = Review.objects.current().filter(application=OuterRef("pk"), submitted_at=None, due_at__lt=at)
    in_review = Q(status=ApplicationStatus.REVIEW) & Q(Exists(overdue))
    return Application.objects.filter(Q(due_at__lt=at) | in_review, status__in=OPEN)


def calls_with_applications() -> QuerySet[Call]:
    return Call.objects.filter(Exists(Application.objects.handed_in().filter(call=OuterRef("pk"))))


def waiting_for_office(user: User) -> tuple[list[Application], list[Application]]:
    """What waits for the eligibility check, and what is under review and fewer review than its size asks for: of any
    call, the most urgent first, without the reader's own concerns. At most three queries."""
    statuses = [ApplicationStatus.SUBMITTED, ApplicationStatus.REVIEW]
    waiting = Application.objects.filter(status__in=statuses).order_by("due_at", "submitted_at", "pk")
    found = without_stake(waiting.select_related("call", "tier").prefetch_related("reviews"), user)
    to_check = [row for row in found if row.status == ApplicationStatus.SUBMITTED]
    return to_check, [row for row in found if row.status == ApplicationStatus.REVIEW and lacking_reviews(row)]


@dataclass(frozen=True, slots=True)
class TechnicalRow:
    """An application before the technical review; `begun` is whose draft there is."""

    application: Application
    begun: TechnicalReview | None
    late: bool


def technical_queue(user: User, at: datetime) -> list[TechnicalRow]:
    """What waits for technical review and is not the reader's own concern: first what they began, then by deadline."""
    waiting = Application.objects.filter(status=ApplicationStatus.TECHNICAL).without_stake_of(user)
    found = waiting.select_related("call", "tier", "institution").prefetch_related(
        "lines__pool", "technical_reviews__reviewer"
    )
    rows = [
        TechnicalRow(row, _open_review(row), row.due_at is not None and row.due_at < at)
        for row in found.order_by("due_at", "submitted_at")
    ]
    return sorted(rows, key=lambda row: row.begun is None or row.begun.reviewer_id != user.pk)


def technical_done(user: User, most: int = 20) -> list[TechnicalReview]:
    """What the reader handed in last."""
    done = TechnicalReview.objects.filter(reviewer=user, submitted_at__isnull=False)
    return list(done.select_related("application__call").order_by("-submitted_at")[:most])


def _open_review(application: Application) -> TechnicalReview | None:
    return next((row for row in application.technical_reviews.all() if row.submitted_at is None), None)
