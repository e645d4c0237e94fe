"""From when on alerts are wanted: the center's for all, a project's, and a person's own in a project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.functions import JSONObject

from accounting.models import Alert, AlertThresholds
from allocations.models import Project
from portal.events.services import record
from portal.people.models import User

Kind = Alert.Kind


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Percent used; percent of the term before which hours are to last; points behind the plan; days before the end;
    percent of a week's GPU-hours that failed. None and empty: no such alert."""

    used: tuple[int, ...] = (50, 75, 90, 100)
    early: int | None = 80
    under: int | None = 40
    expiry: tuple[int, ...] = (60, 30, 14, 7)
    waste: int | None = 20

    def of(self, kind: str) -> tuple[int, ...]:
        one = {Kind.EARLY: self.early, Kind.UNDER: self.under, Kind.WASTE: self.waste}
        many = {Kind.USED: self.used, Kind.EXPIRY: self.expiry}
        return many[Kind(kind)] if kind in many else tuple(value for value in [one.get(Kind(kind))] if value)

    def want(self, alert: Alert) -> bool:
        return alert.threshold in self.of(alert.kind)


CENTER = Thresholds()


@dataclass(frozen=True, slots=True)
class ProjectThresholds:
    """Those of a project, and of persons (by key) who set their own in it."""

    project: Thresholds = CENTER
    own: Mapping[int, Thresholds] = field(default_factory=dict)

    def of(self, user: User) -> Thresholds:
        return self.own.get(user.pk, self.project)

    def all_of(self, kind: str) -> list[int]:
        """Every threshold that somebody wants to hear of, in their order."""
        return sorted({value for row in (self.project, *self.own.values()) for value in row.of(kind)})


def thresholds_of(projects: Collection[int]) -> defaultdict[int, ProjectThresholds]:
    """By project (its key): one query."""
    shared: dict[int, Thresholds] = {}
    own: defaultdict[int, dict[int, Thresholds]] = defaultdict(dict)
    for row in AlertThresholds.objects.filter(project__in=projects):
        if row.user_id is None:
            shared[row.project_id] = _read(row)
        else:
            own[row.project_id][row.user_id] = _read(row)
    found = {pk: ProjectThresholds(shared.get(pk, CENTER), own[pk]) for pk in {*shared, *own}}
    return defaultdict(ProjectThresholds, found)


def own_thresholds(user: User) -> Subquery:
    """Of a row's project, those that are the person's, as JSON for `read_own`: read along with the row."""
    theirs = AlertThresholds.objects.filter(Q(user=user) | Q(user=None), project=OuterRef("project"))
    row = JSONObject(used="used", early="early", under="under", expiry="expiry", waste="waste")
    return Subquery(theirs.order_by(F("user").asc(nulls_last=True)).values(row=row)[:1])


def read_own(row: Mapping[str, Any] | None) -> Thresholds:
    return Thresholds(**{**row, "used": tuple(row["used"]), "expiry": tuple(row["expiry"])}) if row else CENTER


def _read(row: AlertThresholds) -> Thresholds:
    return Thresholds(tuple(row.used), row.early, row.under, tuple(row.expiry), row.waste)


@transaction.atomic
def thresholds_set(*, project: Project, user: User | None, thresholds: Thresholds, by: User, at: datetime) -> None:
    """Of the project (`user` None), or a person's own in it. What was passed already is told again to nobody."""
    values = {
        "used": sorted(thresholds.used),
        "early": thresholds.early,
        "under": thresholds.under,
        "expiry": sorted(thresholds.expiry, reverse=True),
        "waste": thresholds.waste,
    }
    AlertThresholds.objects.update_or_create(
        project=project, user=user, defaults={**values, "set_by": by, "set_at": at}
    )
    record(_action(user, "set"), target=project, by=by, at=at, code=project.code)


@transaction.atomic
def thresholds_drop(*, project: Project, user: User | None, by: User, at: datetime) -> None:
    """Back to the project's thresholds for the person, to the center's for the project."""
    if AlertThresholds.objects.filter(project=project, user=user).delete()[0]:
        record(_action(user, "dropped"), target=project, by=by, at=at, code=project.code)


def _action(user: User | None, done: str) -> str:
    return f"alerts.own_thresholds_{done}" if user else f"alerts.thresholds_{done}"
