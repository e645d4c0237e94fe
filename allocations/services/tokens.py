"""Access tokens: a person makes and revokes their own; what one opens follows from the person's rights at each use."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from allocations.mails import tokens as mails
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import AccessToken, User
from portal.people.tokens import beginning_of, digest_of, new_secret

MOST_TOKENS = 10
LONGEST = timedelta(days=365)


@transaction.atomic
def token_create(*, name: str, days: int, by: User, at: datetime) -> tuple[AccessToken, str]:
    """A token of the person's own that ends after so many days, and its secret, which nobody can read again.

    Raises Refused where they have a valid one of that name, too many, or it would last longer than a year.
    """
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    own = AccessToken.objects.filter(user=by)
    own.filter(expires_at__lte=at, revoked_at=None).update(revoked_at=F("expires_at"))
    if not 0 < days <= LONGEST.days:
        raise Refused(_("A token is valid for a year at most."))
    if own.valid(at).filter(name=name).exists():
        raise Refused(_("You have a valid token of this name. Choose another name, or revoke that one first."))
    if own.valid(at).count() >= MOST_TOKENS:
        raise Refused(_("You have %(most)s valid tokens. Revoke one that you no longer need.") % {"most": MOST_TOKENS})
    secret = new_secret()
    token = AccessToken.objects.create(
        user=by,
        name=name,
        digest=digest_of(secret),
        beginning=beginning_of(secret),
        created_at=at,
        expires_at=at + timedelta(days=days),
    )
    record("token.created", target=token, by=by, at=at, topics=(f"person:{by.pk}",), name=name)
    mails.created(token)
    return token, secret


@transaction.atomic
def token_revoke(*, token: AccessToken, by: User, at: datetime) -> None:
    """From now on it opens nothing. Raises Refused for somebody else's, LostRace where it is over already."""
    if token.user_id != by.pk:
        raise Refused(_("This token is not yours."))
    if not AccessToken.objects.valid(at).filter(pk=token.pk).update(revoked_at=at):
        raise LostRace("token")
    record("token.revoked", target=token, by=by, at=at, topics=(f"person:{by.pk}",), name=token.name)
