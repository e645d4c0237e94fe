"""One step of the application form: its fields as the call asks for them, its blocks, and what of it can be stored."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms import BoundField
from django.http import QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _

from allocations.fields import Field, Kind, Level, Section, fields_of
from allocations.fields.choices import NO, YES
from allocations.fields.values import value_of
from allocations.forms.attachments import FilesForm
from allocations.forms.consents import ConsentForm
from allocations.forms.controls import control
from allocations.forms.need import PoolBlock
from allocations.forms.rows import BaseMembers, BaseRelatedGrants, member_rows, related_grant_rows
from allocations.models import Application, ConsentText
from allocations.services.consents import answers_of, texts_for
from allocations.services.drafts import Draft

Files = MultiValueDict[str, UploadedFile]
USUAL_MONTHS = 6
STARTER_MONTHS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """A field as it stands on the page; a block has no control of its own."""

    field: Field
    required: bool
    bound: BoundField | None


class StepForm(forms.Form):
    """The fields of a step that are no blocks, and the delegate's two."""

    use_required_attribute = False

    def __init__(self, application: Application, rows: list[tuple[Field, Level]], data: QueryDict | None) -> None:
        names = {field.name for field, _level in rows}
        super().__init__(data, initial=_initial(application, rows))
        for field, _level in rows:
            if field.kind != Kind.BLOCK:
                self.fields[field.name] = control(field)
        if "delegate" in names:
            self.fields["delegate_name"] = forms.CharField(label=_("Name"), max_length=80, required=False)
            self.fields["delegate_email"] = forms.EmailField(label=_("E-mail"), required=False)

    def kept(self, name: str) -> Any:
        """What is written; where that is not valid, what is stored, else nothing."""
        if name not in self.errors:
            return self.cleaned_data[name]
        stored = self.initial.get(name)
        return self.fields[name].clean("") if stored is None else stored


class Step:
    """A step with everything on it, unbound or as it was just sent."""

    def __init__(
        self, application: Application, section: Section, data: QueryDict | None = None, files: Files | None = None
    ) -> None:
        self.application, self.section = application, section
        self._fields = fields_of(application.call, section)
        names = {field.name for field, _level in self._fields}
        self.form = StepForm(application, self._fields, data)
        self.blocks = [PoolBlock(application, pool, data) for pool in self._pools(names)]
        self.members: BaseMembers | None = member_rows(application, data) if "members" in names else None
        self.grants: BaseRelatedGrants | None = (
            related_grant_rows(application, data) if "related_grants" in names else None
        )
        self.files = FilesForm(application, data, files) if "attachments" in names else None
        self.consents = self._consents(data) if "consents" in names else None

    def _pools(self, names: set[str]) -> list[Any]:
        return list(self.application.call.pools.order_by("position", "code")) if "need" in names else []

    def _consents(self, data: QueryDict | None) -> ConsentForm:
        texts = texts_for(ConsentText.Stage.APPLICATION, self.application.call.track)
        return ConsentForm(texts, data, answers_of(self.application.applicant, texts, self.application))

    @property
    def rows(self) -> list[Row]:
        return [
            Row(field, level == Level.REQUIRED, None if field.kind == Kind.BLOCK else self.form[field.name])
            for field, level in self._fields
        ]

    @property
    def has_fields(self) -> bool:
        return any(row.bound is not None for row in self.rows)

    @property
    def parts(self) -> list[Any]:
        """Every form and formset, in the order of the page."""
        optional = [self.members, self.grants, self.files, self.consents]
        return [self.form, *self.blocks, *(part for part in optional if part is not None)]

    def is_valid(self) -> bool:
        """Every part is looked at, so that every problem is named."""
        answers = [part.is_valid() for part in self.parts]
        return all(answers)

    def draft(self) -> Draft:
        """What can be stored: every field that is valid as written, the others as they were. Call is_valid first."""
        named = {field.name: field for field, _level in self._fields if field.kind != Kind.BLOCK}
        values = {name: self.form.kept(name) for name in named}
        columns = {name: value for name, value in values.items() if named[name].has_column}
        if "delegate_name" in self.form.fields:
            columns |= {name: self.form.kept(name) or "" for name in ["delegate_name", "delegate_email"]}
        firm = self.section == Section.FIRM
        return Draft(
            columns=columns,
            answers={} if firm else {name: value for name, value in values.items() if name not in columns},
            lines=self._lines(),
            members=self.members.written() if self.members is not None else None,
            related_grants=self.grants.written() if self.grants is not None else None,
            firm=_firm(values) if firm else None,
            uploads=self.files.uploads() if self.files is not None else (),
            removed=self.files.removed() if self.files is not None else frozenset(),
        )

    def _lines(self) -> list[Any] | None:
        return [line for block in self.blocks if (line := block.draft()) is not None] if self.blocks else None

    def differences(self) -> Iterator[tuple[str, str]]:
        """Label and stored text of what is stored otherwise than written here."""
        for part in [self.form, *self.blocks]:
            for name, field in part.fields.items():
                stored = field.prepare_value(part.initial.get(name))
                written = part[name].data
                if _text(written) != _text(stored):
                    prefix = f"{part.pool}: " if isinstance(part, PoolBlock) else ""
                    yield f"{prefix}{field.label}", _shown(field, stored) or "–"
        for label, rows in [(_("Members"), self.members), (_("Related grants"), self.grants)]:
            if rows is not None and [getattr(row, rows.key) for row in rows.written()] != rows.stored:
                yield label, ", ".join(rows.stored) or "–"


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(str(one) for one in value)
    return "" if value is None else str(value).replace("\r\n", "\n").strip()


def _shown(field: forms.Field, stored: Any) -> str:
    labels = {str(key): str(label) for key, label in getattr(field, "choices", [])}
    values = stored if isinstance(stored, list | tuple) else [stored]
    return ", ".join(labels.get(str(value), _text(value)) for value in values)


def _firm(values: dict[str, Any]) -> dict[str, Any]:
    """As FirmDetails has it. Only what the call shows is written."""
    firm = dict(values)
    if "in_pohang" in firm:
        firm["in_pohang"] = {YES: True, NO: False}.get(firm["in_pohang"])
    return firm


def _initial(application: Application, rows: list[tuple[Field, Level]]) -> dict[str, Any]:
    initial = {field.name: value_of(application, field) for field, _level in rows if field.kind != Kind.BLOCK}
    initial |= {"delegate_name": application.delegate_name, "delegate_email": application.delegate_email}
    if "business_number" in initial and not initial["business_number"]:
        initial["business_number"] = application.institution.business_number or ""
    if "starts_on" in initial and initial["starts_on"] is None and initial["ends_on"] is None:
        initial |= usual_period(application)
    return initial


def usual_period(application: Application) -> dict[str, date]:
    """Proposed while none is written: half a year from the month after the close; for a starter, from today on."""
    call = application.call
    if call.track == call.Track.STARTER:
        first, months = timezone.localdate(), STARTER_MONTHS
    else:
        first, months = _first_of_next_month(timezone.localdate(call.closes_at)), USUAL_MONTHS
    most = min((tier.most_days for tier in call.tiers.all()), default=366)
    last = min(_months_later(first, months) - timedelta(days=1), first + timedelta(days=most - 1))
    return {"starts_on": first, "ends_on": last}


def _first_of_next_month(day: date) -> date:
    return day.replace(day=1) + timedelta(days=calendar.monthrange(day.year, day.month)[1])


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    day = min(first.day, calendar.monthrange(first.year + years, month + 1)[1])
    return date(first.year + years, month + 1, day)
