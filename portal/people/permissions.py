"""The one vocabulary of permissions, and which role carries which.

Applicant, PI and member are not roles but relations to an application or project; what they may do there is
said in allocations/permissions.py with the same words.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    REVIEWER = "reviewer", _("Reviewer")
    TECHNICAL = "technical", _("Technical reviewer")
    DECIDER = "decider", _("Decider")
    OPERATOR = "operator", _("Operator")
    OBSERVER = "observer", _("Observer for the city")


class Permission(models.TextChoices):
    APPLICATION_VIEW = "application.view", _("Read an application")
    APPLICATION_EDIT = "application.edit", _("Change, submit or withdraw an application")
    APPLICATION_CHECK = "application.check", _("Check whether an application is eligible")
    APPLICATION_ASSESS = "application.assess", _("Review applications technically")
    APPLICATION_REVIEW = "application.review", _("Review applications")
    APPLICATION_DECIDE = "application.decide", _("Decide on applications")
    CALL_EDIT = "call.edit", _("Write and publish calls, texts and programmes")
    REVIEWER_MANAGE = "reviewer.manage", _("Invite reviewers and assign reviews")
    CHANGE_DECIDE = "change.decide", _("Decide on changes of a running grant")
    PROJECT_VIEW = "project.view", _("See a project and its usage")
    PROJECT_MANAGE = "project.manage", _("Invite and remove members of a project")
    OPERATIONS_VIEW = "operations.view", _("See the cluster's state")
    OPERATIONS_CHANGE = "operations.change", _("Act on the cluster, and on grants in its name")
    CENTER_VIEW = "center.view", _("See the use of the center as a whole")


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.REVIEWER: frozenset({Permission.APPLICATION_REVIEW}),
    Role.TECHNICAL: frozenset({Permission.APPLICATION_VIEW, Permission.APPLICATION_ASSESS}),
    Role.DECIDER: frozenset(
        {
            Permission.APPLICATION_VIEW,
            Permission.APPLICATION_DECIDE,
            Permission.CHANGE_DECIDE,
            Permission.CENTER_VIEW,
        }
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.APPLICATION_VIEW,
            Permission.APPLICATION_CHECK,
            Permission.CALL_EDIT,
            Permission.REVIEWER_MANAGE,
            Permission.PROJECT_VIEW,
            Permission.OPERATIONS_VIEW,
            Permission.OPERATIONS_CHANGE,
            Permission.CENTER_VIEW,
        }
    ),
    Role.OBSERVER: frozenset({Permission.CENTER_VIEW}),
}


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    return frozenset().union(*(ROLE_PERMISSIONS[role] for role in roles))
