"""The office's desk, and calls from the first word to publication."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.calls import BasicsForm, CloneForm, PublishForm
from allocations.models import Call
from allocations.selectors.calls import call_page, events_of, office_calls
from allocations.services import Refused
from allocations.services.call_rules import Part, Progress, problems_before_publishing, progress_of, why_locked
from allocations.services.calls import call_clone, call_create, call_discard, call_publish, call_take_back
from allocations.views.base import SignedInRequest, requires, signed_in
from allocations.workflow import LostRace
from portal.people.permissions import Permission

OFFICE = [
    Permission.CALL_EDIT,
    Permission.APPLICATION_CHECK,
    Permission.APPLICATION_ASSESS,
    Permission.REVIEWER_MANAGE,
    Permission.APPLICATION_DECIDE,
    Permission.CHANGE_DECIDE,
]


@signed_in
def office(request: SignedInRequest) -> HttpResponse:
    """Everything the reader's roles open, and nothing else."""
    if not any(request.user.can(permission) for permission in OFFICE):
        raise PermissionDenied
    return render(request, "office/desk.html")


@requires(Permission.CALL_EDIT)
def call_list(request: SignedInRequest) -> HttpResponse:
    return render(request, "office/calls/list.html", {"stages": office_calls(timezone.now())})


@requires(Permission.CALL_EDIT)
def call_new(request: SignedInRequest) -> HttpResponse:
    form = BasicsForm(None, Progress(), request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            call = call_create(basics=form.basics(), by=request.user, at=timezone.now())
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The call is begun. Nobody else sees it until it is published."))
            return redirect("office_call", call.pk)
    return render(request, "office/calls/new.html", {"form": form})


@requires(Permission.CALL_EDIT)
def call_overview(request: SignedInRequest, pk: int) -> HttpResponse:
    """Where the call stands, what is missing before it can be published, what was changed."""
    at = timezone.now()
    call = get_object_or_404(Call.objects.select_related("programme"), pk=pk)
    progress = progress_of(call)
    context = {
        "call": call,
        "stage": call.stage(at),
        "page": call_page(call, at),
        "progress": progress,
        "planned": call.published_at is not None and call.published_at > at,
        "problems": problems_before_publishing(call, at) if call.published_at is None else [],
        "parts": [(part, why_locked(part, progress)) for part in Part],
        "events": events_of("call", call.pk),
    }
    return render(request, "office/calls/overview.html", context)


@requires(Permission.CALL_EDIT)
def publish(request: SignedInRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call, pk=pk)
    at = timezone.now()
    form = PublishForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            call_publish(call=call, moment=form.moment(at), by=request.user, at=at)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        except LostRace:
            messages.warning(request, _("The call is published already."))
            return redirect("office_call", pk)
        else:
            later = form.cleaned_data["when"] == "later"
            text = _("The call will be published by itself.") if later else _("The call is published.")
            messages.success(request, text)
            return redirect("office_call", pk)
    return render(request, "office/calls/publish.html", {"call": call, "form": form})


@requires(Permission.CALL_EDIT)
def take_back(request: SignedInRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call, pk=pk)
    if request.method != "POST":
        context = {"call": call, "begun": progress_of(call).begun}
        return render(request, "office/calls/take_back.html", context)
    try:
        call_take_back(call=call, by=request.user, at=timezone.now())
        messages.success(request, _("The call is a draft again. Nobody else sees it."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    except LostRace:
        messages.warning(request, _("The call is a draft already."))
    return redirect("office_call", pk)


@requires(Permission.CALL_EDIT)
def discard(request: SignedInRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call, pk=pk)
    if request.method != "POST":
        return render(request, "office/calls/discard.html", {"call": call})
    try:
        call_discard(call=call, by=request.user, at=timezone.now())
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("office_call", pk)
    messages.success(request, _("The draft of the call is discarded."))
    return redirect("office_calls")


@requires(Permission.CALL_EDIT)
def clone(request: SignedInRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call, pk=pk)
    titles = {"title_ko": call.title_ko, "title_en": call.title_en}
    form = CloneForm(request.POST if request.method == "POST" else None, initial=titles)
    if request.method == "POST" and form.is_valid():
        window = {"opens_at": form.opens_at, "closes_at": form.closes_at}
        names = {name: form.cleaned_data[name] for name in titles}
        try:
            copy = call_clone(call=call, **names, **window, by=request.user, at=timezone.now())  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The call is cloned, with everything but the applications."))
            return redirect("office_call", copy.pk)
    return render(request, "office/calls/clone.html", {"call": call, "form": form})


@requires(Permission.CALL_EDIT)
def preview(request: SignedInRequest, pk: int) -> HttpResponse:
    """The call's page as an applicant will see it while it is open."""
    call = get_object_or_404(Call.objects.select_related("programme").prefetch_related("documents"), pk=pk)
    at = max(timezone.now(), call.opens_at)
    return render(request, "calls/detail.html", {"call": call, "page": call_page(call, at), "preview": True})
