"""What is written in a field of an application, wherever it is stored, and how it reads."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _

from allocations import business_number
from allocations.fields.choices import NO, YES
from allocations.fields.kinds import Field, Kind, Section
from allocations.models import Application, FirmDetails


def firm_of(application: Application) -> FirmDetails | None:
    return getattr(application, "firm", None)


def value_of(application: Application, field: Field) -> Any:
    """The value of a field that is no block; None, "" or [] where nothing is written."""
    if field.has_column:
        return getattr(application, field.name)
    if field.section != Section.FIRM:
        return application.answers.get(field.name)
    value = getattr(firm_of(application), field.name, None)
    return {True: YES, False: NO, None: None}[value] if field.name == "in_pohang" else value


def is_empty(value: Any) -> bool:
    return value is None or value in ("", []) or (isinstance(value, str) and not value.strip())


def shown(field: Field, value: Any) -> str:
    """The value as text in the reader's language; "" where nothing is written."""
    if is_empty(value):
        return ""
    if field.name == "business_number":
        return business_number.shown(str(value))
    if field.kind == Kind.CHOICE:
        return str(dict(field.choices).get(value, value))
    if field.kind == Kind.SEVERAL:
        labels = dict(field.choices)
        return ", ".join(str(labels.get(one, one)) for one in value)
    if field.kind == Kind.KEYWORDS:
        return ", ".join(value)
    if field.kind == Kind.DATE:
        day = value if isinstance(value, date) else date.fromisoformat(value)
        return formats.date_format(day)
    if field.kind == Kind.NUMBER and field.name == "storage_tb":
        return _("%(size)s TB") % {"size": value}
    return str(value)
