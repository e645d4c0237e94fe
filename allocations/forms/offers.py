"""The applicant's answer to a selection: a tick for each text of the agreement, or a word why not."""

from __future__ import annotations

from collections.abc import Iterable

from django import forms
from django.forms import BoundField
from django.http import QueryDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from allocations.models import ConsentText


class AgreementForm(forms.Form):
    use_required_attribute = False

    def __init__(self, texts: Iterable[ConsentText], data: QueryDict | None = None) -> None:
        super().__init__(data)
        self.texts = list(texts)
        for text in self.texts:
            self.fields[_name(text)] = forms.BooleanField(
                label=gettext("I have read “%(title)s” and agree") % {"title": text.title},
                required=text.required,
                error_messages={"required": gettext("Agree to “%(title)s” to accept.") % {"title": text.title}},
            )

    def text_fields(self) -> list[tuple[ConsentText, BoundField]]:
        return [(text, self[_name(text)]) for text in self.texts]

    @property
    def given(self) -> dict[ConsentText, bool]:
        return {text: bool(self.cleaned_data.get(_name(text))) for text in self.texts}


class TurnDownForm(forms.Form):
    reason = forms.CharField(label=_("Why you turn it down"), max_length=300, widget=forms.Textarea(attrs={"rows": 4}))
    use_required_attribute = False


def _name(text: ConsentText) -> str:
    """With the version: who ticked one text has not agreed to the next."""
    return f"agree_{text.code}_{text.version}"
