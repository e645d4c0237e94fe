"""Nothing written is lost when the session ends: who is signed out is asked to sign in, and what they sent waits.

A page that is read leads to the sign-in page and back. A form that was sent is answered with a page that holds what
was in it, to be sent again after signing in in another tab; the portal never sends it by itself. The same page
answers a form whose token became stale because the person signed in again, as long as the form is our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.csrf import csrf_failure

from portal.web.autosave import is_autosave

# What one page carries over: more than any form of the portal takes, less than would make the page unusable.
MOST_CHARACTERS = 1_000_000
MOST_FIELDS = 900  # below Django's own limit for what a request may hold
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 (a field's name)
SIGN_IN_PAGES = ("/auth/", "/admin/", "/language/", "/theme/")


def ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    """The answer to whoever is not signed in."""
    if is_autosave(request):
        return JsonResponse({"message": _("You are signed out.")}, status=HTTPStatus.UNAUTHORIZED)
    if request.method == "POST" and not request.headers.get("HX-Request"):
        return send_again(request)
    return redirect_to_login(request.get_full_path())


def send_again(request: HttpRequest) -> HttpResponse:
    """The page that carries what was sent, and the button that sends it again."""
    fields = list(_sent(request))
    fits = len(fields) <= MOST_FIELDS and sum(len(value) for _name, value in fields) <= MOST_CHARACTERS
    context = {
        "fields": fields if fits else [],
        "fits": fits,
        "files": sorted({file.name for files in request.FILES.lists() for file in files[1] if file.name}),
        "address": request.get_full_path(),
    }
    status = HTTPStatus.FORBIDDEN if request.user.is_authenticated else HTTPStatus.UNAUTHORIZED
    return render(request, "session_expired.html", context, status=status)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW: a form without a valid token. Only one of our own pages may send it again."""
    if is_autosave(request):
        return JsonResponse({"message": _("The page was out of date")}, status=HTTPStatus.FORBIDDEN)
    if request.method == "POST" and _is_ours(request) and not request.path.startswith(SIGN_IN_PAGES):
        return send_again(request)
    return csrf_failure(request, reason)


def session_state(request: HttpRequest) -> JsonResponse:
    """For static/js/autosave.js: who is signed in, and the token that forms need since then; 401 for nobody."""
    if not request.user.is_authenticated:
        return JsonResponse({"message": _("You are signed out.")}, status=HTTPStatus.UNAUTHORIZED)
    answer = JsonResponse({"person": str(request.user.pk), "token": get_token(request)})
    answer.headers["Cache-Control"] = "no-store"
    return answer


def signed_in_again(request: HttpRequest) -> HttpResponse:
    """Where the second tab ends: what was written waits in the first."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    return render(request, "signed_in_again.html")


def _sent(request: HttpRequest) -> Iterator[tuple[str, str]]:
    for name, values in request.POST.lists():
        if name != TOKEN and "password" not in name:
            yield from ((name, str(value)) for value in values)


def _is_ours(request: HttpRequest) -> bool:
    """Whether a page of this very portal sent the form: browsers say so, and other sites cannot make them say it."""
    sender = request.headers.get("Origin") or request.headers.get("Referer") or ""
    parts = urlsplit(sender)
    return parts.netloc == request.get_host() or f"{parts.scheme}://{parts.netloc}" in settings.CSRF_TRUSTED_ORIGINS
