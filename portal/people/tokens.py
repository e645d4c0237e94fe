"""Secrets of access tokens. They are random and long, so that a plain hash is enough to know them again by."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from portal.people.models import AccessToken

# What a secret begins with, so that people and scanners of source code know one when they see it.
PREFIX = "gpuh_"
SHOWN = len(PREFIX) + 4
COARSE = timedelta(hours=1)


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def beginning_of(secret: str) -> str:
    return secret[:SHOWN]


def token_of(secret: str, at: datetime) -> AccessToken | None:
    """The valid token of an active person with this secret, its use noted to the hour; else None.

    `user`, their institution and their roles are loaded: two queries.
    """
    tokens = AccessToken.objects.valid(at).filter(digest=digest_of(secret), user__is_active=True)
    token = tokens.select_related("user__institution").prefetch_related("user__role_assignments").first()
    if token is not None and (token.last_used_at is None or at - token.last_used_at >= COARSE):
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=at)
    return token
