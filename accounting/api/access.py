"""Who may read: the bearer of a valid token, as often as a script sensibly asks; nothing may be written."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from ninja.security import HttpBearer

from accounting.api.problems import Problem, answer, not_found
from portal.people.models import AccessToken
from portal.people.tokens import token_of

MOST_A_MINUTE = 120
READING = ("GET", "HEAD")


class TokenRequest(HttpRequest):
    auth: AccessToken


class Token(HttpBearer):
    """`Authorization: Bearer gpuh_…`. Cookies open nothing here, so that no other site can read by a browser."""

    def __call__(self, request: HttpRequest) -> AccessToken:
        token = super().__call__(request)
        if token is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                _("Send a valid token: “Authorization: Bearer gpuh_…”. You make one in the portal, under My profile."),
            )
        _count(token)
        return token

    def authenticate(self, request: HttpRequest, token: str) -> AccessToken | None:
        return token_of(token, timezone.now())


def _count(token: AccessToken) -> None:
    """Raises Problem for more than `MOST_A_MINUTE` in one minute, as this process counts them."""
    key = f"api:{token.pk}:{timezone.now():%H%M}"
    cache.add(key, 0, timeout=120)
    if cache.incr(key) > MOST_A_MINUTE:
        sentence = _("This token asked more than %(most)s times in a minute. Wait a minute, and ask less often.")
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, sentence % {"most": MOST_A_MINUTE})


def guarded(pattern: URLPattern) -> URLPattern:
    """An address of the API: for reading only, in the language of Accept-Language (Korean where it names none), and
    kept by no cache in between."""
    return URLPattern(pattern.pattern, _guarded(pattern.callback), pattern.default_args, pattern.name)


def _guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @csrf_exempt
    @wraps(view, updated=())
    def reading(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        language = translation.get_language_from_request(request)
        with translation.override(language):
            response = _read(view, request, *args, **kwargs)
        response["Content-Language"] = language
        response["Cache-Control"] = "private, no-store"
        patch_vary_headers(response, ["Accept-Language", "Authorization"])
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        elif response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            response["Retry-After"] = "60"
        elif response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response["Allow"] = ", ".join(READING)
        return response

    return reading


def _read(view: Callable[..., HttpResponse], request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    if request.method not in READING:
        sentence = _("This interface only reads: ask with GET. To change something use the portal: %(address)s")
        return answer(Problem(HTTPStatus.METHOD_NOT_ALLOWED, sentence % {"address": settings.PORTAL_URL}))
    # HEAD is answered as GET is; the server leaves out the body.
    method, request.method = request.method, "GET"
    try:
        return view(request, *args, **kwargs)
    except Http404:
        return answer(not_found())
    finally:
        request.method = method
