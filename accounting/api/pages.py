"""The page that says what the API and gpuh give, and gpuh itself to download."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounting.api.access import MOST_A_MINUTE

GPUH = Path(settings.BASE_DIR, "static", "gpuh", "gpuh.py")
INSTALL = "mkdir -p ~/.local/bin && curl -fsSL %s/gpuh -o ~/.local/bin/gpuh && chmod +x ~/.local/bin/gpuh"
NO_ADDRESS = 'ADDRESS = ""'


@require_safe
def api_page(request: HttpRequest) -> HttpResponse:
    """For everybody: there is nothing secret about how to ask."""
    address = settings.PORTAL_URL
    context = {
        "address": address,
        "endpoints": endpoints(),
        "most": MOST_A_MINUTE,
        "install": INSTALL % address,
        "example": f'curl -H "Authorization: Bearer $GPUH_TOKEN" "{address}/api/v1/projects/p26001/usage?by=person"',
    }
    return render(request, "accounting/api.html", context)


def endpoints() -> list[tuple[str, str]]:
    """Addresses below /api/v1/ and what they answer, in the page's language; a test holds them to the description."""
    return [
        ("/me", _("Whose token it is, and until when it is valid.")),
        ("/projects", _("Your projects: granted, used, left, reserved, what can start now, and when hours run out.")),
        ("/projects/{code}", _("The same of one project.")),
        (
            "/projects/{code}/usage",
            _("What was used in a period (from, to) by any of day, month, person, pool, partition, kind and state."),
        ),
        (
            "/projects/{code}/jobs",
            _("Jobs that ended (from, to, state, user), in parts (limit, cursor)."),
        ),
        ("/queue", _("Jobs of your projects that run or wait now, with the reason and what helps.")),
    ]


@require_safe
def gpuh(request: HttpRequest) -> HttpResponse:
    """The command with this portal's address in it, so that nobody has to type it."""
    text = GPUH.read_text().replace(NO_ADDRESS, f"ADDRESS = {settings.PORTAL_URL!r}", 1)
    answer = HttpResponse(text, content_type="text/x-python; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="gpuh"'
    return answer
