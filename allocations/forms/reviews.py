"""The reviewer's form: a score per criterion of the call, two comments, an amount."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Criterion, Review
from allocations.services.reviews import Opinion

ANCHORS = [
    (5, _("5 excellent")),
    (4, _("4 very good")),
    (3, _("3 good")),
    (2, _("2 fair")),
    (1, _("1 weak")),
    (0, _("0 not adequate")),
]


class ReviewForm(forms.Form):
    """`submitting` demands everything; otherwise what is there is kept."""

    use_required_attribute = False

    def __init__(self, review: Review, data: QueryDict | None = None, *, submitting: bool = False) -> None:
        self.criteria = list(review.application.call.criteria.all())
        super().__init__(data, initial=_initial(review))
        for criterion in self.criteria:
            self.fields[_name(criterion)] = forms.TypedChoiceField(
                label=criterion.name,
                help_text=criterion.help,
                choices=ANCHORS,
                coerce=int,
                empty_value=None,
                required=submitting,
                widget=forms.RadioSelect,
                error_messages={"required": _("Choose a score.")},
            )
        self.fields["recommended_hours"] = GpuHoursField(
            label=_("Recommended GPU-hours"),
            help_text=_("What you would award; 0 if nothing."),
            least="0",
            required=submitting,
        )
        self.fields["comment_to_applicant"] = forms.CharField(
            label=_("Comment to the applicant"),
            help_text=_("Sent with the decision, without your name."),
            max_length=4000,
            required=submitting,
            widget=forms.Textarea(attrs={"rows": 6}),
        )
        self.fields["comment_to_panel"] = forms.CharField(
            label=_("Comment to the panel only"),
            max_length=4000,
            required=False,
            widget=forms.Textarea(attrs={"rows": 4}),
        )

    def score_fields(self) -> list[tuple[Criterion, BoundField]]:
        return [(criterion, self[_name(criterion)]) for criterion in self.criteria]

    def opinion(self) -> Opinion:
        given = {criterion.pk: self.cleaned_data[_name(criterion)] for criterion in self.criteria}
        return Opinion(
            scores={pk: value for pk, value in given.items() if value is not None},
            comment_to_applicant=self.cleaned_data["comment_to_applicant"],
            comment_to_panel=self.cleaned_data["comment_to_panel"],
            recommended_gpu_seconds=self.cleaned_data["recommended_hours"],
        )


def _name(criterion: Criterion) -> str:
    return f"score_{criterion.pk}"


def _initial(review: Review) -> dict[str, Any]:
    scores = {f"score_{score.criterion_id}": score.value for score in review.scores.all()}
    return {
        **scores,
        "comment_to_applicant": review.comment_to_applicant,
        "comment_to_panel": review.comment_to_panel,
        "recommended_hours": review.recommended_gpu_seconds,
    }
