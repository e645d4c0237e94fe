"""Former members whose jobs still run in a project: PI and operators see them, and may end the jobs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from accounting.selectors import ProjectUsage
from allocations.models import Membership, StopOrder
from allocations.permissions import can_with_project
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class Leaver:
    """`ending`: their jobs are being ended already."""

    membership: Membership
    jobs: int
    ending: bool


def leavers(usage: ProjectUsage, reader: User) -> list[Leaver]:
    """For who manages the project, and for operators. No query where only members run jobs."""
    running = Counter(job.user_name for job in usage.running if job.user_name not in usage.names)
    if not running or not (
        reader.can(Permission.OPERATIONS_CHANGE) or can_with_project(reader, Permission.PROJECT_MANAGE, usage.project)
    ):
        return []
    former = usage.project.memberships.filter(
        status=Membership.Status.REMOVED, user__cluster_username__in=running
    ).select_related("user")
    latest = {row.user.cluster_username: row for row in former.order_by("pk") if row.user}
    ending = set(StopOrder.objects.filter(project=usage.project, done_at=None).values_list("username", flat=True))
    return [Leaver(row, running[name], name in ending) for name, row in sorted(latest.items()) if name]
