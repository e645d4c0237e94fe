"""Mails about refunds: to the project, and to the operators where one waits for a decision."""

from __future__ import annotations

from accounting.models import Maintenance, Refund
from allocations.mails.grants import managers
from allocations.models import Project
from allocations.permissions import has_stake_in_project
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def asked(refund: Refund, gpu_seconds: int) -> None:
    """To the operators who may decide on it. `gpu_seconds`: what the job was charged."""
    project = refund.line.grant.project
    for person in User.objects.who_can(Permission.OPERATIONS_CHANGE):
        if not has_stake_in_project(person, project):
            link = link_to("operations_refund", refund.pk)
            context = {"refund": refund, "project": project, "gpu_seconds": gpu_seconds}
            post(MailKind.TASK, person, "mails/refund_asked", link=link, **context)


def decided(refund: Refund) -> None:
    """To the PI, and to the delegate who asked."""
    project = refund.line.grant.project
    for person in {project.pi, refund.asked_by or project.pi}:
        link = link_to("project_refunds", project.code)
        post(MailKind.DECISION, person, "mails/refund_decided", link=link, refund=refund, project=project)


def by_rule(project: Project, gpu_seconds: int, jobs: int) -> None:
    _refunded(project, gpu_seconds, jobs, None)


def for_maintenance(project: Project, maintenance: Maintenance, gpu_seconds: int, jobs: int) -> None:
    _refunded(project, gpu_seconds, jobs, maintenance)


def _refunded(project: Project, gpu_seconds: int, jobs: int, maintenance: Maintenance | None) -> None:
    """To the PI and the delegates."""
    for person in managers(project):
        link = link_to("project_refunds", project.code)
        context = {"project": project, "gpu_seconds": gpu_seconds, "job_count": jobs, "maintenance": maintenance}
        post(MailKind.DECISION, person, "mails/refunded", link=link, **context)
