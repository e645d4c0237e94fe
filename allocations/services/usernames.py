"""A person's name on the cluster: asked for by the person, approved by an operator, found there by the worker.

Only a name that was found is told to Slurm: an association made before its Unix user exists stays unusable.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from allocations.mails import usernames as mails
from allocations.models import Membership, Project
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
def username_ask(*, user: User, name: str, by: User, at: datetime) -> User:
    """Ask for the name a person shall have on the cluster, in all projects. It can be changed until it is approved.

    Raises Refused where it is malformed, reserved, taken, or another one is approved already.
    """
    require_usable_username(name)
    unapproved = User.objects.filter(pk=user.pk, cluster_username_approved_at=None)
    try:
        with transaction.atomic():
            asked = unapproved.update(
                cluster_username=name,
                cluster_username_asked_at=at,
                cluster_username_found_at=None,
                cluster_username_refusal="",
            )
    except IntegrityError:
        raise Refused(_("This user name is taken. Choose another one.")) from None
    if not asked:
        raise Refused(_("You have a cluster user name already."))
    user.refresh_from_db()
    _record("asked", user, by, at)
    return user


@transaction.atomic
def username_approve(*, user: User, by: User, at: datetime) -> User:
    """Let a person have the name as `user` shows it. Raises Refused for one's own, LostRace where it is another by now,
    or decided on."""
    _require_operator(user, by)
    waiting = User.objects.filter(
        pk=user.pk, cluster_username=user.cluster_username, cluster_username_approved_at=None
    ).exclude(cluster_username=None)
    if not waiting.update(cluster_username_approved_at=at, cluster_username_approved_by=by):
        raise LostRace("username")
    user.refresh_from_db()
    _record("approved", user, by, at)
    if user.cluster_username_found_at is None:
        mails.approved(user)
    else:
        mails.ready(user)
    return user


@transaction.atomic
def username_refuse(*, user: User, reason: str, by: User, at: datetime) -> User:
    """Refuse the name as `user` shows it, so that the person may ask for another one: also an approved one that does
    not exist on the cluster yet. Raises Refused for one's own, LostRace where it is another by now, or in use."""
    _require_operator(user, by)
    name = user.cluster_username
    unused = Q(cluster_username_approved_at=None) | Q(cluster_username_found_at=None)
    waiting = User.objects.filter(unused, pk=user.pk, cluster_username=name).exclude(cluster_username=None)
    if not waiting.update(
        cluster_username=None,
        cluster_username_asked_at=None,
        cluster_username_approved_at=None,
        cluster_username_approved_by=None,
        cluster_username_found_at=None,
        cluster_username_refusal=reason,
    ):
        raise LostRace("username")
    user.refresh_from_db()
    _record("refused", user, by, at, name=name or "")
    mails.refused(user, name or "")
    return user


@transaction.atomic
def usernames_found(*, found: Collection[str], at: datetime) -> int:
    """Note which names exist on the cluster. An approved one is of use from now on: its person hears so.

    Returns how many became of use.
    """
    User.objects.filter(cluster_username__in=found, cluster_username_lost_at__isnull=False).update(
        cluster_username_lost_at=None
    )
    # Held from here on, so that whoever is approved meanwhile hears of it once and for all.
    new = list(
        User.objects.select_for_update(no_key=True)
        .filter(cluster_username__in=found, cluster_username_found_at=None)
        .order_by("pk")
    )
    User.objects.filter(pk__in=[user.pk for user in new]).update(cluster_username_found_at=at)
    usable = [user for user in new if user.cluster_username_approved_at is not None]
    for user in usable:
        user.cluster_username_found_at = at
        _record("found", user, None, at)
        # Who was imported with a name that works already has waited for nothing.
        if user.cluster_username_asked_at is not None:
            mails.ready(user)
    return len(usable)


@transaction.atomic
def usernames_missed(*, missed: Collection[str], at: datetime) -> int:
    """Note which names that were found on the cluster are not there any more. Nothing is taken from their people.

    Returns how many of them are in use.
    """
    gone = User.objects.filter(
        cluster_username__in=missed, cluster_username_found_at__isnull=False, cluster_username_lost_at=None
    )
    gone.filter(cluster_username_approved_at=None).update(cluster_username_found_at=None)
    lost = list(gone.filter(cluster_username_approved_at__isnull=False).select_for_update())
    User.objects.filter(pk__in=[user.pk for user in lost]).update(cluster_username_lost_at=at)
    for user in lost:
        _record("lost", user, None, at)
    return len(lost)


def require_usable_username(name: str) -> None:
    """Raises Refused for a name that Linux or Slurm would not take, or keeps for itself."""
    try:
        cluster_username_validator(name)
    except ValidationError as error:
        raise Refused(error.messages[0]) from None
    if name in RESERVED_USERNAMES:
        raise Refused(_("This user name is reserved. Choose another one."))


def _require_operator(user: User, by: User) -> None:
    if not by.can(Permission.OPERATIONS_CHANGE):
        raise Refused(_("Only the center's operators decide on user names."))
    if user.pk == by.pk:
        raise Refused(_("Nobody decides on their own user name; another operator does."))


def _record(what: str, user: User, by: User | None, at: datetime, name: str = "") -> None:
    """The person's projects hear of it, and the operators."""
    active = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE)
    codes = Project.objects.filter(pk__in=active.values("project")).values_list("code", flat=True)
    topics = ("operations", f"person:{user.pk}", *(f"project:{code}" for code in codes))
    username = name or user.cluster_username or ""
    record(f"person.username_{what}", target=user, by=by, at=at, topics=topics, username=username)
