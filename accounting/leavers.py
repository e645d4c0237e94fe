"""Former members whose jobs still run in a project: PI and operators see them, and may end the jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from accounting.now import Now
from allocations.models import Membership, Project
from allocations.permissions import can_with_project
from allocations.selectors.projects import StopRow
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class Leaver:
    """`ending`: their jobs are being ended already."""

    membership: Membership
    jobs: int
    ending: bool


def leavers(project: Project, now: Now, reader: User, stops: Iterable[StopRow]) -> list[Leaver]:
    """For who manages the project, and for operators; `stops` as `project_frame` reads them. One query, none where
    only members run jobs."""
    running = Counter(job.user_name for job in now.running if job.user_name not in now.names)
    if not running or not (
        reader.can(Permission.OPERATIONS_CHANGE) or can_with_project(reader, Permission.PROJECT_MANAGE, project)
    ):
        return []
    former = project.memberships.filter(status=Membership.Status.REMOVED, user__cluster_username__in=running)
    latest = {row.user.cluster_username: row for row in former.select_related("user").order_by("pk") if row.user}
    ending = {row.username for row in stops if row.done_at is None}
    return [Leaver(row, running[name], name in ending) for name, row in sorted(latest.items()) if name]
