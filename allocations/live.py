"""Who may listen for news of an application or project."""

from __future__ import annotations

from portal.live.topics import register
from portal.people.models import User
from portal.people.permissions import Permission


def register_topics() -> None:
    register("application", _may_hear_application)
    register("project", _may_hear_project)
    register(
        "applications",
        lambda user, key: user.can(Permission.APPLICATION_VIEW) or user.can(Permission.APPLICATION_REVIEW),
    )


def _may_hear_application(user: User, key: str) -> bool:
    from allocations.models import Application

    return key.isdigit() and Application.objects.visible_to(user).filter(pk=key).exists()


def _may_hear_project(user: User, key: str) -> bool:
    from allocations.models import Project

    return Project.objects.visible_to(user).filter(code=key).exists()
