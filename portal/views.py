"""The pages that belong to no single app: home by role, language."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.i18n import set_language

from accounting.selectors import project_standings
from allocations.selectors.applications import applications_of
from allocations.selectors.calls import calls_listed
from allocations.selectors.projects import projects_of
from portal.desk import piles
from portal.operations.needs import needs
from portal.people.models import User
from portal.people.permissions import Permission

# Who has one of these is told that nothing waits, where nothing does.
WORK = (
    Permission.APPLICATION_CHECK,
    Permission.APPLICATION_ASSESS,
    Permission.APPLICATION_REVIEW,
    Permission.APPLICATION_DECIDE,
)


def home(request: HttpRequest) -> HttpResponse:
    """What the reader has to do and how they stand; for visitors, what the center offers."""
    at = timezone.now()
    context: dict[str, Any] = {"calls": calls_listed(at)["open"]}
    if request.user.is_authenticated:
        context |= _desk(request.user, at)
    return render(request, "home.html", context)


def _desk(user: User, at: datetime) -> dict[str, Any]:
    return {
        "projects": project_standings(projects_of(user), at),
        "applications": applications_of(user),
        "piles": piles(user, at),
        "works_for_center": any(user.can(permission) for permission in WORK),
        "troubles": needs(at) if user.can(Permission.OPERATIONS_VIEW) else [],
    }


def language(request: HttpRequest) -> HttpResponse:
    """Remember the chosen language in a cookie, and for mails with the person who is signed in."""
    chosen = request.POST.get("language")
    if request.user.is_authenticated and chosen in {"ko", "en"}:
        request.user.language = chosen
        request.user.save(update_fields=["language"])
    return set_language(request)
