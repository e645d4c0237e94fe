"""What people may do with one application or project, by their relation to it and by role, in the one vocabulary
of portal/people/permissions.py. Lists use the same rules as queries (`visible_to`, `reviewable_by`)."""

from __future__ import annotations

from allocations.models import Application, Project
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission


def has_stake(user: User, application: Application) -> bool:
    """Whether judging the application would be judging one's own: applicant, institution or team (design.md 9)."""
    return not Application.objects.without_stake_of(user).filter(pk=application.pk).exists()


def can_with_application(user: User, permission: Permission, application: Application) -> bool:
    own = application.applicant_id == user.pk
    if permission == Permission.APPLICATION_VIEW:
        return own or (user.can(permission) and application.status != ApplicationStatus.DRAFT)
    if permission == Permission.APPLICATION_EDIT:
        return own
    if permission in {Permission.APPLICATION_REVIEW, Permission.APPLICATION_DECIDE}:
        return user.can(permission) and not has_stake(user, application)
    return False


def can_with_project(user: User, permission: Permission, project: Project) -> bool:
    if permission == Permission.PROJECT_MANAGE:
        return project.pi_id == user.pk
    if permission == Permission.PROJECT_VIEW:
        return Project.objects.visible_to(user).filter(pk=project.pk).exists()
    return False


def may_read_proposal(user: User, application: Application) -> bool:
    """Whether the text and attachment open: to applicant and office, and to a reviewer who declared no conflict."""
    if can_with_application(user, Permission.APPLICATION_VIEW, application):
        return True
    return (
        can_with_application(user, Permission.APPLICATION_REVIEW, application)
        and application.reviews.filter(reviewer=user, declared_at__isnull=False).exists()
    )
