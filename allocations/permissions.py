"""What people may do with one application or project, by their relation to it and by role, in the one vocabulary
of portal/people/permissions.py. Lists use the same rules as queries (`visible_to`, `reviewable_by`)."""

from __future__ import annotations

from allocations.models import Application, Membership, Project
from allocations.workflow import Action, Actor, transition
from portal.people.models import User
from portal.people.permissions import Permission


def has_stake(user: User, application: Application) -> bool:
    """Whether judging the application would be judging one's own or one's near ones' (allocations/conflicts.py, asked
    in one query; design.md 9)."""
    return not Application.objects.without_stake_of(user).filter(pk=application.pk).exists()


def has_stake_in_project(user: User, project: Project) -> bool:
    """Whether deciding for the project would be deciding for oneself: it is one's own, or of one's institution."""
    own = project.pi_id == user.pk or project.institution_id == user.institution_id
    return own or project.memberships.filter(user=user, status=Membership.Status.ACTIVE).exists()


ROLE_OF_ACTOR = {
    Actor.OFFICE: Permission.APPLICATION_CHECK,
    Actor.TECHNICAL: Permission.APPLICATION_ASSESS,
    Actor.DECIDER: Permission.APPLICATION_DECIDE,
}


def may_act(user: User, action: Action, application: Application) -> bool:
    """Whether the step is open in the application's state and is this person's to take (allocations/workflow.py).

    Nobody acts for the center on what they have a stake in. What the portal does by rule is nobody's.
    """
    row = transition(action, application.status)
    return row is not None and any(_is(user, actor, application) for actor in row.actors)


def _is(user: User, actor: Actor, application: Application) -> bool:
    if actor == Actor.APPLICANT:
        return application.applicant_id == user.pk
    permission = ROLE_OF_ACTOR.get(actor)
    return permission is not None and user.can(permission) and not has_stake(user, application)


def can_with_application(user: User, permission: Permission, application: Application) -> bool:
    own = application.applicant_id == user.pk
    if permission == Permission.APPLICATION_VIEW:
        return own or (user.can(permission) and application.submitted_at is not None)
    if permission == Permission.APPLICATION_EDIT:
        return own
    if permission == Permission.APPLICATION_REVIEW:
        return user.can(permission) and application.reviews.current().filter(reviewer=user).exists()
    if permission in ROLE_OF_ACTOR.values():
        return user.can(permission) and not has_stake(user, application)
    return False


def can_with_project(user: User, permission: Permission, project: Project) -> bool:
    if permission == Permission.PROJECT_MANAGE:
        return project.pi_id == user.pk or Project.objects.managed_by(user).filter(pk=project.pk).exists()
    if permission == Permission.PROJECT_VIEW:
        return Project.objects.visible_to(user).filter(pk=project.pk).exists()
    return False


def may_read_proposal(user: User, application: Application) -> bool:
    """Whether the text and attachments as handed in are open: to applicant and office, and to a reviewer who declared
    no conflict, unless the call is blind."""
    if can_with_application(user, Permission.APPLICATION_VIEW, application):
        return True
    return not application.call.blind and may_review(user, application)


def may_review(user: User, application: Application) -> bool:
    """Whether a reviewer has declared no conflict; what opens is the review's page, blind where the call is."""
    if not can_with_application(user, Permission.APPLICATION_REVIEW, application):
        return False
    return application.reviews.current().filter(reviewer=user, declared_at__isnull=False).exists()
