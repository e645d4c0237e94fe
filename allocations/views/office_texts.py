"""The office's texts: programmes, texts people agree to, the center's own words, pools."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.forms.texts import CenterTextForm, ConsentTextForm, PoolForm, ProgrammeForm
from allocations.models import CenterText, ConsentText, Pool, Programme
from allocations.selectors.calls import events_of
from allocations.selectors.texts import consent_versions, consents_by_stage, places, programmes_counted
from allocations.services import Refused
from allocations.services.texts import (
    center_text_change,
    consent_text_publish,
    consent_text_retire,
    pool_change,
    programme_save,
)
from allocations.texts import BY_CODE
from allocations.views.base import SignedInRequest, requires
from portal.people.permissions import Permission


@requires(Permission.CALL_EDIT)
def programmes(request: SignedInRequest) -> HttpResponse:
    return render(request, "office/texts/programmes.html", {"programmes": programmes_counted()})


@requires(Permission.CALL_EDIT)
def programme(request: SignedInRequest, pk: int | None = None) -> HttpResponse:
    stored = get_object_or_404(Programme, pk=pk) if pk else None
    form = ProgrammeForm(_sent(request), instance=stored)
    if request.method == "POST" and form.is_valid():
        programme_save(programme=stored, values=form.cleaned_data, by=request.user, at=timezone.now())
        messages.success(request, _("Saved."))
        return redirect("office_programmes")
    return render(request, "office/texts/programme.html", {"programme": stored, "form": form})


@requires(Permission.CALL_EDIT)
def consents(request: SignedInRequest) -> HttpResponse:
    return render(request, "office/texts/consents.html", {"stages": consents_by_stage()})


@requires(Permission.CALL_EDIT)
def consent(request: SignedInRequest, code: str) -> HttpResponse:
    """Every version of a text, the newest first, whole."""
    versions = list(consent_versions().filter(code=code).order_by("-version"))
    if not versions:
        raise Http404
    return render(request, "office/texts/consent.html", {"newest": versions[0], "versions": versions})


@requires(Permission.CALL_EDIT)
def consent_write(request: SignedInRequest, code: str = "") -> HttpResponse:
    """The next version of a text, or a new text."""
    newest = ConsentText.objects.filter(code=code).order_by("-version").first() if code else None
    if code and newest is None:
        raise Http404
    form = ConsentTextForm(newest, _sent(request))
    if request.method == "POST" and form.is_valid():
        written = form.cleaned_data["code"]
        if newest is None and ConsentText.objects.filter(code=written).exists():
            form.add_error("code", _("There is a text with this code already."))
        elif _published(form, written, request):
            messages.success(request, _("The new version is in use. Older ones stay as they were agreed to."))
            return redirect("office_consent", written)
    return render(request, "office/texts/consent_write.html", {"newest": newest, "form": form})


def _published(form: ConsentTextForm, code: str, request: SignedInRequest) -> bool:
    try:
        consent_text_publish(code=code, words=form.words(), by=request.user, at=timezone.now())
    except Refused as refusal:
        form.add_error(None, str(refusal))
        return False
    return True


@requires(Permission.CALL_EDIT)
def consent_retire(request: SignedInRequest, code: str) -> HttpResponse:
    newest = ConsentText.objects.filter(code=code).order_by("-version").first()
    if newest is None:
        raise Http404
    if request.method != "POST":
        return render(request, "office/texts/consent_retire.html", {"newest": newest})
    try:
        consent_text_retire(code=code, by=request.user, at=timezone.now())
        messages.success(request, _("This text is no longer asked for."))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("office_consent", code)


@requires(Permission.CALL_EDIT)
def center_texts(request: SignedInRequest) -> HttpResponse:
    return render(request, "office/texts/center_texts.html", {"rows": places()})


@requires(Permission.CALL_EDIT)
def center_text_edit(request: SignedInRequest, code: str) -> HttpResponse:
    place = BY_CODE.get(code)
    if place is None:
        raise Http404
    form = CenterTextForm(place, CenterText.objects.filter(code=code).first(), _sent(request))
    if request.method == "POST" and form.is_valid():
        center_text_change(code=code, **form.cleaned_data, by=request.user, at=timezone.now())
        messages.success(request, _("Saved."))
        return redirect("office_texts")
    return render(request, "office/texts/center_text.html", {"place": place, "form": form})


@requires(Permission.CALL_EDIT)
def pools(request: SignedInRequest) -> HttpResponse:
    rows = [(pool, Decimal(pool.rate_hundredths) / 100) for pool in Pool.objects.all()]
    return render(request, "office/texts/pools.html", {"rows": rows})


@requires(Permission.CALL_EDIT)
def pool(request: SignedInRequest, code: str) -> HttpResponse:
    stored = get_object_or_404(Pool, code=code)
    form = PoolForm(stored, _sent(request))
    if request.method == "POST" and form.is_valid():
        pool_change(pool=stored, values=form.values(), by=request.user, at=timezone.now())
        messages.success(request, _("Saved."))
        return redirect("office_pools")
    context = {"pool": stored, "form": form, "events": events_of("pool", stored.pk)}
    return render(request, "office/texts/pool.html", context)


def _sent(request: SignedInRequest) -> Any:
    return request.POST if request.method == "POST" else None
