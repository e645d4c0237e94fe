"""What a project writes when it asks for a refund, and what operators write about refunds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.refunds.maintenance import BROKEN, Window
from accounting.refunds.rule import POSSIBLE
from accounting.templatetags.usage import in_words
from allocations.forms.amounts import GpuHoursField, WholeNumberField
from allocations.forms.moments import DayInput, TimeInput, joined
from allocations.models import Pool
from allocations.services.ledger import REASON_LENGTH

MOST_CAP_HOURS = 10_000


class AskForm(forms.Form):
    use_required_attribute = False

    words = forms.CharField(
        label=gettext_lazy("What happened to the job"),
        help_text=gettext_lazy("For example what the job's last lines of output say, and since when nothing moved."),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 5}),
    )


class DecisionForm(forms.Form):
    """`gpu_seconds`: what is granted; the job's whole charge to begin with."""

    use_required_attribute = False

    gpu_seconds = GpuHoursField(
        label=gettext_lazy("How much is refunded"),
        help_text=gettext_lazy("Lower it to refund a part only."),
        required=False,
    )
    reason = forms.CharField(
        label=gettext_lazy("Answer"),
        help_text=gettext_lazy("The project reads it. Needed where the request is declined."),
        required=False,
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


def _states(states: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(state, in_words([state])) for state in states]


class RuleForm(forms.Form):
    """A version of the rule; `seen` is the one that was shown."""

    use_required_attribute = False

    states = forms.MultipleChoiceField(
        label=gettext_lazy("Jobs that ended so are refunded by themselves"),
        help_text=gettext_lazy("None chosen: nothing is refunded by rule."),
        choices=lambda: _states(POSSIBLE),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )
    most_hours = WholeNumberField(
        label=gettext_lazy("Run time refunded of one job, at most"),
        help_text=gettext_lazy("Times the job's GPUs. Empty: the whole job."),
        required=False,
        min_value=1,
        max_value=MOST_CAP_HOURS,
    )
    since_on = forms.DateField(label=gettext_lazy("For jobs that ended since"), widget=DayInput())
    since_time = forms.TimeField(label=gettext_lazy("Time of day"), widget=TimeInput())
    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        return cleaned | {"since": joined(cleaned, "since")}

    def version(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("states", "most_hours", "since")}


class WindowForm(forms.Form):
    """A window of maintenance or of a fault."""

    use_required_attribute = False

    title = forms.CharField(
        label=gettext_lazy("What it was"),
        help_text=gettext_lazy("The projects read it, for example: power failure in rack 3."),
        max_length=200,
    )
    start_on = forms.DateField(label=gettext_lazy("From"), widget=DayInput())
    start_time = forms.TimeField(label=gettext_lazy("Time of day"), widget=TimeInput())
    end_on = forms.DateField(label=gettext_lazy("To"), widget=DayInput())
    end_time = forms.TimeField(label=gettext_lazy("Time of day"), widget=TimeInput())
    pool = forms.ModelChoiceField(
        label=gettext_lazy("Pool"), queryset=Pool.objects.all(), required=False, empty_label=gettext_lazy("all pools")
    )
    most_hours = WholeNumberField(
        label=gettext_lazy("Run time refunded of one job, at most"),
        help_text=gettext_lazy("Times the job's GPUs. Empty: the whole job."),
        required=False,
        min_value=1,
        max_value=MOST_CAP_HOURS,
    )
    states = forms.MultipleChoiceField(
        label=gettext_lazy("Which jobs count as broken"),
        choices=lambda: _states(BROKEN),
        initial=["NODE_FAIL", "BOOT_FAIL", "CANCELLED", "FAILED", "PREEMPTED", "REQUEUED"],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, at: datetime, **options: Any) -> None:
        super().__init__(*args, **options)
        self.at = at

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        start, end = joined(cleaned, "start"), joined(cleaned, "end")
        if start and end and end <= start:
            self.add_error("end_on", _("It ends before it begins."))
        if end and end > self.at:
            self.add_error("end_on", _("Choose an end that is not in the future: its jobs have not ended yet."))
        return cleaned | {"starts_at": start, "ends_at": end}

    def window(self) -> Window:
        names = ("title", "starts_at", "ends_at", "states", "pool", "most_hours")
        return Window(**{name: self.cleaned_data[name] for name in names})
