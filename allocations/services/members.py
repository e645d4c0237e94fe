"""Acts on a project's members: invite, remind, join, remove, name the delegate."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.mails import members as mails
from allocations.models import Membership, Project, StopOrder
from allocations.permissions import can_with_project
from allocations.services.outcomes import Refused
from allocations.services.stopping import jobs_stop
from allocations.services.usernames import username_ask
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@transaction.atomic
def member_invite(
    *, project: Project, email: str, name: str = "", proposed_username: str = "", by: User, at: datetime
) -> Membership:
    """Invite an address to the project and send the link. Raises Refused where it is invited or a member already."""
    project = _held(project)
    _require_manager(project, by)
    email = email.lower()
    current = project.memberships.exclude(status=Membership.Status.REMOVED)
    if current.filter(email__iexact=email).exists() or current.filter(user__email__iexact=email).exists():
        raise Refused(_("%(email)s is invited or a member already.") % {"email": email})
    membership = Membership.objects.create(
        project=project, email=email, name=name, proposed_username=proposed_username, invited_by=by, invited_at=at
    )
    record("member.invited", target=membership, by=by, at=at, email=email)
    mails.invited(membership)
    return membership


@transaction.atomic
def member_remind(*, membership: Membership, by: User, at: datetime) -> Membership:
    """Send an invitation again. Raises LostRace where it is no longer open."""
    _require_manager(membership.project, by)
    if not Membership.objects.filter(pk=membership.pk, status=Membership.Status.INVITED).update(invited_at=at):
        raise LostRace("membership")
    membership.refresh_from_db()
    record("member.reminded", target=membership, by=by, at=at, email=membership.email)
    mails.invited(membership)
    return membership


@transaction.atomic
def member_join(*, membership: Membership, cluster_username: str, by: User, at: datetime) -> Membership:
    """Accept an invitation as `by`, whatever address it was sent to; `cluster_username` is asked for where they have
    none yet.

    Raises Refused where the name cannot be had or the person is in the project already, LostRace where the
    invitation was used or taken back.
    """
    project = _held(membership.project)
    if project.memberships.filter(user=by, status=Membership.Status.ACTIVE).exists():
        raise Refused(_("You are in this project already."))
    invited = Membership.objects.filter(pk=membership.pk, status=Membership.Status.INVITED)
    if not invited.update(status=Membership.Status.ACTIVE, user=by, joined_at=at):
        raise LostRace("membership")
    if not by.cluster_username:
        username_ask(user=by, name=cluster_username, by=by, at=at)
    membership.refresh_from_db()
    record("member.joined", target=membership, by=by, at=at, name=by.display_name, username=by.cluster_username or "")
    return membership


@transaction.atomic
def member_remove(*, membership: Membership, by: User, at: datetime, stop_jobs: bool = False) -> Membership:
    """Take a member or an open invitation out of the project; with `stop_jobs` what of theirs runs is ended too.

    Raises Refused for the PI, LostRace when gone already.
    """
    project = _held(membership.project)
    _require_manager(project, by)
    if membership.user_id is not None and membership.user_id == project.pi_id:
        raise Refused(_("The PI cannot be removed from the project."))
    current = Membership.objects.filter(pk=membership.pk).exclude(status=Membership.Status.REMOVED)
    if not current.update(status=Membership.Status.REMOVED, removed_at=at):
        raise LostRace("membership")
    membership.refresh_from_db()
    record("member.removed", target=membership, by=by, at=at, name=membership.name or membership.email)
    if stop_jobs:
        member_stop(membership=membership, by=by, at=at)
    return membership


@transaction.atomic
def member_stop(*, membership: Membership, by: User, at: datetime) -> StopOrder:
    """End at once what a former member still runs in the project.

    Raises Refused for somebody who is in the project, or who has no name on the cluster.
    """
    user = membership.user
    if membership.project.memberships.filter(user=user, status=Membership.Status.ACTIVE).exists():
        raise Refused(_("Jobs are ended by the center, or by the PI where somebody has left the project."))
    if user is None or not user.is_on_cluster or not user.cluster_username:
        raise Refused(_("They have no name on the cluster, so nothing of theirs runs there."))
    reason = _("%(name)s has left the project.") % {"name": user.display_name}
    return jobs_stop(project=membership.project, username=user.cluster_username, reason=reason, by=by, at=at)


@transaction.atomic
def delegate_set(*, membership: Membership, is_delegate: bool, by: User, at: datetime) -> Membership:
    """Name a member delegate of the PI, or no longer. Only the PI does; the PI is nobody's delegate.

    Raises Refused, and LostRace where the person has left the project or it is so already.
    """
    project = _held(membership.project)
    if project.pi_id != by.pk:
        raise Refused(_("Only the PI names delegates."))
    if membership.user_id == project.pi_id:
        raise Refused(_("The PI needs no delegation."))
    current = Membership.objects.filter(pk=membership.pk, is_delegate=not is_delegate)
    if not current.exclude(status=Membership.Status.REMOVED).update(is_delegate=is_delegate):
        raise LostRace("membership")
    membership.refresh_from_db()
    action = "member.delegate_named" if is_delegate else "member.delegate_dismissed"
    record(action, target=membership, by=by, at=at, name=membership.name or membership.email)
    if is_delegate:
        mails.delegate_named(membership)
    return membership


def _held(project: Project) -> Project:
    """The project as it stands, with its PI, kept so until the transaction ends."""
    return Project.objects.select_for_update(of=("self",), no_key=True).select_related("pi").get(pk=project.pk)


def _require_manager(project: Project, by: User) -> None:
    if not can_with_project(by, Permission.PROJECT_MANAGE, project):
        raise Refused(_("Only the PI and the delegate may change the members."))
