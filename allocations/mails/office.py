"""Mails about the eligibility check and corrections: to the applicant, and to the office what has come in."""

from __future__ import annotations

from allocations.models import Application, CorrectionRequest
from allocations.permissions import has_stake
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def arrived(application: Application, *, corrected: bool) -> None:
    """To everybody who may check it."""
    link = link_to("office_application", application.pk)
    waits = application.status == ApplicationStatus.SUBMITTED
    for person in User.objects.who_can(Permission.APPLICATION_CHECK):
        if not has_stake(person, application):
            post(
                MailKind.OFFICE,
                person,
                "mails/arrived",
                link=link,
                application=application,
                corrected=corrected,
                waits=waits,
            )


def found_eligible(application: Application) -> None:
    link = link_to("application_detail", application.pk)
    post(MailKind.STEP, application.applicant, "mails/found_eligible", link=link, application=application)


def found_ineligible(application: Application, reason: str) -> None:
    post(
        MailKind.DECISION,
        application.applicant,
        "mails/found_ineligible",
        link=link_to("application_detail", application.pk),
        application=application,
        reason=reason,
    )


def returned(correction: CorrectionRequest) -> None:
    application = correction.application
    post(
        MailKind.TASK,
        application.applicant,
        "mails/returned",
        link=link_to("application_edit", application.pk),
        application=application,
        correction=correction,
    )
