"""Mails about a project's members."""

from __future__ import annotations

from allocations.models import Membership
from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def invited(membership: Membership) -> None:
    post(
        MailKind.MEMBER,
        membership.email,
        "mails/invited",
        link=link_to("invitation", membership.token),
        membership=membership,
        project=membership.project,
    )


def delegate_named(membership: Membership) -> None:
    """To the member; who has not joined yet hears of it on the project's pages."""
    if membership.user is not None:
        project = membership.project
        link = link_to("project", project.code)
        post(MailKind.MEMBER, membership.user, "mails/delegate_named", link=link, project=project)


def imported(user: User) -> None:
    """To somebody whose project was brought in from the center's files: set a password and go on here."""
    post(MailKind.MEMBER, user, "mails/imported", link=link_to("account_reset_password"))
