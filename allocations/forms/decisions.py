"""The panel's form: award an amount per pool, or decline with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Application, Decision, Pool, RequestLine


class DecisionForm(forms.Form):
    """`recommended` (GPU-seconds) prefills the award of an application that asks for one pool."""

    outcome = forms.ChoiceField(label=_("Decision"), choices=Decision.Outcome.choices, widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_("Reason given to the applicant"),
        help_text=_("Needed to decline; as you like with an award."),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    use_required_attribute = False

    def __init__(self, application: Application, recommended: int | None, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.lines: list[RequestLine] = list(application.lines.select_related("pool"))
        for line in self.lines:
            prefilled = recommended if len(self.lines) == 1 and recommended else line.requested_gpu_seconds
            self.fields[_name(line.pool)] = GpuHoursField(
                label=gettext("Award in %(pool)s") % {"pool": line.pool},
                least="0",
                required=False,
                initial=prefilled,
            )
        self.order_fields(["outcome", *(_name(line.pool) for line in self.lines), "reason"])

    def award_fields(self) -> list[tuple[RequestLine, BoundField]]:
        return [(line, self[_name(line.pool)]) for line in self.lines]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.declines and not cleaned.get("reason", "").strip():
            self.add_error("reason", gettext("Give the applicant a reason."))
        amounts_valid = not any(_name(line.pool) in self.errors for line in self.lines)
        if cleaned.get("outcome") == Decision.Outcome.AWARDED and amounts_valid and not any(self.awards.values()):
            self.add_error(_name(self.lines[0].pool), gettext("Write how many GPU-hours are awarded."))
        return cleaned

    @property
    def declines(self) -> bool:
        return self.cleaned_data.get("outcome") == Decision.Outcome.DECLINED

    @property
    def awards(self) -> dict[Pool, int]:
        """GPU-seconds by pool; zero where nothing is awarded."""
        return {line.pool: self.cleaned_data.get(_name(line.pool)) or 0 for line in self.lines}


def _name(pool: Pool) -> str:
    return f"award_{pool.code}"
