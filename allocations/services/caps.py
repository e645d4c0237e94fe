"""What a member may use of a pool at most: set by PI and delegates, enforced by Slurm on the person's association."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import MemberCap, Membership, Pool, Project
from allocations.permissions import can_with_project
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.templatetags.figures import hours_text


@transaction.atomic
def cap_set(*, membership: Membership, pool: Pool, gpu_seconds: int | None, by: User, at: datetime) -> MemberCap | None:
    """Let a member use so much of the pool in the project at most, in GPU-seconds in all; None lets go of the cap.

    Below what was used already it lets nothing new start. Raises Refused for the PI, for one's own and for an amount
    below zero, LostRace where the person has left the project. What stands already is left alone.
    """
    project = Project.objects.select_for_update(of=("self",), no_key=True).get(pk=membership.project_id)
    if not can_with_project(by, Permission.PROJECT_MANAGE, project):
        raise Refused(_("Only the PI and the delegate may set caps."))
    if membership.user_id == project.pi_id:
        raise Refused(_("The PI has no cap."))
    if membership.user_id == by.pk:
        raise Refused(_("Nobody sets a cap of their own; the PI does."))
    if gpu_seconds is not None and gpu_seconds < 0:
        raise Refused(_("A cap cannot be below zero."))
    if not Membership.objects.filter(pk=membership.pk, status=Membership.Status.ACTIVE).exists():
        raise LostRace("membership")
    standing = MemberCap.objects.filter(membership=membership, pool=pool).first()
    if (standing.gpu_seconds if standing else None) == gpu_seconds:
        return standing
    about: dict[str, Any] = {"name": _name(membership), "pool": pool.code.upper()}
    if gpu_seconds is None:
        MemberCap.objects.filter(membership=membership, pool=pool).delete()
        record("member.cap_removed", target=membership, by=by, at=at, **about)
        return None
    values = {"gpu_seconds": gpu_seconds, "set_by": by, "set_at": at}
    cap, _created = MemberCap.objects.update_or_create(membership=membership, pool=pool, defaults=values)
    record("member.cap_set", target=membership, by=by, at=at, gpu_hours=hours_text(gpu_seconds), **about)
    return cap


def _name(membership: Membership) -> str:
    return membership.user.display_name if membership.user else membership.name or membership.email
