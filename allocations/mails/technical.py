"""Mails about the technical review."""

from __future__ import annotations

from allocations.models import Application
from allocations.permissions import has_stake
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def to_assess(application: Application) -> None:
    """To everybody who may take it."""
    link = link_to("technical_review", application.pk)
    for reviewer in User.objects.who_can(Permission.APPLICATION_ASSESS):
        if not has_stake(reviewer, application):
            post(MailKind.TASK, reviewer, "mails/to_assess", link=link, application=application)


def assessed(application: Application) -> None:
    """To the applicant, where the application goes on."""
    link = link_to("application_detail", application.pk)
    post(MailKind.STEP, application.applicant, "mails/assessed", link=link, application=application)
