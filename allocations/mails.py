"""Mails of the allocation side: each in the receiver's language, with one link. Sent after the act is committed;
a mail that cannot be sent is logged and never undoes the act."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation

from allocations.models import Application, Decision, Membership
from portal.people.models import User

log = logging.getLogger(__name__)


def submitted(application: Application) -> None:
    _to_applicant("mails/submitted", application, {})


def decided(decision: Decision) -> None:
    _to_applicant("mails/decided", decision.application, {"decision": decision})


def invited(membership: Membership) -> None:
    known = User.objects.filter(email__iexact=membership.email).first()
    context = {
        "membership": membership,
        "project": membership.project,
        "link": _link("invitation", membership.token),
    }
    _send_after_commit("mails/invited", membership.email, known.language if known else settings.LANGUAGE_CODE, context)


def _to_applicant(template: str, application: Application, context: dict[str, Any]) -> None:
    receiver = application.applicant
    context |= {"application": application, "link": _link("application_detail", application.pk)}
    _send_after_commit(template, receiver.email, receiver.language, context)


def _link(name: str, *args: Any) -> str:
    return settings.PORTAL_URL + reverse(name, args=args)


def _send_after_commit(template: str, to: str, language: str, context: dict[str, Any]) -> None:
    transaction.on_commit(lambda: _send(template, to, language, context), robust=True)


def _send(template: str, to: str, language: str, context: dict[str, Any]) -> None:
    try:
        with translation.override(language):
            subject = " ".join(render_to_string(f"{template}.subject.txt", context).split())
            EmailMessage(subject, render_to_string(f"{template}.txt", context).strip() + "\n", to=[to]).send()
    except Exception:  # whatever a mail server or template does, the act stands
        log.exception("The mail %s to %s could not be sent.", template, to)
