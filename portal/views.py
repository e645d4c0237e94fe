"""The pages that belong to no single app: home by role, language."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.i18n import set_language


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html")


def language(request: HttpRequest) -> HttpResponse:
    """Remember the chosen language in a cookie, and for mails with the person who is signed in."""
    chosen = request.POST.get("language")
    if request.user.is_authenticated and chosen in {"ko", "en"}:
        request.user.language = chosen
        request.user.save(update_fields=["language"])
    return set_language(request)
