"""Mails that bring reviewers in, and ask for the second person's word on a waiver."""

from __future__ import annotations

from allocations.models import ConflictWaiver, ReviewerInvitation
from allocations.permissions import has_stake
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def invited(invitation: ReviewerInvitation) -> None:
    link = link_to("reviewer_invitation", invitation.token)
    post(MailKind.MEMBER, invitation.email, "mails/reviewer_invited", link=link, invitation=invitation)


def waiver_asked(waiver: ConflictWaiver) -> None:
    """To everybody who may confirm it."""
    link = link_to("application_reviewers", waiver.application_id)
    for person in User.objects.who_can(Permission.REVIEWER_MANAGE).exclude(
        pk__in=[waiver.asked_by_id, waiver.reviewer_id]
    ):
        if not has_stake(person, waiver.application):
            post(MailKind.TASK, person, "mails/waiver_asked", link=link, waiver=waiver)
