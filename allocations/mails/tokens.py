"""Mails about access tokens."""

from __future__ import annotations

from portal.people.models import AccessToken
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def created(token: AccessToken) -> None:
    """To its owner, who may not have been the one who made it."""
    context = {"name": token.name, "expires_at": token.expires_at}
    post(MailKind.SIGN_IN, token.user, "mails/token_created", link=link_to("tokens"), **context)
