"""The short pages on which the parts of a call are written. Each is one form and one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.call_parts import DocumentForm, FieldsForm, OfferForm, criterion_rows, tier_rows
from allocations.forms.calls import BasicsForm
from allocations.models import Call, CallDocument
from allocations.selectors.calls import call_page, events_of
from allocations.services import Refused
from allocations.services.call_parts import (
    call_add_document,
    call_remove_document,
    call_set_criteria,
    call_set_fields,
    call_set_offer,
    call_set_tiers,
)
from allocations.services.call_rules import Part, Progress, progress_of, why_locked
from allocations.services.calls import call_change
from allocations.views.base import SignedInRequest, requires
from portal.people.permissions import Permission

Save = Callable[[Any], object]


@requires(Permission.CALL_EDIT)
def basics(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    form = BasicsForm(call, progress, _sent(request))
    return _part(request, call, progress, Part.BASICS, form, _save(call_change, request, call, basics=form.basics))


@requires(Permission.CALL_EDIT)
def pools(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    form = OfferForm(call, _sent(request))
    return _part(request, call, progress, Part.POOLS, form, _save(call_set_offer, request, call, offer=form.offer))


@requires(Permission.CALL_EDIT)
def sizes(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    rows = tier_rows(call, _sent(request))
    return _part(request, call, progress, Part.SIZES, rows, _save(call_set_tiers, request, call, rows=rows.rows))


@requires(Permission.CALL_EDIT)
def criteria(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    rows = criterion_rows(call, _sent(request))
    return _part(request, call, progress, Part.CRITERIA, rows, _save(call_set_criteria, request, call, rows=rows.rows))


@requires(Permission.CALL_EDIT)
def fields(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    form = FieldsForm(call, _sent(request), locked=bool(why_locked(Part.FIELDS, progress)))
    return _part(request, call, progress, Part.FIELDS, form, _save(call_set_fields, request, call, levels=form.levels))


@requires(Permission.CALL_EDIT)
def documents(request: SignedInRequest, pk: int) -> HttpResponse:
    call, progress = _call(pk)
    files = request.FILES if request.method == "POST" else None
    form = DocumentForm(_sent(request), files)

    def add() -> None:
        upload = form.cleaned_data["file"]
        call_add_document(
            call=call,
            title_ko=form.cleaned_data["title_ko"],
            title_en=form.cleaned_data["title_en"],
            file=upload.file,
            name=upload.name,
            content_type=upload.content_type,
            by=request.user,
            at=timezone.now(),
        )

    return _part(request, call, progress, Part.DOCUMENTS, form, add)


@requires(Permission.CALL_EDIT)
def document_remove(request: SignedInRequest, pk: int, document_pk: int) -> HttpResponse:
    document = get_object_or_404(CallDocument.objects.select_related("call"), pk=document_pk, call=pk)
    if request.method != "POST":
        return render(request, "office/calls/remove_document.html", {"call": document.call, "document": document})
    try:
        call_remove_document(document=document, by=request.user, at=timezone.now())
        messages.success(request, _("Removed."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("office_call_documents", pk)


def _call(pk: int) -> tuple[Call, Progress]:
    call = get_object_or_404(Call, pk=pk)
    return call, progress_of(call)


def _sent(request: SignedInRequest) -> Any:
    return request.POST if request.method == "POST" else None


def _save(service: Callable[..., object], request: SignedInRequest, call: Call, **reads: Callable[[], Any]) -> Any:
    """The service with what the form says, read once the form is valid."""

    def save() -> None:
        values = {name: read() for name, read in reads.items()}
        service(call=call, by=request.user, at=timezone.now(), **values)

    return save


def _part(
    request: SignedInRequest, call: Call, progress: Progress, part: Part, form: Any, save: Callable[[], None]
) -> HttpResponse:
    """Show the part's page; store what is valid, unless a colleague changed the call while this was being written."""
    events = events_of("call", call.pk)
    newest = str(events[0].pk) if events else ""
    meanwhile = request.method == "POST" and request.POST.get("seen", newest) != newest
    refusal = ""
    if request.method == "POST" and form.is_valid() and not meanwhile:
        try:
            save()
            messages.success(request, _("Saved."))
            return redirect(f"office_call_{part}", call.pk)
        except Refused as refused:
            refusal = str(refused)
    locked = why_locked(part, progress)
    context = {
        "call": call,
        "part": part,
        "parts": Part,
        "form": form,
        "progress": progress,
        "locked": locked,
        "page": call_page(call, timezone.now()) if locked else None,
        "seen": newest,
        "meanwhile": events[0] if meanwhile else None,
        "refusal": refusal,
    }
    return render(request, f"office/calls/{part}.html", context)
