"""What every page of a project's usage and jobs reads first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db.models import Subquery
from django.shortcuts import get_object_or_404

from accounting.models import IngestMark
from allocations.models import Account, Project
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class Scope:
    """A project's accounts, each with its pool's name; up to when jobs were read, and before which day their rows may
    be gone."""

    project: Project
    accounts: Mapping[str, str]
    read_until: datetime | None
    sealed_before: date | None


def scope_for(user: User, code: str) -> Scope:
    """Of a project that the person may see: two queries. Raises Http404 where there is none."""
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER)
    projects = Project.objects.visible_to(user).annotate(
        read_until=Subquery(mark.values("read_until")[:1]), sealed_before=Subquery(mark.values("sealed_before")[:1])
    )
    project: Any = get_object_or_404(projects, code=code)
    return Scope(project, pools_of(project), project.read_until, project.sealed_before)


def pools_of(project: Project) -> dict[str, str]:
    """The names of the project's accounts, each with its pool's: one query."""
    rows = Account.objects.filter(project=project).select_related("pool").order_by("pool__position", "pool__code")
    return {account.name: account.pool.name for account in rows}
