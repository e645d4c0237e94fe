"""The panel's form: an outcome, an award for each pool asked for, and what the applicant reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Application, Decision, Pool, RequestLine
from allocations.services.decisions import Verdict

# What the portal or the technical check gives as a reason is not the panel's.
PANEL_REASONS = [
    (reason.value, reason.label)
    for reason in Decision.Reason
    if reason not in {Decision.Reason.RULE, Decision.Reason.TECHNICAL}
]


class DecisionForm(forms.Form):
    """`recommended` (GPU-seconds by pool id) prefills the awards; `promoting` offers selections only."""

    outcome = forms.ChoiceField(label=_("Outcome"), choices=Decision.Outcome.choices, widget=forms.RadioSelect)
    conditions = forms.CharField(
        label=_("Conditions"),
        help_text=_("For a conditional selection: what the applicant must keep to."),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    reason_code = forms.ChoiceField(label=_("Kind of reason"), choices=PANEL_REASONS)
    reason = forms.CharField(
        label=_("Reason given to the applicant"),
        help_text=_("Needed for “another reason”, and to select below the threshold."),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    use_required_attribute = False

    def __init__(
        self,
        application: Application,
        recommended: Mapping[int, int],
        data: QueryDict | None = None,
        *,
        promoting: bool = False,
    ) -> None:
        super().__init__(data)
        self.lines: list[RequestLine] = [line for line in application.lines.all() if line.requested_gpu_seconds]
        for line in self.lines:
            asked = line.requested_gpu_seconds or 0
            self.fields[_name(line.pool)] = GpuHoursField(
                label=gettext("Award in %(pool)s") % {"pool": line.pool},
                least="0",
                required=False,
                initial=min(asked, recommended.get(line.pool_id, asked)),
            )
        if promoting:
            self._offer_selections_only()
        awards = (_name(line.pool) for line in self.lines)
        self.order_fields(["outcome", *awards, "conditions", "reason_code", "reason"])

    def _offer_selections_only(self) -> None:
        outcomes = [(value, label) for value, label in Decision.Outcome.choices if value in Decision.SELECTS]
        self.fields["outcome"] = forms.ChoiceField(label=_("Outcome"), choices=outcomes, widget=forms.RadioSelect)

    def award_fields(self) -> list[tuple[RequestLine, BoundField]]:
        return [(line, self[_name(line.pool)]) for line in self.lines]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("reason_code") == Decision.Reason.OTHER and not cleaned.get("reason", "").strip():
            self.add_error("reason", gettext("Give the applicant a reason in words."))
        if cleaned.get("outcome") == Decision.Outcome.CONDITIONAL and not cleaned.get("conditions", "").strip():
            self.add_error("conditions", gettext("Write the conditions."))
        amounts_valid = not any(_name(line.pool) in self.errors for line in self.lines)
        if self.selects and self.lines and amounts_valid and not any(self.awards.values()):
            self.add_error(_name(self.lines[0].pool), gettext("Write how many GPU-hours are awarded."))
        return cleaned

    @property
    def selects(self) -> bool:
        return self.cleaned_data.get("outcome") in Decision.SELECTS

    @property
    def awards(self) -> dict[Pool, int]:
        """GPU-seconds by pool; zero where nothing is awarded."""
        return {line.pool: self.cleaned_data.get(_name(line.pool)) or 0 for line in self.lines}

    def verdict(self) -> Verdict:
        return Verdict(
            outcome=self.cleaned_data["outcome"],
            awards=self.awards,
            reason_code=self.cleaned_data["reason_code"],
            reason=self.cleaned_data["reason"],
            conditions=self.cleaned_data["conditions"],
        )

    @property
    def outcome_label(self) -> str:
        return str(Decision.Outcome(self.cleaned_data["outcome"]).label)

    @property
    def reason_label(self) -> str:
        return str(Decision.Reason(self.cleaned_data["reason_code"]).label)


def _name(pool: Pool) -> str:
    return f"award_{pool.code}"
