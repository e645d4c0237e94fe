"""Inviting reviewers, their profile and standing conflicts; assigning, waiving and going on with fewer."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.models import ReviewerProfile
from allocations.services.reviewers import Profile
from allocations.workdays import DAY_ENDS
from portal.people.models import Institution

MOST_KEYWORDS = 20
LONGEST_KEYWORD = 40
DATE = {"type": "date"}


class KeywordsField(forms.CharField):
    """Keywords separated by commas or lines; the value is a list without repetitions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=1000, **options)

    def clean(self, value: Any) -> list[str]:
        words = [" ".join(word.split()) for word in re.split(r"[,;\n]", super().clean(value))]
        kept = list(dict.fromkeys(word for word in words if word))
        if len(kept) > MOST_KEYWORDS:
            raise forms.ValidationError(gettext("Write at most %(most)s keywords.") % {"most": MOST_KEYWORDS})
        if too_long := [word for word in kept if len(word) > LONGEST_KEYWORD]:
            raise forms.ValidationError(gettext("This keyword is too long: %(word)s") % {"word": too_long[0]})
        return kept

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class ReviewerInviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"))
    name = forms.CharField(label=_("Name"), max_length=80, required=False)
    keywords = KeywordsField(label=_("Keywords"), help_text=_("Separated by commas."), required=False)
    use_required_attribute = False


class ProfileForm(forms.Form):
    keywords = KeywordsField(
        label=_("Keywords of your fields"),
        help_text=_("Separated by commas, in Korean or English. Applications are matched by them."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    most_at_once = forms.IntegerField(label=_("Reviews at a time, at most"), min_value=1, max_value=50)
    paused = forms.BooleanField(
        label=_("Take no new reviews for now"),
        help_text=_("Reviews that are open already stay."),
        required=False,
    )
    use_required_attribute = False

    def __init__(self, profile: ReviewerProfile, data: QueryDict | None = None) -> None:
        initial = {
            "keywords": profile.keywords,
            "most_at_once": profile.most_at_once,
            "paused": profile.paused_at is not None,
        }
        super().__init__(data, initial=initial)

    def profile(self) -> Profile:
        return Profile(**self.cleaned_data)


class StandingConflictForm(forms.Form):
    email = forms.EmailField(label=_("E-mail address of a person"), required=False)
    institution = forms.ModelChoiceField(
        Institution.objects.filter(confirmed=True), label=_("or an institution"), required=False, empty_label=_("None")
    )
    reason = forms.CharField(label=_("Reason"), max_length=300, required=False)
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not (cleaned.get("email") or cleaned.get("institution")):
            self.add_error("email", gettext("Name a person's e-mail address or an institution."))
        return cleaned


class DueForm(forms.Form):
    """A last day; the value is its 18:00 in Seoul, None where the call's days count."""

    due_on = forms.DateField(label=_("Due on"), required=False, widget=forms.DateInput(attrs=DATE, format="%Y-%m-%d"))
    use_required_attribute = False

    def clean_due_on(self) -> datetime | None:
        day: date | None = self.cleaned_data["due_on"]
        if day is None:
            return None
        zone = timezone.get_default_timezone()
        if day < timezone.localdate(timezone=zone):
            raise forms.ValidationError(gettext("Choose a day that is not past."))
        return datetime.combine(day, DAY_ENDS, tzinfo=zone)


class ProlongForm(DueForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["due_on"].required = True


class ReasonForm(forms.Form):
    reason = forms.CharField(label=_("Reason"), max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))
    use_required_attribute = False
