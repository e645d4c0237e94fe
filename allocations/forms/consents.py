"""Consents: a box for each text, ticked by nobody but the person."""

from __future__ import annotations

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from allocations.models import ConsentText


class ConsentForm(forms.Form):
    """Boxes called `consent-<code>`, each with the version read in `consent-<code>-version`. `answers`: the text's key
    to the answer given before. Other stages may use it too (agreement, reviewers).

    Whether required ones are agreed to is the service's to say, with all other problems.
    """

    use_required_attribute = False

    def __init__(
        self, texts: list[ConsentText], data: QueryDict | None = None, answers: dict[int, bool] | None = None
    ) -> None:
        self.texts = texts
        super().__init__(data)
        for text in texts:
            self.fields[f"consent-{text.code}"] = forms.BooleanField(
                label=text.title, required=False, initial=(answers or {}).get(text.pk, False)
            )

    @property
    def rows(self) -> list[tuple[ConsentText, forms.BoundField]]:
        return [(text, self[f"consent-{text.code}"]) for text in self.texts]

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or {}
        for text in self.texts:
            if self.data.get(f"consent-{text.code}-version", str(text.version)) != str(text.version):
                message = _("This text was changed meanwhile. Please read it again.")
                self.add_error(f"consent-{text.code}", message)
        return cleaned

    def given(self) -> dict[ConsentText, bool]:
        """The answers to the texts that were read in the version in use."""
        return {
            text: bool(self.cleaned_data.get(f"consent-{text.code}"))
            for text in self.texts
            if f"consent-{text.code}" not in self.errors
        }
