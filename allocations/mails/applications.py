"""Mails to the applicant about the application itself."""

from __future__ import annotations

from allocations.models import Application
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def submitted(application: Application) -> None:
    _received(application, "mails/submitted")


def resubmitted(application: Application) -> None:
    """The correction that was asked for has arrived."""
    _received(application, "mails/resubmitted")


def _received(application: Application, template: str) -> None:
    link = link_to("application_detail", application.pk)
    post(MailKind.STEP, application.applicant, template, link=link, application=application)
