"""What every page's frame needs: the centre's name is in the templates, what varies is here."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from portal.people.permissions import Permission
from portal.web.themes import theme_of


def portal(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    granted = set()
    if user is not None and user.is_authenticated:
        granted = {permission.name.lower() for permission in Permission if user.can(permission)}
    return {"DEMO": settings.DEMO, "THEME": theme_of(request), "may": granted, "LANGUAGES": settings.LANGUAGES}
