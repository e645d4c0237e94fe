"""Deadlines are told before, on and after their day, and then to the office. Nothing is decided because of one.

`remind` may run as often as one likes, and after any pause: of each cause only what holds now is told, and each once
(Notice). The keys hold the deadline, so one that was moved is told anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from allocations.mails import reminders as mails
from allocations.models import Application, Notice, Review
from allocations.selectors.reports import report_due_on, reports_missing
from allocations.services.offers import offer_prolong, offers_lapse
from allocations.workdays import business_days_after, business_days_left, end_of_day
from allocations.workflow import ApplicationStatus

log = logging.getLogger(__name__)

DAYS_BEFORE_CORRECTION = (2,)
DAYS_BEFORE_REVIEW = (3,)
DAYS_BEFORE_OFFER = (5, 2)
DAYS_BEFORE_REPORT = (20, 5)
DRAFT_BEFORE = timedelta(days=3)
OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class Reminder:
    """Something to tell, at most once for its key."""

    key: str
    tell: Callable[[], None]


def remind(at: datetime) -> int:
    """Tell everybody what is due now, and let offers lapse whose time is over; how many of both there were."""
    _prolong_unreminded(at)
    return sum(_told(source, at) for source in SOURCES) + _lapsed(at)


def stage_of(due_at: datetime, at: datetime, days_before: tuple[int, ...]) -> str:
    """Which of its reminders holds: the least of `days_before` (business days) that is not passed, "0" on the day
    itself, OVERDUE after it; "" where it is too early."""
    if at > due_at:
        return OVERDUE
    left = business_days_left(at, due_at)
    reached = [days for days in (0, *sorted(days_before)) if left <= days]
    return str(reached[0]) if reached else ""


def _told(source: Callable[[datetime], Iterator[Reminder]], at: datetime) -> int:
    """One failing source never stops the others, one failing reminder none of its own."""
    try:
        found = list(source(at))
        known = set(Notice.objects.filter(key__in=[row.key for row in found]).values_list("key", flat=True))
    except Exception:
        log.exception("The reminders of %s could not be found.", source.__name__)
        return 0
    return sum(_tell_once(reminder, at) for reminder in found if reminder.key not in known)


def _tell_once(reminder: Reminder, at: datetime) -> bool:
    try:
        with transaction.atomic():
            if not Notice.objects.get_or_create(key=reminder.key, defaults={"at": at})[1]:
                return False
            reminder.tell()
    except Exception:  # one that cannot be told is tried again and must not keep the others from being told
        log.exception("The reminder %s could not be told.", reminder.key)
        return False
    return True


def _prolong_unreminded(at: datetime) -> None:
    """Offers whose time ran out while nothing was told, because the worker stood still: they are reminded now."""
    try:
        for row in _with(ApplicationStatus.OFFERED).filter(due_at__lt=at):
            told = Notice.objects.filter(key__startswith=f"{row.status}:{row.pk}:", key__endswith=_moment(row.due_at))
            if not told.exists():
                due_at = business_days_after(at, DAYS_BEFORE_OFFER[-1])
                offer_prolong(application=row, due_at=due_at, at=at)
    except Exception:
        log.exception("Offers could not be given more time.")


def _lapsed(at: datetime) -> int:
    try:
        return offers_lapse(at)
    except Exception:
        log.exception("Offers could not be let lapse.")
        return 0


def _with(status: ApplicationStatus) -> QuerySet[Application]:
    waiting = Application.objects.filter(status=status, due_at__isnull=False)
    return waiting.select_related("call", "applicant").order_by("pk")


def _staged(
    status: ApplicationStatus, days_before: tuple[int, ...], at: datetime
) -> Iterator[tuple[Application, str, str]]:
    """Applications in a state with the stage their deadline is at, and the key of that."""
    for application in _with(status):
        if application.due_at is not None and (stage := stage_of(application.due_at, at, days_before)):
            yield application, stage, f"{status}:{application.pk}:{stage}:{_moment(application.due_at)}"


def _moment(due_at: datetime | None) -> str:
    """A deadline as it stands in a key."""
    return f"{due_at:%Y%m%d%H%M}" if due_at else ""


def corrections(at: datetime) -> Iterator[Reminder]:
    """One that is not answered in time stays where it is; the office sees it among the late ones."""
    for row, stage, key in _staged(ApplicationStatus.RETURNED, DAYS_BEFORE_CORRECTION, at):
        yield Reminder(key, partial(mails.correction, row, stage == OVERDUE))


def checks(at: datetime) -> Iterator[Reminder]:
    for row, stage, key in _staged(ApplicationStatus.SUBMITTED, (), at):
        yield Reminder(key, partial(mails.check, row, stage == OVERDUE))


def technical_reviews(at: datetime) -> Iterator[Reminder]:
    for row, stage, key in _staged(ApplicationStatus.TECHNICAL, DAYS_BEFORE_REVIEW, at):
        yield Reminder(key, partial(mails.technical, row, stage == OVERDUE))
        if stage == OVERDUE:
            yield Reminder(f"office:{key}", partial(mails.late_technical, row))


def reviews(at: datetime) -> Iterator[Reminder]:
    """A late reviewer never costs an applicant anything: the office gives the review to another, or goes on with
    fewer."""
    waiting = Review.objects.current().filter(
        submitted_at=None, due_at__isnull=False, application__status=ApplicationStatus.REVIEW
    )
    for row in waiting.select_related("application__call", "reviewer").order_by("pk"):
        stage = stage_of(row.due_at, at, DAYS_BEFORE_REVIEW) if row.due_at else ""
        if not stage:
            continue
        key = f"review:{row.pk}:{stage}:{_moment(row.due_at)}"
        yield Reminder(key, partial(mails.review, row, stage == OVERDUE))
        if stage == OVERDUE:
            yield Reminder(f"office:{key}", partial(mails.late_review, row))


def decisions(at: datetime) -> Iterator[Reminder]:
    for status in (ApplicationStatus.PANEL, ApplicationStatus.DECIDED):
        for row, stage, key in _staged(status, (), at):
            yield Reminder(key, partial(mails.decision, row, stage == OVERDUE))


def offers(at: datetime) -> Iterator[Reminder]:
    for row, stage, key in _staged(ApplicationStatus.OFFERED, DAYS_BEFORE_OFFER, at):
        if stage != OVERDUE:
            yield Reminder(key, partial(mails.offer, row))


def drafts(at: datetime) -> Iterator[Reminder]:
    """Only those in which something was written."""
    closing = Application.objects.filter(
        status=ApplicationStatus.DRAFT,
        revision__gt=0,
        call__published_at__lte=at,
        call__closes_at__gt=at,
        call__closes_at__lte=at + DRAFT_BEFORE,
    )
    for row in closing.select_related("call", "applicant").order_by("pk"):
        yield Reminder(f"draft:{row.pk}:{row.call.closes_at:%Y%m%d%H%M}", partial(mails.draft, row))


def final_reports(at: datetime) -> Iterator[Reminder]:
    for grant in reports_missing(at):
        due_at = end_of_day(report_due_on(grant))
        if stage := stage_of(due_at, at, DAYS_BEFORE_REPORT):
            key = f"report:{grant.pk}:{stage}:{due_at:%Y%m%d}"
            yield Reminder(key, partial(mails.final_report, grant, due_at, at > due_at))


SOURCES = (corrections, checks, technical_reviews, reviews, decisions, offers, drafts, final_reports)
