"""Reminders of deadlines. `late` says that the deadline has passed; then the office is told as well."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from allocations.models import Application, Grant, Review
from allocations.permissions import has_stake
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def correction(application: Application, late: bool) -> None:
    link = link_to("application_edit", application.pk)
    _remind([application.applicant], "remind_correction", link, application=application, late=late)


def draft(application: Application) -> None:
    link = link_to("application_edit", application.pk)
    _remind([application.applicant], "remind_draft", link, application=application)


def offer(application: Application) -> None:
    _remind([application.applicant], "remind_offer", link_to("offer", application.pk), application=application)


def check(application: Application, late: bool) -> None:
    people = _who_may_act(Permission.APPLICATION_CHECK, application)
    link = link_to("office_application", application.pk)
    _remind(people, "remind_check", link, application=application, late=late)


def technical(application: Application, late: bool) -> None:
    """To who is writing it; where nobody is, to all who may."""
    begun = application.technical_reviews.filter(submitted_at=None).select_related("reviewer").first()
    people = [begun.reviewer] if begun else _who_may_act(Permission.APPLICATION_ASSESS, application)
    link = link_to("technical_review", application.pk)
    _remind(people, "remind_technical", link, application=application, late=late)


def review(waiting: Review, late: bool) -> None:
    link = link_to("review", waiting.application_id)
    _remind([waiting.reviewer], "remind_review", link, application=waiting.application, review=waiting, late=late)


def decision(application: Application, late: bool) -> None:
    people = _who_may_act(Permission.APPLICATION_DECIDE, application)
    _remind(people, "remind_decision", link_to("decide", application.pk), application=application, late=late)


def final_report(grant: Grant, due_at: datetime, late: bool) -> None:
    link = link_to("final_report", grant.project.code, grant.pk)
    _remind([grant.project.pi], "remind_report", link, grant=grant, project=grant.project, due_at=due_at, late=late)


def late_technical(application: Application) -> None:
    _escalate("late_technical", application)


def late_review(waiting: Review) -> None:
    _escalate("late_review", waiting.application, review=waiting)


def _who_may_act(permission: Permission, application: Application) -> list[User]:
    return [person for person in User.objects.who_can(permission) if not has_stake(person, application)]


def _remind(people: Iterable[User], template: str, link: str, **context: object) -> None:
    for person in people:
        post(MailKind.REMINDER, person, f"mails/{template}", link=link, **context)


def _escalate(template: str, application: Application, **context: object) -> None:
    link = link_to("office_application", application.pk)
    for person in _who_may_act(Permission.APPLICATION_CHECK, application):
        post(MailKind.TASK, person, f"mails/{template}", link=link, application=application, **context)
