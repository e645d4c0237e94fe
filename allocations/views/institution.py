"""Who belongs to no institution known here registers theirs; the office confirms it with the first application."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.forms.controls import BusinessNumberField
from allocations.texts import center_text
from allocations.views.base import SignedInRequest, signed_in
from portal.people.institutions import NotRegistered, institution_register
from portal.people.models import Institution


class InstitutionForm(forms.Form):
    name_ko = forms.CharField(
        label=gettext_lazy("Name in Korean"),
        help_text=gettext_lazy("The full legal name, for example 주식회사 영일정밀."),
        max_length=120,
    )
    name_en = forms.CharField(label=gettext_lazy("Name in English"), max_length=120, required=False)
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind of institution"),
        choices=[choice for choice in Institution.Kind.choices if choice[0] != Institution.Kind.CENTER],
        widget=forms.RadioSelect,
    )
    business_number = BusinessNumberField(
        label=gettext_lazy("Business registration number"),
        help_text=gettext_lazy("Firms only. Ten digits, for example 124-81-00998."),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        is_firm = cleaned.get("kind") == Institution.Kind.FIRM
        if is_firm and not cleaned.get("business_number") and "business_number" not in self.errors:
            self.add_error("business_number", _("Write the firm's business registration number."))
        if not is_firm:
            cleaned["business_number"] = ""
        return cleaned


@signed_in
def institution_page(request: SignedInRequest) -> HttpResponse:
    if request.user.institution_id is not None:
        return redirect(_then(request))
    form = InstitutionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            institution = institution_register(**form.cleaned_data, by=request.user, at=timezone.now())
        except NotRegistered as refusal:
            form.add_error(None, str(refusal))
        else:
            text = _("%(name)s is registered. The office confirms it with your first application.")
            messages.success(request, text % {"name": institution})
            return redirect(_then(request))
    return render(request, "applications/institution.html", {"form": form, "contact": center_text("contact")})


def _then(request: SignedInRequest) -> str:
    """Back to the page of the portal that led here, else to the calls."""
    address = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return address
    return reverse("call_list")
