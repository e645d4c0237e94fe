"""Mails about the agreement: made, turned down, lapsed."""

from __future__ import annotations

from allocations.models import Application, Grant
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def accepted(grant: Grant) -> None:
    """To the PI: the way onto the cluster begins."""
    project = grant.project
    post(
        MailKind.DECISION,
        project.pi,
        "mails/offer_accepted",
        link=link_to("onboarding", project.code),
        application=grant.application,
        project=project,
        grant=grant,
    )


def lapsed(application: Application) -> None:
    post(
        MailKind.DECISION,
        application.applicant,
        "mails/offer_lapsed",
        link=link_to("application_detail", application.pk),
        application=application,
    )
