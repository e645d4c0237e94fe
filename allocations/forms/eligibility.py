"""What the office writes at the eligibility check."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.people.models import domain_validator


class EligibleForm(forms.Form):
    note = forms.CharField(
        label=_("Note for the office"),
        help_text=_("The applicant does not see it."),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    use_required_attribute = False


class ReturnForm(forms.Form):
    text = forms.CharField(
        label=_("What is to be corrected"),
        help_text=_("The applicant reads this. Name the field or file and what it should say."),
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    use_required_attribute = False


class IneligibleForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason given to the applicant"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    use_required_attribute = False


class InstitutionConfirmForm(forms.Form):
    domain = forms.CharField(
        label=_("E-mail domain of the institution"),
        help_text=_(
            "Whoever proves an address there belongs to this institution, without asking. Leave it empty where the "
            "institution has no domain of its own."
        ),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    use_required_attribute = False

    def clean_domain(self) -> str:
        domain = str(self.cleaned_data["domain"]).strip().lower().removeprefix("@")
        if domain:
            domain_validator(domain)
        return domain
