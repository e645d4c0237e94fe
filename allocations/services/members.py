"""Acts on a project's members: invite, remind, join, remove, name the delegate; and a person's cluster user name."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from allocations.mails import members as mails
from allocations.models import Membership, Project
from allocations.permissions import can_with_project
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User, cluster_username_validator
from portal.people.permissions import Permission

# Names that Debian, Slurm and its companions use for themselves; nobody may take one.
RESERVED = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats nobody sshd messagebus
systemd-network systemd-timesync systemd-resolve polkitd postfix ntp chrony admin administrator operator sudo
slurm slurmrest munge mysql mariadb postgres ldap sssd nslcd dcgm nvidia-persistenced portal test guest
"""
RESERVED_USERNAMES = frozenset(RESERVED.split())


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
    """Accept an invitation as `by`, whatever address it was sent to; `cluster_username` counts for who has none yet.

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
        cluster_username_choose(user=by, name=cluster_username, by=by, at=at)
    membership.refresh_from_db()
    record("member.joined", target=membership, by=by, at=at, name=by.display_name, username=by.cluster_username or "")
    return membership


@transaction.atomic
def member_remove(*, membership: Membership, by: User, at: datetime) -> Membership:
    """Take a member or an open invitation out of the project. Raises Refused for the PI, LostRace when gone already."""
    project = _held(membership.project)
    _require_manager(project, by)
    if membership.user_id is not None and membership.user_id == project.pi_id:
        raise Refused(_("The PI cannot be removed from the project."))
    current = Membership.objects.filter(pk=membership.pk).exclude(status=Membership.Status.REMOVED)
    if not current.update(status=Membership.Status.REMOVED, removed_at=at):
        raise LostRace("membership")
    membership.refresh_from_db()
    record("member.removed", target=membership, by=by, at=at, name=membership.name or membership.email)
    return membership


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


@transaction.atomic
def cluster_username_choose(*, user: User, name: str, by: User, at: datetime) -> User:
    """Choose the name a person has on the cluster, once and for all projects.

    Raises Refused where it is malformed, reserved, taken, or another is chosen already.
    """
    require_usable_username(name)
    try:
        with transaction.atomic():
            chosen = User.objects.filter(pk=user.pk, cluster_username__isnull=True).update(cluster_username=name)
    except IntegrityError:
        raise Refused(_("This user name is taken. Choose another one.")) from None
    if not chosen:
        raise Refused(_("You have a cluster user name already."))
    user.refresh_from_db()
    codes = Project.objects.filter(memberships__user=user, memberships__status=Membership.Status.ACTIVE)
    topics = (f"person:{user.pk}", *(f"project:{code}" for code in codes.values_list("code", flat=True)))
    record("person.username_chosen", target=user, by=by, at=at, topics=topics, username=name)
    return user


def require_usable_username(name: str) -> None:
    """Raises Refused for a name that Linux or Slurm would not take, or keeps for itself."""
    try:
        cluster_username_validator(name)
    except ValidationError as error:
        raise Refused(error.messages[0]) from None
    if name in RESERVED_USERNAMES:
        raise Refused(_("This user name is reserved. Choose another one."))


def _held(project: Project) -> Project:
    """The project as it stands, with its PI, kept so until the transaction ends."""
    return Project.objects.select_for_update(of=("self",), no_key=True).select_related("pi").get(pk=project.pk)


def _require_manager(project: Project, by: User) -> None:
    if not can_with_project(by, Permission.PROJECT_MANAGE, project):
        raise Refused(_("Only the PI and the delegate may change the members."))
