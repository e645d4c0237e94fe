"""The form in which thresholds are set, for a project or for oneself."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounting.alerts.thresholds import Thresholds
from portal.web.templatetags.figures import percent

PERCENTS = (25, 50, 75, 80, 90, 95, 100)
DAYS = (90, 60, 30, 14, 7, 3)

in_percent = lazy(percent, str)


class ThresholdsForm(forms.Form):
    """An empty field or group is no such alert."""

    used = forms.TypedMultipleChoiceField(
        label=_("When so much of a pool's GPU-hours is used"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(value, in_percent(value, 100)) for value in PERCENTS],
    )
    expiry = forms.TypedMultipleChoiceField(
        label=_("So many days before the grant ends"),
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(value, format_lazy(_("{n} days"), n=value)) for value in DAYS],
    )
    early = forms.IntegerField(
        label=_("When the hours will not last for so much of the term"),
        help_text=_("By the projection of the last weeks. Empty: no such alert."),
        required=False,
        min_value=10,
        max_value=100,
    )
    under = forms.IntegerField(
        label=_("When use lies so many points behind an even plan"),
        help_text=_("Once a quarter of the term is over. 40 points: half of the term over, and less than 10 % used."),
        required=False,
        min_value=10,
        max_value=90,
    )
    waste = forms.IntegerField(
        label=_("When so much of a week's GPU-hours went into jobs that failed"),
        help_text=_("Ended with an error, out of memory or at the time limit; from 10 GPU-hours a week on."),
        required=False,
        min_value=1,
        max_value=99,
    )

    def __init__(self, data: Any = None, *, thresholds: Thresholds) -> None:
        initial = {
            "used": list(thresholds.used),
            "expiry": list(thresholds.expiry),
            "early": thresholds.early,
            "under": thresholds.under,
            "waste": thresholds.waste,
        }
        super().__init__(data, initial=initial)

    def thresholds(self) -> Thresholds:
        chosen = self.cleaned_data
        return Thresholds(
            tuple(sorted(chosen["used"])),
            chosen["early"],
            chosen["under"],
            tuple(sorted(chosen["expiry"], reverse=True)),
            chosen["waste"],
        )
