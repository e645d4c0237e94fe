"""Ending jobs at once, by decision. The worker cancels and waits; here the order is given and kept."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from allocations.models import Association, Membership, Project, StopOrder
from allocations.permissions import can_with_project
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@transaction.atomic
def jobs_stop(*, project: Project, username: str = "", reason: str, by: User, at: datetime) -> StopOrder:
    """Order that what runs and waits in the project ends at once: of one person, by cluster user name, or (empty) of
    everybody. Pressed twice it is one order: the one that is open is returned.

    Raises Refused without a reason, for a name that is nobody's there, where the portal looks after no account of the
    project, and for who may not: an operator may order all of it, PI and delegate only for somebody who has left the
    project.
    """
    if not reason.strip():
        raise Refused(_("Say why the jobs are to end."))
    _require_right(project, username, by)
    if not project.accounts.filter(managed=True).exists():
        raise Refused(_("The portal looks after no account of this project yet: its jobs are ended on the cluster."))
    if username and not _is_known(project, username):
        raise Refused(_("Nobody of that name is or was in the project."))
    if open_order := _open(project, username):
        return open_order
    try:
        with transaction.atomic():
            order = StopOrder.objects.create(
                project=project, username=username, reason=reason.strip()[:REASON_LENGTH], by=by, at=at
            )
    except IntegrityError:  # somebody else's was a moment faster
        return StopOrder.objects.get(project=project, username=username, done_at=None)
    record("project.stop_ordered", target=order, by=by, at=at, who=username or project.code, reason=order.reason)
    return order


def may_stop_jobs(user: User, project: Project, username: str) -> bool:
    """Whether the order would be this person's to give."""
    if user.can(Permission.OPERATIONS_CHANGE):
        return True
    return bool(username) and can_with_project(user, Permission.PROJECT_MANAGE, project) and _left(project, username)


def _require_right(project: Project, username: str, by: User) -> None:
    if not may_stop_jobs(by, project, username):
        raise Refused(_("Jobs are ended by the center, or by the PI where somebody has left the project."))


def _left(project: Project, username: str) -> bool:
    """Whether the person was a member and is none any more."""
    rows = project.memberships.filter(user__cluster_username=username)
    return rows.exists() and not rows.filter(status=Membership.Status.ACTIVE, user__is_active=True).exists()


def _is_known(project: Project, username: str) -> bool:
    """As a member, present or past, or as somebody whom Slurm has in one of the project's accounts."""
    if project.memberships.filter(user__cluster_username=username).exists():
        return True
    return Association.objects.filter(account__in=project.accounts.values("name"), person=username).exists()


def _open(project: Project, username: str) -> StopOrder | None:
    return StopOrder.objects.filter(project=project, username=username, done_at=None).first()
