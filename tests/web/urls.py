"""The portal's addresses, pages that fail in each way, and a page with a live section, for tests of the frame."""

from itertools import count

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template import RequestContext, Template
from django.urls import path

from portal.urls import urlpatterns as portal_urlpatterns
from portal.web.views import components
from tests.web import tiny_form

LIVE_PAGE = """{% extends "base.html" %}
{% block live_topics %}project:p26001 operations{% endblock %}
{% block content %}<h1>Live</h1>
<section id="part" hx-get="/live-part/" hx-trigger="live:project from:body" hx-swap="outerHTML">first</section>
{% endblock %}"""
LIVE_PART = (
    """<section id="part" hx-get="/live-part/" hx-trigger="live:project from:body" hx-swap="outerHTML">%d</section>"""
)
_asked = count(1)


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError


def live_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Template(LIVE_PAGE).render(RequestContext(request)))


def live_part(request: HttpRequest) -> HttpResponse:
    return HttpResponse(LIVE_PART % next(_asked))


urlpatterns = [
    path("forbidden/", forbidden),
    path("broken/", broken),
    path("live-page/", live_page),
    path("live-part/", live_part),
    path("tiny/", tiny_form.page),
    path("tiny/short/", tiny_form.short),
    path("tiny/sent/", tiny_form.sent),
    path("components/", components, name="components"),
    *portal_urlpatterns,
]
