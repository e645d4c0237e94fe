"""The technical review's form: a verdict, an amount for each pool asked for, two comments."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Pool, RequestLine, TechnicalReview
from allocations.services.technical import TechnicalOpinion

Verdict = TechnicalReview.Verdict


class TechnicalForm(forms.Form):
    """Keeps what is valid while it is written; asks for everything when `submitting`."""

    verdict = forms.ChoiceField(label=_("Verdict"), choices=Verdict.choices, widget=forms.RadioSelect, required=False)
    comment_to_applicant = forms.CharField(
        label=_("Comment to the applicant"),
        help_text=_("What has to change, or why it is not feasible. The applicant reads it with the decision."),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    comment_to_panel = forms.CharField(
        label=_("Comment to the panel only"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    use_required_attribute = False

    def __init__(self, review: TechnicalReview, data: QueryDict | None = None, *, submitting: bool = False) -> None:
        super().__init__(data)
        self.submitting = submitting
        self.lines: list[RequestLine] = list(review.application.lines.select_related("pool"))
        written = {line.pool_id: line.recommended_gpu_seconds for line in review.lines.all()}
        for name in ("verdict", "comment_to_applicant", "comment_to_panel"):
            self.initial[name] = getattr(review, name)
        for line in self.lines:
            self.fields[_name(line.pool)] = GpuHoursField(
                label=gettext("Recommended in %(pool)s") % {"pool": line.pool},
                least="0",
                required=False,
                initial=written.get(line.pool_id, line.requested_gpu_seconds),
            )
        self.order_fields(["verdict", *(_name(line.pool) for line in self.lines)])

    def amount_fields(self) -> list[tuple[RequestLine, BoundField]]:
        return [(line, self[_name(line.pool)]) for line in self.lines]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for line in self.lines:
            self._check_amount(line, cleaned.get(_name(line.pool)))
        if self.submitting:
            self._check_complete(cleaned)
        return cleaned

    def _check_amount(self, line: RequestLine, seconds: int | None) -> None:
        if seconds is not None and seconds > (line.requested_gpu_seconds or 0):
            self.add_error(_name(line.pool), gettext("Recommend no more than what is requested."))

    def _check_complete(self, cleaned: dict[str, Any]) -> None:
        verdict = cleaned.get("verdict")
        if not verdict:
            self.add_error("verdict", gettext("Choose a verdict."))
        if verdict in {Verdict.CHANGES, Verdict.INFEASIBLE} and not cleaned.get("comment_to_applicant", "").strip():
            text = gettext("Tell the applicant what has to change, or why it is not feasible.")
            self.add_error("comment_to_applicant", text)
        if verdict == Verdict.CHANGES:
            for line in self.lines:
                if cleaned.get(_name(line.pool)) is None and _name(line.pool) not in self.errors:
                    self.add_error(_name(line.pool), gettext("Write an amount; 0 where nothing is recommended."))

    def opinion(self) -> TechnicalOpinion:
        """What is valid of it. Where it is not feasible nothing is recommended, whatever the fields say."""
        valid = self.cleaned_data
        verdict = valid.get("verdict", "")
        amounts = {line.pool: valid.get(_name(line.pool)) for line in self.lines}
        if verdict == Verdict.INFEASIBLE:
            amounts = {line.pool: 0 for line in self.lines}
        return TechnicalOpinion(
            verdict=verdict,
            comment_to_applicant=valid.get("comment_to_applicant", ""),
            comment_to_panel=valid.get("comment_to_panel", ""),
            recommended={pool: seconds for pool, seconds in amounts.items() if seconds is not None},
        )


def _name(pool: Pool) -> str:
    return f"recommended_{pool.code}"
