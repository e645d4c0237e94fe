"""Changes after the award: what a project has asked for, what waits for the reader, and the figures to judge it by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from allocations.changes import most_supplement, whole_minutes
from allocations.models import ChangeRequest, Grant, GrantLine, LedgerEntry, Pool, Project
from allocations.selectors.reports import last_day
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class LineFigures:
    """A line of a grant in GPU-seconds: awarded at first, granted with all later entries, charged to it."""

    line: GrantLine
    awarded: int
    granted: int

    @property
    def pool(self) -> Pool:
        return self.line.pool

    @property
    def first_day(self) -> date:
        return timezone.localdate(self.line.grant.starts_at, timezone.get_default_timezone())

    @property
    def last_day(self) -> date:
        return last_day(self.line.grant)

    @property
    def charged(self) -> int:
        return self.line.charged_gpu_seconds

    @property
    def left(self) -> int:
        return whole_minutes(self.granted - self.charged)

    @property
    def most_supplement(self) -> int:
        return most_supplement(self.awarded)


def running_lines(project: Project, at: datetime) -> list[LineFigures]:
    """Of the grants of a project that run now: what changes may be about."""
    return figures(GrantLine.objects.filter(grant__project=project, grant__starts_at__lte=at, grant__ends_at__gt=at))


def all_lines(project: Project) -> list[LineFigures]:
    return figures(GrantLine.objects.filter(grant__project=project))


def figures(lines: QuerySet[GrantLine]) -> list[LineFigures]:
    """Lines with their sums: one query."""
    award = Q(entries__kind=LedgerEntry.Kind.AWARD)
    rows = (
        lines.select_related("grant__project", "grant__application", "pool")
        .annotate(
            awarded=Coalesce(Sum("entries__gpu_seconds", filter=award), 0),
            granted=Coalesce(Sum("entries__gpu_seconds"), 0),
        )
        .order_by("grant__starts_at", "pool__position", "pk")
    )
    return [LineFigures(line, line.awarded, line.granted) for line in rows]


def running_grants(lines: Iterable[LineFigures]) -> list[Grant]:
    return list({row.line.grant_id: row.line.grant for row in lines}.values())


def changes_of(project: Project) -> QuerySet[ChangeRequest]:
    return _with_names(ChangeRequest.objects.filter(project=project))


def changes_to_decide(user: User) -> QuerySet[ChangeRequest]:
    """Open requests the reader may decide on, the most urgent first; none for who decides on none."""
    if not user.can(Permission.CHANGE_DECIDE):
        return ChangeRequest.objects.none()
    return _with_names(ChangeRequest.objects.open().without_stake_of(user)).order_by("due_at", "pk")


def changes_decided() -> QuerySet[ChangeRequest]:
    return _with_names(ChangeRequest.objects.exclude(status=ChangeRequest.Status.ASKED)).order_by("-decided_at", "-pk")


def _with_names(changes: QuerySet[ChangeRequest]) -> QuerySet[ChangeRequest]:
    return changes.select_related(
        "project__pi", "project__institution", "grant", "pool", "to_pool", "new_pi", "asked_by", "decided_by"
    )
