"""Calls, open to everybody."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from allocations.models import Call, CallDocument
from allocations.selectors.calls import call_page, calls_listed, own_applications
from portal.people.permissions import Permission


def call_list(request: HttpRequest) -> HttpResponse:
    return render(request, "calls/list.html", {"calls": calls_listed(timezone.now())})


def call_detail(request: HttpRequest, pk: int) -> HttpResponse:
    at = timezone.now()
    published = Call.objects.published(at).select_related("programme").prefetch_related("documents")
    call = get_object_or_404(published, pk=pk)
    context: dict[str, Any] = {"call": call, "page": call_page(call, at)}
    if request.user.is_authenticated:
        context |= own_applications(call, request.user)
        context["lacks_institution"] = request.user.institution_id is None
    return render(request, "calls/detail.html", context)


def call_document(request: HttpRequest, pk: int, document_pk: int) -> HttpResponseBase:
    """A document of a published call for everybody; of a draft for who writes it."""
    calls = Call.objects.all()
    if not (request.user.is_authenticated and request.user.can(Permission.CALL_EDIT)):
        calls = calls.published(timezone.now())
    document = get_object_or_404(CallDocument.objects.filter(call__in=calls), pk=document_pk, call=pk)
    return FileResponse(
        document.file.open("rb"), as_attachment=True, filename=document.name, content_type=document.content_type
    )
