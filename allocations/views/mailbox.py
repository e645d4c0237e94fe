"""The demo's mailbox: what the portal would have sent, read from the files that Django's file backend writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

MOST_MAILS = 50
# What django.core.mail.backends.filebased writes after each message.
SEPARATOR = b"-" * 79 + b"\n"


@dataclass(frozen=True, slots=True)
class Mail:
    to: str
    subject: str
    sent_at: datetime
    text: str


def demo_mailbox(request: HttpRequest) -> HttpResponse:
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if not settings.DEMO or folder is None:
        raise Http404
    return render(request, "mails/mailbox.html", {"mails": list(islice(_mails(Path(folder)), MOST_MAILS))})


def _mails(folder: Path) -> Iterator[Mail]:
    """The newest first."""
    files = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in files:
        for raw in reversed(path.read_bytes().split(SEPARATOR)):
            if raw.strip():
                yield _parsed(raw)


def _parsed(raw: bytes) -> Mail:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain", "html"))
    return Mail(
        to=str(message["To"]),
        subject=str(message["Subject"]),
        sent_at=_moment(str(message["Date"])),
        text=body.get_content() if body else "",
    )


def _moment(date: str) -> datetime:
    """A Date header as a moment; `-0000`, which Django writes, means UTC."""
    moment = parsedate_to_datetime(date)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
