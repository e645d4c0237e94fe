"""Final reports: which are due, and which are missing."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from allocations.changes import REPORT_DAYS
from allocations.models import Grant, Project
from portal.people.models import User


def last_day(grant: Grant) -> date:
    """The last day that belongs to the grant, in Asia/Seoul: its end is exclusive."""
    return timezone.localdate(grant.ends_at - timedelta(seconds=1), timezone.get_default_timezone())


def report_due_on(grant: Grant) -> date:
    return last_day(grant) + timedelta(days=REPORT_DAYS)


def reports_missing(at: datetime) -> QuerySet[Grant]:
    """Grants that have ended without a final report. One that had ended before it was imported needs none here."""
    ended = Grant.objects.filter(ends_at__lte=at, ends_at__gt=F("created_at"))
    return ended.exclude(final_report__submitted_at__isnull=False).select_related("project__pi", "application")


def reports_overdue(user: User, at: datetime) -> list[Grant]:
    """Grants the person leads whose final report should be in; while there is one, nothing new is applied for."""
    missing = reports_missing(at).filter(project__pi=user)
    today = timezone.localdate(at, timezone.get_default_timezone())
    return [grant for grant in missing if report_due_on(grant) < today]


def reports_due(user: User, at: datetime) -> list[Grant]:
    """Grants of projects the person leads, or is the delegate of, that have ended and still need their report."""
    return list(reports_missing(at).filter(project__in=Project.objects.managed_by(user)))
