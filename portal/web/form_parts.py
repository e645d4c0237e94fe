"""What the tags `{% field %}` and `{% form_errors %}` draw: form fields that say what is wrong with them.

{% field form.hours suffix=_("hours") %}   label, help, widget, unit and errors, tied together for screen readers
{% form_errors form formset %}             every problem of the forms, each a link to its field
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms import BaseForm, BaseFormSet, BoundField
from django.template import Context
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class Choice:
    """One radio button or check box of a group."""

    tag: SafeString
    label: str


@dataclass(frozen=True)
class Problem:
    """One sentence of the summary; `target` is the id of the control it is about, "" for the whole form."""

    text: str
    label: str
    target: str


def field(
    bound: BoundField,
    *,
    label: str = "",
    help: str = "",
    suffix: str = "",
    required: bool | None = None,
    hide_label: bool = False,
    inline: bool = False,
) -> dict[str, Any]:
    """What parts/field.html needs. `required` overrides the mark only (a draft may lack what a submission may not)."""
    widget = bound.field.widget
    help_text = help or bound.help_text
    kind = "control"
    if isinstance(widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        kind = "choices"
    elif isinstance(widget, forms.CheckboxInput):
        kind = "checkbox"
    described_by = " ".join(
        f"{bound.auto_id}_{part}"
        for part, present in (("helptext", help_text), ("unit", suffix), ("error", bound.errors))
        if present
    )
    return {
        "field": bound,
        "kind": kind,
        "choices": list(_choices(bound)) if kind == "choices" else [],
        "control": "" if kind == "choices" else bound.as_widget(attrs=_attributes(bound, described_by)),
        "described_by": described_by,
        "label": label or bound.label,
        "help_text": help_text,
        "suffix": suffix,
        "required": bound.field.required if required is None else required,
        "hide_label": hide_label,
        "inline": inline,
    }


def _attributes(bound: BoundField, described_by: str) -> dict[str, Any]:
    own = bound.field.widget.attrs
    attributes: dict[str, Any] = {}
    if joined := " ".join(filter(None, [own.get("aria-describedby", ""), described_by])):
        attributes["aria-describedby"] = joined
    if own.get("placeholder") == bound.label:
        attributes["placeholder"] = False  # the label says it already; False leaves the attribute out
    return attributes


def _choices(bound: BoundField) -> Iterator[Choice]:
    for option in bound.subwidgets:
        # The group as a whole is invalid, which a single radio button may not say of itself.
        option.data["attrs"].pop("aria-invalid", None)
        yield Choice(tag=option.tag(), label=option.choice_label)


def form_errors(context: Context, *parts: BaseForm | BaseFormSet[Any] | None) -> dict[str, Any]:
    """What parts/form_errors.html needs: every problem of the forms and formsets, in their order.

    Where they answer something that was just sent, the summary takes the focus, so that it is read out.
    """
    return {
        "problems": [problem for part in parts if part is not None for problem in _problems(part)],
        "focus": "request" in context and context["request"].method == "POST",
    }


def _problems(part: BaseForm | BaseFormSet[Any], row: int = 0) -> Iterator[Problem]:
    if isinstance(part, BaseFormSet):
        if part.is_bound:
            yield from (Problem(str(text), "", "") for text in part.non_form_errors())
            for number, form in enumerate(part.forms, start=1):
                yield from _problems(form, number)
        return
    for text in part.non_field_errors():
        yield Problem(str(text), _row_label("", row), "")
    for bound in part:
        for text in bound.errors:
            yield Problem(str(text), _row_label(str(bound.label), row), "" if bound.is_hidden else _target(bound))


def _row_label(label: str, row: int) -> str:
    """`Row 2: E-mail` in a formset, else the label itself."""
    if not row:
        return label
    return _("Row %(row)s: %(label)s") % {"row": row, "label": label} if label else _("Row %(row)s") % {"row": row}


def _target(bound: BoundField) -> str:
    if isinstance(bound.field.widget, forms.RadioSelect | forms.CheckboxSelectMultiple):
        return f"{bound.auto_id}_0"
    return bound.id_for_label
