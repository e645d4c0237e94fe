"""The final report. A draft keeps whatever is written; what is missing is found when it is handed in."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import WholeNumberField
from allocations.models import FinalReport
from allocations.services.reports import ReportDraft

TEXTS = {
    "outcomes": 8,
    "publications": 4,
    "patents": 3,
    "released": 3,
    "business_effect": 3,
    "unused_reason": 3,
}


class ReportForm(forms.ModelForm):
    trained_people = WholeNumberField(label=_("People trained"), min_value=0, max_value=100_000, required=False)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    use_required_attribute = False

    class Meta:
        model = FinalReport
        fields = [
            "outcomes",
            "publications",
            "patents",
            "released",
            "trained_people",
            "business_effect",
            "unused_reason",
        ]
        widgets = {name: forms.Textarea(attrs={"rows": rows}) for name, rows in TEXTS.items()}
        help_texts = {
            "outcomes": _("What was found, built or learnt, and how it compares with what the application promised."),
            "publications": _("For example 10.1000/182 or https://doi.org/10.1000/182."),
            "trained_people": _("Students and staff who learnt to work with GPUs in this project."),
            "business_effect": _("For firms: sales, savings, jobs, products."),
            "unused_reason": _("Needed where more than a fifth was left unused."),
        }

    def draft(self) -> ReportDraft:
        """What was written, also where it is not valid: too long a text is kept, a number that is none is left out."""
        written = self.cleaned_data if self.is_valid() else {**self._raw(), **self.cleaned_data}
        return ReportDraft(
            **{name: written.get(name) or "" for name in TEXTS}, trained_people=self.cleaned_data.get("trained_people")
        )

    def _raw(self) -> dict[str, str]:
        return {name: self.data.get(name, "").replace("\x00", "") for name in TEXTS}
