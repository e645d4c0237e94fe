"""What lies ahead of a project by date, as far as grants and requests go: opening, ending, reports, decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q

from allocations.models import ChangeRequest, Grant
from allocations.selectors.projects import ReportStanding, report_standing


@dataclass(frozen=True, slots=True)
class GrantDates:
    """`report_due_on` is None where its final report is in, or none is asked for."""

    pk: int
    starts_at: datetime
    ends_at: datetime
    report_due_on: date | None


@dataclass(frozen=True, slots=True)
class AskedChange:
    """A change of a grant that waits for a decision. `kind` is one of ChangeRequest.Kind."""

    kind: str
    due_at: datetime | None

    @property
    def words(self) -> str:
        return str(ChangeRequest.Kind(self.kind).label)


@dataclass(frozen=True, slots=True)
class ProjectDates:
    grants: list[GrantDates]
    changes: list[AskedChange]


def dates_in(frame: Mapping[str, Any]) -> ProjectDates:
    """From what the frame of a project's page has loaded already (`project_frame`)."""
    grants = [_dates(row.grant, _due_on(row.report)) for row in frame["grants"]]
    return ProjectDates(grants, [AskedChange(kind, due_at) for kind, due_at in frame["asked"].items()])


def dates_of(projects: Collection[int], at: datetime) -> dict[int, ProjectDates]:
    """By project (its key): two queries."""
    found = {project: ProjectDates([], []) for project in projects}
    missing = Q(ends_at__gt=at) | Q(final_report__isnull=True) | Q(final_report__submitted_at__isnull=True)
    grants = Grant.objects.filter(missing, project__in=projects).select_related("final_report")
    for grant in grants.order_by("starts_at", "pk"):
        found[grant.project_id].grants.append(_dates(grant, _due_on(report_standing(grant, at))))
    for project, kind, due_at in _asked(projects):
        found[project].changes.append(AskedChange(kind, due_at))
    return found


def _asked(projects: Collection[int]) -> Iterable[tuple[int, str, datetime | None]]:
    asked = ChangeRequest.objects.open().filter(project__in=projects).order_by("asked_at", "pk")
    return asked.values_list("project", "kind", "due_at")


def _due_on(report: ReportStanding | None) -> date | None:
    return report.due_on if report and report.submitted_at is None else None


def _dates(grant: Grant, due_on: date | None) -> GrantDates:
    return GrantDates(grant.pk, grant.starts_at, grant.ends_at, due_on)
