"""Rows of the form that grow: proposed members and related grants. A row without anything written is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.forms.controls import DayInput
from allocations.models import Application
from allocations.services.drafts import DraftGrant, DraftMember
from portal.people.models import cluster_username_validator


class MemberForm(forms.Form):
    email = forms.EmailField(label=gettext_lazy("E-mail"), required=False)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80, required=False)
    cluster_username = forms.CharField(
        label=gettext_lazy("Cluster user name"),
        max_length=31,
        required=False,
        validators=[cluster_username_validator],
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        others = cleaned.get("name") or cleaned.get("cluster_username")
        if others and not cleaned.get("email") and "email" not in self.errors:
            self.add_error("email", _("Write the member's e-mail address."))
        return cleaned


class RelatedGrantForm(forms.Form):
    number = forms.CharField(label=gettext_lazy("Grant number"), max_length=60, required=False)
    agency = forms.CharField(label=gettext_lazy("Agency"), max_length=80, required=False)
    title = forms.CharField(label=gettext_lazy("Grant title"), max_length=160, required=False)
    ends_on = forms.DateField(label=gettext_lazy("Grant ends on"), required=False, widget=DayInput)
    use_required_attribute = False

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        others = cleaned.get("agency") or cleaned.get("title") or cleaned.get("ends_on")
        if others and not cleaned.get("number") and "number" not in self.errors:
            self.add_error("number", _("Write the grant's number."))
        return cleaned


class BaseRows(forms.BaseFormSet):
    """`key` is the field that names a row, `stored` are the names stored now; a second row of the same name is refused
    and not stored."""

    key = ""
    stored: list[str]
    twice = gettext_lazy("This is listed twice.")

    def clean(self) -> None:
        seen: set[str] = set()
        for form in self._current():
            name = self._name(form)
            if name and name in seen:
                form.add_error(self.key, self.twice)
            seen.add(name)

    def _current(self) -> Iterator[forms.Form]:
        for form in self.forms:
            if hasattr(form, "cleaned_data") and not form.cleaned_data.get("DELETE"):
                yield form

    def _name(self, form: forms.Form) -> str:
        return str(form.cleaned_data.get(self.key) or "").lower()

    def _named(self) -> Iterator[forms.Form]:
        seen: set[str] = set()
        for form in self._current():
            name = self._name(form)
            if name and name not in seen:
                seen.add(name)
                yield form


class BaseMembers(BaseRows):
    key = "email"
    twice = gettext_lazy("This address is listed twice.")

    def written(self) -> list[DraftMember]:
        return [
            DraftMember(
                self._name(form), form.cleaned_data.get("name", ""), form.cleaned_data.get("cluster_username", "")
            )
            for form in self._named()
        ]


class BaseRelatedGrants(BaseRows):
    key = "number"

    def written(self) -> list[DraftGrant]:
        return [
            DraftGrant(
                form.cleaned_data["number"],
                form.cleaned_data.get("agency", ""),
                form.cleaned_data.get("title", ""),
                form.cleaned_data.get("ends_on"),
            )
            for form in self._named()
        ]


def _rows(form: type[forms.Form], formset: type[BaseRows], most: int) -> type[Any]:
    return forms.formset_factory(
        form, formset=formset, extra=1, can_delete=True, can_delete_extra=False, max_num=most, validate_max=True
    )


MemberRows = _rows(MemberForm, BaseMembers, 50)
RelatedGrantRows = _rows(RelatedGrantForm, BaseRelatedGrants, 10)


def member_rows(application: Application, data: QueryDict | None = None) -> BaseMembers:
    rows = list(application.proposed_members.values("email", "name", "cluster_username"))
    return _filled(MemberRows, "members", rows, data)


def related_grant_rows(application: Application, data: QueryDict | None = None) -> BaseRelatedGrants:
    rows = list(application.related_grants.values("number", "agency", "title", "ends_on"))
    return _filled(RelatedGrantRows, "grants", rows, data)


def _filled(rows: type[Any], prefix: str, stored: list[Any], data: QueryDict | None) -> Any:
    """What was sent stands for itself: compared with what the form has saved by itself meanwhile, its new rows would
    count as untouched and be left out."""
    formset = rows(data, prefix=prefix, initial=None if data is not None else stored)
    formset.stored = [row[formset.key] for row in stored]
    return formset
