"""The applicant's lists."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from allocations.models import Application, ApplicationVersion, CorrectionRequest
from allocations.services.versions import version_differences
from allocations.standing import Standing, standing
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    application: Application
    standing: Standing


def applications_of(user: User) -> list[ApplicationRow]:
    """A person's own applications, the newest first, each with who has it."""
    own = Application.objects.filter(applicant=user).select_related("call", "tier", "grant__project")
    rows = own.prefetch_related("lines__pool", "reviews")
    return [ApplicationRow(application, standing(application)) for application in rows]


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A submission after the first: what was asked for, and what differs from the one before."""

    old: ApplicationVersion
    new: ApplicationVersion
    asked: CorrectionRequest | None
    rows: list[tuple[str, str, str]]


def versions_of(application: Application) -> list[VersionChange]:
    """Each correction beside what it corrected, the newest first."""
    versions = list(application.versions.all())
    asked = list(application.corrections.all())
    changes = []
    for old, new in pairwise(versions):
        between = [row for row in asked if old.submitted_at <= row.at <= new.submitted_at]
        changes.append(VersionChange(old, new, between[-1] if between else None, version_differences(old, new)))
    return changes[::-1]
