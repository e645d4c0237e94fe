"""Form controls for the fields of allocations/fields. A draft may lack everything, so none of them insists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from allocations import business_number
from allocations.fields import Field, Kind
from allocations.forms.amounts import WholeNumberField

# A text that is too long is kept and listed as a problem (services/completeness.py): nobody's words are cut off.
MOST_KEPT = 20_000
# More choices than this are a list to open.
MOST_BUTTONS = 4
LONG_TEXT = 1000


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class KeywordsField(forms.CharField):
    """Words separated by commas; the value is a list without repetitions."""

    def to_python(self, value: Any) -> Any:
        # Checks of text do not reach into a list: what PostgreSQL cannot keep goes here.
        written = (super().to_python(value) or "").replace("\0", "")
        words = [word.strip() for word in written.split(",")]
        return list(dict.fromkeys(word[:40] for word in words if word))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value


class BusinessNumberField(forms.CharField):
    """Shown with hyphens, kept as ten digits; one that cannot be is refused where it is written."""

    def to_python(self, value: Any) -> Any:
        digits = business_number.digits_of(super().to_python(value) or "")
        if digits and (message := business_number.problem(digits)):
            raise forms.ValidationError(message)
        return digits

    def prepare_value(self, value: Any) -> Any:
        return business_number.shown(value) if isinstance(value, str) else value


def control(field: Field) -> forms.Field:
    """The control of a field that is no block."""
    common: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": False}
    if field.name == "business_number":
        return BusinessNumberField(max_length=20, widget=_line(inputmode="numeric"), **common)
    if field.kind == Kind.TEXT:
        common["help_text"] = " ".join(filter(None, [str(field.help), length_text(field.max_length)]))
        rows = {"rows": 3 if field.max_length < LONG_TEXT else 5 if field.max_length == LONG_TEXT else 9}
        return forms.CharField(max_length=MOST_KEPT, widget=forms.Textarea(attrs=rows), **common)
    if field.kind == Kind.NUMBER:
        return WholeNumberField(min_value=0, max_value=1_000_000, **common)
    if field.kind == Kind.DATE:
        return forms.DateField(widget=DayInput, **common)
    if field.kind == Kind.SEVERAL:
        return forms.MultipleChoiceField(choices=field.choices, widget=forms.CheckboxSelectMultiple, **common)
    if field.kind == Kind.KEYWORDS:
        return KeywordsField(max_length=field.max_length, **common)
    if field.kind == Kind.CHOICE:
        if has_buttons(field):
            return forms.ChoiceField(choices=field.choices, widget=forms.RadioSelect, **common)
        return forms.ChoiceField(choices=[("", _("Please choose")), *field.choices], **common)
    return forms.CharField(max_length=field.max_length, **common)


def has_buttons(field: Field) -> bool:
    """Whether every choice is a button of its own."""
    return field.kind == Kind.SEVERAL or (field.kind == Kind.CHOICE and len(field.choices) <= MOST_BUTTONS)


def length_text(most: int) -> str:
    return _("At most %(most)s characters.") % {"most": f"{most:,}"}


def _line(**attrs: str) -> forms.TextInput:
    return forms.TextInput(attrs=attrs)
