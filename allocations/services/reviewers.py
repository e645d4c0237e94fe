"""Reviewers 심사위원: invited by the office; they keep their own fields, conflicts and pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models, transaction
from django.utils.translation import gettext as _

from allocations.mails import reviewers as mails
from allocations.models import DeclaredConflict, ReviewerInvitation, ReviewerProfile
from allocations.services.assignment import require_manager
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import Institution, RoleAssignment, User
from portal.people.permissions import Permission, Role


@dataclass(frozen=True, slots=True)
class Profile:
    """What a reviewer, or the office for them, says of their work."""

    keywords: Sequence[str] = ()
    most_at_once: int = 10
    paused: bool = False


@transaction.atomic
def reviewer_invite(
    *, email: str, name: str = "", keywords: Sequence[str] = (), by: User, at: datetime
) -> ReviewerInvitation:
    """Invite an address to review and send the link. Raises Refused where it is invited or reviews already."""
    require_manager(by)
    email = email.lower()
    if any(person.can(Permission.APPLICATION_REVIEW) for person in User.objects.filter(email__iexact=email)):
        raise Refused(_("%(email)s reviews already.") % {"email": email})
    invitation, created = ReviewerInvitation.objects.get_or_create(
        email=email,
        accepted_at=None,
        withdrawn_at=None,
        defaults={"name": name, "keywords": list(keywords), "invited_by": by, "invited_at": at},
    )
    if not created:
        raise Refused(_("%(email)s is invited already.") % {"email": email})
    record("reviewer.invited", target=invitation, by=by, at=at, email=email)
    mails.invited(invitation)
    return invitation


@transaction.atomic
def reviewer_remind(*, invitation: ReviewerInvitation, by: User, at: datetime) -> ReviewerInvitation:
    """Send an invitation again. Raises LostRace where it is no longer open."""
    require_manager(by)
    if not _open(invitation).update(invited_at=at):
        raise LostRace("invitation")
    invitation.refresh_from_db()
    record("reviewer.reminded", target=invitation, by=by, at=at, email=invitation.email)
    mails.invited(invitation)
    return invitation


@transaction.atomic
def reviewer_invitation_withdraw(*, invitation: ReviewerInvitation, by: User, at: datetime) -> ReviewerInvitation:
    """Its link works no more. Raises LostRace where it is no longer open."""
    require_manager(by)
    if not _open(invitation).update(withdrawn_at=at):
        raise LostRace("invitation")
    invitation.refresh_from_db()
    record("reviewer.invitation_withdrawn", target=invitation, by=by, at=at, email=invitation.email)
    return invitation


@transaction.atomic
def reviewer_join(*, invitation: ReviewerInvitation, by: User, at: datetime) -> ReviewerProfile:
    """Accept an invitation: the role, and a profile with the keywords the office gave.

    Raises Refused for another address than the invited one: what a reviewer reads is confidential, so a forwarded link
    opens nothing. Raises LostRace where the invitation is used or withdrawn.
    """
    if by.email.lower() != invitation.email.lower():
        raise Refused(
            _("This invitation is for %(email)s. Please sign in with that address.") % {"email": invitation.email}
        )
    if not _open(invitation).update(accepted_at=at, accepted_by=by):
        raise LostRace("invitation")
    invitation.refresh_from_db()
    RoleAssignment.objects.get_or_create(
        user=by, role=Role.REVIEWER, defaults={"granted_by": invitation.invited_by, "granted_at": at}
    )
    profile, _created = ReviewerProfile.objects.get_or_create(user=by, defaults={"keywords": invitation.keywords})
    record("reviewer.joined", target=invitation, by=by, at=at, name=by.display_name)
    return profile


@transaction.atomic
def reviewer_profile_change(*, reviewer: User, profile: Profile, by: User, at: datetime) -> ReviewerProfile:
    """Keywords, how much at a time, and whether new reviews are taken: by the reviewer or the office.

    Raises Refused for anybody else, and for who does not review.
    """
    if by.pk != reviewer.pk:
        require_manager(by)
    if not reviewer.can(Permission.APPLICATION_REVIEW):
        raise Refused(_("This person does not review."))
    stored, _created = ReviewerProfile.objects.select_for_update().get_or_create(user=reviewer)
    was_paused = stored.paused_at is not None
    stored.keywords, stored.most_at_once = list(profile.keywords), profile.most_at_once
    stored.paused_at = (stored.paused_at or at) if profile.paused else None
    stored.save()
    action = "reviewer.profile_changed"
    if was_paused != profile.paused:
        action = "reviewer.paused" if profile.paused else "reviewer.resumed"
    record(action, target=stored, by=by, at=at, topics=("applications",), name=reviewer.display_name)
    return stored


@transaction.atomic
def conflict_declare(
    *, email: str = "", institution: Institution | None = None, reason: str = "", by: User, at: datetime
) -> DeclaredConflict:
    """A standing conflict with a person or an institution; the reviewer is never asked there. Raises Refused where
    neither is named."""
    if not (email or institution):
        raise Refused(_("Name a person's e-mail address or an institution."))
    declared = DeclaredConflict.objects.create(
        reviewer=by, email=email.lower(), institution=institution, reason=reason, at=at
    )
    record("reviewer.conflict_declared", target=declared, by=by, at=at, name=by.display_name)
    return declared


@transaction.atomic
def conflict_remove(*, declared: DeclaredConflict, by: User, at: datetime) -> None:
    """Raises Refused for anybody but the reviewer."""
    if declared.reviewer_id != by.pk:
        raise Refused(_("Only the reviewer may do this."))
    record("reviewer.conflict_removed", target=declared, by=by, at=at, name=by.display_name)
    declared.delete()


def _open(invitation: ReviewerInvitation) -> models.QuerySet[ReviewerInvitation]:
    return ReviewerInvitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None)
