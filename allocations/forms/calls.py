"""Forms for a call's basics and window, publishing and cloning. Moments are written in Seoul time."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import WholeNumberField
from allocations.forms.moments import DayInput, TimeInput, joined, split
from allocations.models import Call, Programme
from allocations.scoring import HIGHEST
from allocations.services.call_rules import Progress
from allocations.services.calls import CallBasics

OPENS_USUALLY, CLOSES_USUALLY = time(9), time(18)
DAYS = [
    "days_for_check",
    "days_for_correction",
    "days_for_technical",
    "days_for_reviews",
    "days_for_decision",
    "days_for_acceptance",
]
TEXTS = ["title_ko", "title_en", "text_ko", "text_en"]
SAME = [*TEXTS, *DAYS, "track", "programme", "blind"]


def _days(label: str | Promise, usually: int) -> WholeNumberField:
    return WholeNumberField(label=label, min_value=1, max_value=100, initial=usually)


class WindowForm(forms.Form):
    """The window of a call: from when until when applications are taken."""

    opens_on = forms.DateField(label=_("Opens on"), widget=DayInput)
    opens_time = forms.TimeField(label=_("Opening time"), widget=TimeInput, initial=OPENS_USUALLY)
    closes_on = forms.DateField(label=_("Closes on"), widget=DayInput)
    closes_time = forms.TimeField(label=_("Closing time"), widget=TimeInput, initial=CLOSES_USUALLY)
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        opens_at, closes_at = joined(cleaned, "opens"), joined(cleaned, "closes")
        if opens_at and closes_at and closes_at <= opens_at:
            self.add_error("closes_on", gettext("The call has to close after it opens."))
        return cleaned

    @property
    def opens_at(self) -> datetime | None:
        return joined(self.cleaned_data, "opens")

    @property
    def closes_at(self) -> datetime | None:
        return joined(self.cleaned_data, "closes")


class BasicsForm(WindowForm):
    """`progress` fixes what may no longer change."""

    title_ko = forms.CharField(label=_("Korean title"), max_length=160)
    title_en = forms.CharField(label=_("English title"), max_length=160)
    text_ko = forms.CharField(label=_("Korean text"), required=False, widget=forms.Textarea(attrs={"rows": 10}))
    text_en = forms.CharField(label=_("English text"), required=False, widget=forms.Textarea(attrs={"rows": 10}))
    track = forms.ChoiceField(label=_("Track"), choices=Call.Track.choices, initial=Call.Track.ACADEMIC)
    programme = forms.ModelChoiceField(
        label=_("Programme"), queryset=Programme.objects.none(), required=False, empty_label=_("None")
    )
    blind = forms.BooleanField(
        label=_("Blind review"),
        required=False,
        help_text=_("Reviewers see neither people nor institutions, and only blind copies of attachments."),
    )
    threshold = forms.DecimalField(
        label=_("Score needed"),
        min_value=0,
        max_value=HIGHEST,
        decimal_places=2,
        initial=Decimal("3.00"),
        help_text=_("Mean score from 0 to 5. Selecting below it needs a reason in words."),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    days_for_check = _days(_("Eligibility check"), 3)
    days_for_correction = _days(_("Correction by the applicant"), 5)
    days_for_technical = _days(_("Technical review"), 5)
    days_for_reviews = _days(_("Scientific review"), 15)
    days_for_decision = _days(_("Decision by the panel"), 10)
    days_for_acceptance = _days(_("Agreement by the PI"), 10)

    def __init__(self, call: Call | None, progress: Progress, data: QueryDict | None = None) -> None:
        super().__init__(data, initial=_initial(call) if call else {})
        used = call.programme_id if call else None
        offered = Programme.objects.filter(Q(active=True) | Q(pk=used))
        self.fields["programme"].queryset = offered  # type: ignore[attr-defined]
        for name in _fixed(progress):
            self.fields[name].disabled = True

    def day_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in DAYS]

    def basics(self) -> CallBasics:
        """Of a valid form."""
        values = {name: self.cleaned_data[name] for name in SAME}
        return CallBasics(
            **values,
            opens_at=self.opens_at,  # type: ignore[arg-type]
            closes_at=self.closes_at,  # type: ignore[arg-type]
            threshold_hundredths=int(self.cleaned_data["threshold"] * 100),
        )


def _initial(call: Call) -> dict[str, Any]:
    same = {name: getattr(call, name) for name in SAME}
    threshold = Decimal(call.threshold_hundredths) / 100
    return {**same, "threshold": f"{threshold:.2f}", **split("opens", call.opens_at), **split("closes", call.closes_at)}


def _fixed(progress: Progress) -> list[str]:
    """Fields that keep their value, whatever is sent."""
    fixed = ["opens_on", "opens_time"] if progress.begun else []
    if progress.decided:
        fixed += ["closes_on", "closes_time"]
    if progress.handed_in:
        fixed += ["track", "blind", "threshold"]
    return fixed


class PublishForm(forms.Form):
    """Now, or at a moment."""

    when = forms.ChoiceField(
        label=_("Publish"),
        choices=[("now", _("Now")), ("later", _("At the moment below"))],
        initial="now",
        widget=forms.RadioSelect,
    )
    moment_on = forms.DateField(label=_("Day"), required=False, widget=DayInput)
    moment_time = forms.TimeField(label=_("Time"), required=False, widget=TimeInput, initial=OPENS_USUALLY)
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("when") == "later" and joined(cleaned, "moment") is None and not self.errors:
            self.add_error("moment_on", gettext("Choose the day and the time."))
        return cleaned

    def moment(self, at: datetime) -> datetime:
        """Of a valid form."""
        return at if self.cleaned_data["when"] == "now" else joined(self.cleaned_data, "moment") or at


class CloneForm(WindowForm):
    title_ko = forms.CharField(label=_("Korean title"), max_length=160)
    title_en = forms.CharField(label=_("English title"), max_length=160)
