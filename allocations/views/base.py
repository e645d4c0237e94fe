"""What views share: who is signed in, which role a page is for, and telling a person what an act came to."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.session import ask_to_sign_in

Arguments = ParamSpec("Arguments")


class SignedInRequest(HttpRequest):
    user: User


View = Callable[Concatenate[SignedInRequest, Arguments], HttpResponseBase]


def signed_in(view: View[Arguments]) -> Callable[..., Any]:
    """Ask who is not signed in to do so, and come back; what they had just sent is not lost."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return ask_to_sign_in(request)
        return view(request, *args, **kwargs)

    return guarded


def requires(permission: Permission) -> Callable[[View[Arguments]], Callable[..., Any]]:
    """A page for those whose role carries the permission; 403 for others who are signed in."""

    def decorate(view: View[Arguments]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(request: SignedInRequest, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponseBase:
            if not request.user.can(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return signed_in(guarded)

    return decorate
