"""Mails about changes after the award."""

from __future__ import annotations

from allocations.models import ChangeRequest, Project
from allocations.services.change_rules import may_decide
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def asked(change: ChangeRequest) -> None:
    """To everybody who may decide on it."""
    for decider in User.objects.who_can(Permission.CHANGE_DECIDE):
        if may_decide(decider, change):
            link = link_to("change", change.pk)
            post(MailKind.TASK, decider, "mails/change_asked", link=link, change=change, project=change.project)


def decided(change: ChangeRequest) -> None:
    """To the PI, and to the delegate who asked."""
    for person in {change.project.pi, change.asked_by}:
        link = link_to("change", change.pk)
        post(MailKind.DECISION, person, "mails/change_decided", link=link, change=change, project=change.project)


def returned(change: ChangeRequest) -> None:
    """To the PI where the delegate gave the hours back, and to the office."""
    project = change.project
    people = set(User.objects.who_can(Permission.CHANGE_DECIDE))
    if change.asked_by_id != project.pi_id:
        people.add(project.pi)
    for person in people:
        link = link_to("change", change.pk)
        kind = MailKind.DECISION if person == project.pi else MailKind.OFFICE
        post(kind, person, "mails/hours_returned", link=link, change=change, project=project)


def leads_now(project: Project) -> None:
    link = link_to("project", project.code)
    post(MailKind.MEMBER, project.pi, "mails/pi_now", link=link, project=project)


def leads_no_longer(project: Project, former: User) -> None:
    link = link_to("project", project.code)
    post(MailKind.MEMBER, former, "mails/pi_no_longer", link=link, project=project)
