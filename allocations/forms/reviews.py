"""The reviewer's forms: the declaration, and a score per criterion of the call, two comments, an amount."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Application, Criterion, Review
from allocations.scoring import HIGHEST, anchors, has_own_anchors
from allocations.selectors.reviews import technical_result
from allocations.services.reviews import Opinion, opinion_of
from portal.web.templatetags.figures import gpu_hours_unit


class ConflictForm(forms.Form):
    conflict_reason = forms.CharField(
        label=_("What the conflict is"),
        help_text=_("One sentence. The office reads it, the applicant does not."),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"required": _("Say in a sentence what the conflict is.")},
    )
    use_required_attribute = False


class ReviewForm(forms.Form):
    """`submitting` demands everything; otherwise what is there is kept."""

    use_required_attribute = False

    def __init__(self, review: Review, data: QueryDict | None = None, *, submitting: bool = False) -> None:
        self.review = review
        self.criteria = list(review.application.call.criteria.all())
        super().__init__(data, initial=_initial(review))
        self.fields["revision"] = forms.IntegerField(widget=forms.HiddenInput, required=False)
        for criterion in self.criteria:
            self.fields[_name(criterion)] = _score_field(criterion, submitting)
        self.fields["recommended_hours"] = GpuHoursField(
            label=_("Recommended GPU-hours"),
            help_text=_amount_help(review.application),
            least="0",
            required=submitting,
        )
        self.fields["comment_to_applicant"] = forms.CharField(
            label=_("Comment to the applicant"),
            help_text=_("Shown with the decision, without your name."),
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

    def clean_recommended_hours(self) -> int | None:
        amount: int | None = self.cleaned_data["recommended_hours"]
        if amount is not None and amount > self.review.application.requested_gpu_seconds:
            raise forms.ValidationError(gettext("Recommend no more than what is requested."))
        return amount

    def score_fields(self) -> list[tuple[Criterion, BoundField, bool]]:
        """Each criterion with its field, and whether its anchors are short enough to stand side by side."""
        return [(row, self[_name(row)], not has_own_anchors(row)) for row in self.criteria]

    def opinion(self) -> Opinion:
        """What is written, as far as it is valid; where it is not, what was kept before stays."""
        kept = opinion_of(self.review)
        cleaned = self.cleaned_data
        scores = {row.pk: cleaned.get(_name(row), kept.scores.get(row.pk)) for row in self.criteria}
        return Opinion(
            scores={pk: value for pk, value in scores.items() if value is not None},
            comment_to_applicant=cleaned.get("comment_to_applicant", kept.comment_to_applicant),
            comment_to_panel=cleaned.get("comment_to_panel", kept.comment_to_panel),
            recommended_gpu_seconds=cleaned.get("recommended_hours", kept.recommended_gpu_seconds),
        )

    def revision(self) -> int:
        """The one the writer started from; -1, which is none, where the page did not say."""
        found = self.cleaned_data.get("revision")
        return -1 if found is None else found


def scored_text(review: Review, opinion: Opinion) -> str:
    """How many criteria have a score: "2 of 4 scored"."""
    whole = review.application.call.criteria.count()
    return gettext("%(done)s of %(whole)s scored") % {"done": len(opinion.scores), "whole": whole}


def _score_field(criterion: Criterion, submitting: bool) -> forms.Field:
    words = anchors(criterion)
    return forms.TypedChoiceField(
        label=criterion.name,
        help_text=escape(criterion.help),  # the field template takes HTML
        choices=[(value, f"{value} {words[value]}") for value in range(HIGHEST, -1, -1)],
        coerce=int,
        empty_value=None,
        required=submitting,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose a score.")},
    )


def _amount_help(application: Application) -> str:
    """With the figures it is weighed against, which stand far away on a phone."""
    requested = gpu_hours_unit(application.requested_gpu_seconds)
    technical = technical_result(application)
    if technical is None:
        return gettext("What you would award; 0 if nothing. Requested: %(requested)s.") % {"requested": requested}
    recommended = gpu_hours_unit(sum(line.recommended_gpu_seconds for line in technical.lines.all()))
    text = gettext(
        "What you would award; 0 if nothing. Requested: %(requested)s; technically recommended: %(recommended)s."
    )
    return text % {"requested": requested, "recommended": recommended}


def _name(criterion: Criterion) -> str:
    return f"score_{criterion.pk}"


def _initial(review: Review) -> dict[str, Any]:
    kept = opinion_of(review)
    scores = {f"score_{pk}": value for pk, value in kept.scores.items()}
    return {
        **scores,
        "revision": review.revision,
        "comment_to_applicant": kept.comment_to_applicant,
        "comment_to_panel": kept.comment_to_panel,
        "recommended_hours": kept.recommended_gpu_seconds,
    }
