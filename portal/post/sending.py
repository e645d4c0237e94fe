"""post(): a mail is written into the outbox with the act it tells of, and sent right after the commit.

A crash between the two loses nothing: the worker sends what is due (portal/post/rounds.py). A mail that
cannot be sent never undoes the act; it is tried again, ever more rarely. Only a crash in the moment between the mail
server's yes and our own note of it can send a mail twice, and then under the same Message-ID.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from portal.people.models import User
from portal.post.kinds import Delivery, MailKind
from portal.post.models import Mail
from portal.post.preferences import delivery_of, next_digest

log = logging.getLogger(__name__)


def link_to(name: str, *args: Any) -> str:
    """The whole address of a page. Who is not signed in is asked to, and comes back to it."""
    return settings.PORTAL_URL + reverse(name, args=args)


def post(kind: MailKind, to: User | str, template: str, *, link: str, **context: Any) -> None:
    """Write `templates/<template>.subject.txt` and `.txt` to a person or, as an invitation, to an address.

    Both are rendered now, in the receiver's language, with `link`, `receiver` (None for an address) and the context.
    The mail is sent after the commit, with the mails of the day, or not at all, as the receiver chose for the kind.
    """
    receiver = to if isinstance(to, User) else User.objects.filter(email__iexact=to).first()
    delivery = delivery_of(receiver, kind)
    if delivery == Delivery.OFF or (receiver is not None and not receiver.is_active):
        return
    language = receiver.language if receiver else settings.LANGUAGE_CODE
    try:
        with transaction.atomic(), translation.override(language):
            subject, body = rendered(template, link=link, receiver=receiver, **context)
    except Exception:  # whatever a template does, the act stands
        log.exception("The mail %s to %s could not be written.", template, to)
        return
    at = timezone.now()
    daily = delivery == Delivery.DAILY
    mail = Mail.objects.create(
        kind=kind,
        to=receiver.email if isinstance(to, User) and receiver else str(to),
        receiver=receiver,
        language=language,
        subject=subject,
        body=body,
        link=link,
        created_at=at,
        due_at=next_digest(at) if daily else at,
        daily=daily,
    )
    if not daily:
        transaction.on_commit(lambda: send(mail, timezone.now()), robust=True)


def rendered(template: str, *, receiver: User | None, **context: Any) -> tuple[str, str]:
    """Subject and body of a mail in the language that is active."""
    context |= {"receiver": receiver}
    subject = " ".join(render_to_string(f"{template}.subject.txt", context).split())
    return subject[:250], signed(render_to_string(f"{template}.txt", context), receiver)


def signed(text: str, receiver: User | None) -> str:
    """Without doubled empty lines, and with a last line that says where to choose which mails come."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    kept = [line for number, line in enumerate(lines) if line or lines[number - 1]]
    if receiver is not None:
        kept += [
            "",
            "--",
            render_to_string("mails/preferences_line.txt", {"link": link_to("mail_preferences")}).strip(),
        ]
    return "\n".join(kept) + "\n"


def send(mail: Mail, at: datetime) -> bool:
    """Try to send the mail now. False where another process has it, or where it could not be sent."""
    if not Mail.objects.claim(mail, at):
        return False
    try:
        message = EmailMessage(mail.subject, mail.body, to=[mail.to], headers={"Message-ID": _message_id(mail)})
        message.send()
    except Exception as error:  # whatever the mail server does, the act stands
        log.exception("The mail %s to %s could not be sent.", mail.pk, mail.to)
        Mail.objects.filter(pk=mail.pk).update(error=f"{type(error).__name__}: {error}"[:250])
        return False
    told: dict[str, Any] = {"sent_at": timezone.now(), "due_at": None, "error": ""}
    if mail.kind == MailKind.SIGN_IN and not settings.DEMO:
        told["body"] = ""  # codes and links that open somebody's account are not kept
    Mail.objects.filter(pk=mail.pk).update(**told)
    return True


def _message_id(mail: Mail) -> str:
    return f"<mail-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S}@{urlsplit(settings.PORTAL_URL).hostname}>"
