"""What operators write: a reason, and the grant that an amount is entered on."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.models import GrantLine
from allocations.selectors.reports import last_day
from allocations.services.ledger import REASON_LENGTH, left_gpu_seconds
from portal.web.templatetags.figures import gpu_hours_unit


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("It stays in the records with your name."),
    )


class OpenLineChoice(forms.ModelChoiceField):
    def label_from_instance(self, line: Any) -> str:
        return _("%(number)s: %(left)s left, until %(day)s") % {
            "number": line.grant.reference,
            "left": gpu_hours_unit(left_gpu_seconds(line)),
            "day": formats.date_format(last_day(line.grant), "DATE_FORMAT"),
        }


class OffsetForm(ReasonForm):
    """`offset`: the one that the operator was shown, GPU-seconds."""

    offset = forms.IntegerField(widget=forms.HiddenInput)


class AdoptForm(ReasonForm):
    """`gpu_seconds`: the difference that the operator was shown."""

    gpu_seconds = forms.IntegerField(widget=forms.HiddenInput)
    line = OpenLineChoice(label=gettext_lazy("Grant"), queryset=GrantLine.objects.none(), empty_label=None)

    field_order = ("line", "reason")

    def __init__(self, *args: Any, lines: list[GrantLine], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = GrantLine.objects.filter(pk__in=[line.pk for line in lines])
        self.fields["line"].queryset = chosen.select_related("grant__application", "grant__project")  # type: ignore[attr-defined]
