"""Mails about a person's name on the cluster."""

from __future__ import annotations

from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def approved(user: User) -> None:
    """Approved, and still to be made on the cluster."""
    post(MailKind.MEMBER, user, "mails/username_approved", link=link_to("profile"), username=user.cluster_username)


def refused(user: User, name: str) -> None:
    reason = user.cluster_username_refusal
    post(MailKind.MEMBER, user, "mails/username_refused", link=link_to("profile"), username=name, reason=reason)


def ready(user: User) -> None:
    """The name is there: jobs can be submitted."""
    post(MailKind.MEMBER, user, "mails/username_ready", link=link_to("profile"), username=user.cluster_username)
