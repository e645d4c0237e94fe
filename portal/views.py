"""The pages that belong to no single app: home by role, language."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.i18n import set_language

from accounting.alerts.selectors import alerts_for
from allocations.selectors.calls import calls_listed
from portal.center_state import center_state
from portal.desk import piles
from portal.home import MOST_PROJECTS, application_cards, own_things, project_cards
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
    if request.user.is_authenticated:
        return render(request, "home.html", _desk(request.user, at))
    return render(request, "home.html", {"calls": calls_listed(at)["open"]})


def _desk(user: User, at: datetime) -> dict[str, Any]:
    """Calls are read only for who has nothing of their own here yet."""
    own = own_things(user, at)
    sees_center = user.can(Permission.CENTER_VIEW)
    operates = user.can(Permission.OPERATIONS_VIEW)
    works = any(user.can(permission) for permission in WORK)
    newcomer = not own.projects and not works and not sees_center
    return {
        "at": at,
        "piles": piles(own, at),
        "alerts": alerts_for(user, at) if own.projects else [],
        "cards": project_cards(own, at) if own.projects else [],
        "more_projects": len(own.projects) > MOST_PROJECTS,
        "applications": application_cards(own, at),
        "troubles": needs(at) if operates else [],
        "state": center_state(at) if sees_center else None,
        "works_for_center": works,
        "calls": calls_listed(at)["open"] if newcomer else [],
        "newcomer": newcomer,
    }


def language(request: HttpRequest) -> HttpResponse:
    """Remember the chosen language in a cookie, and for mails with the person who is signed in."""
    chosen = request.POST.get("language")
    if request.user.is_authenticated and chosen in {"ko", "en"}:
        request.user.language = chosen
        request.user.save(update_fields=["language"])
    return set_language(request)
