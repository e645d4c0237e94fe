"""What an operator says when a grant is suspended, and when jobs are ended at once."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from allocations.services.ledger import REASON_LENGTH


class StopForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        help_text=_("All members of the project read it."),
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    use_required_attribute = False


class SuspendForm(StopForm):
    stop_jobs = forms.BooleanField(
        label=_("End all jobs of the project at once, those on its other grants too"),
        required=False,
    )
