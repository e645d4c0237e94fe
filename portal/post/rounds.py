"""What the worker does with the outbox every minute: the mails of the day at 08:00 in Korea, and what is due."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction
from django.utils import translation

from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.models import Mail
from portal.post.sending import link_to, rendered, send

log = logging.getLogger(__name__)
# What is left over is due in the next round.
MOST_A_ROUND = 200
# A mail server that is down is not asked for every mail of the round.
MOST_FAILURES_IN_A_ROW = 3


def send_due(at: datetime) -> int:
    """Put the mails of the day together, then send what is due. Returns how many mails were sent."""
    write_digests(at)
    sent = failures = 0
    for mail in Mail.objects.due(at).order_by("due_at", "pk")[:MOST_A_ROUND]:
        if send(mail, at):
            sent, failures = sent + 1, 0
            continue
        failures += 1
        if failures == MOST_FAILURES_IN_A_ROW:
            break
    return sent


def write_digests(at: datetime) -> None:
    """One mail for everybody for whom something is due; one that cannot be written keeps nobody else from theirs."""
    waiting = Mail.objects.for_digest(at).order_by().values_list("receiver", flat=True).distinct()
    for user in User.objects.filter(pk__in=waiting):
        try:
            write_digest(user, at)
        except Exception:
            log.exception("The mails of the day for %s could not be put together.", user.pk)


@transaction.atomic
def write_digest(user: User, at: datetime) -> Mail | None:
    """Take what waits for the person into one mail. None where another process did so meanwhile."""
    due = Mail.objects.for_digest(at).filter(receiver=user).order_by("created_at", "pk")
    items = list(due.select_for_update(skip_locked=True))
    if not items:
        return None
    with translation.override(user.language):
        subject, body = rendered("mails/digest", receiver=user, items=_without_repetition(items))
    digest = Mail.objects.create(
        kind=MailKind.DIGEST,
        to=user.email,
        receiver=user,
        language=user.language,
        subject=subject,
        body=body,
        link=link_to("home"),
        created_at=at,
        due_at=at,
    )
    Mail.objects.filter(pk__in=[item.pk for item in items]).update(within=digest, due_at=None, sent_at=at)
    return digest


def _without_repetition(items: list[Mail]) -> list[Mail]:
    """The same news about the same page is told once."""
    return list({(item.subject, item.link): item for item in items}.values())
