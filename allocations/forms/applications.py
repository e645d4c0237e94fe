"""The application form: one page, every field optional while it is a draft."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.forms.amounts import GpuHoursField, HoursField, WholeNumberField
from allocations.forms.attachments import AttachmentField
from allocations.models import Application, Pool, RequestLine
from allocations.services.applications import Draft, DraftMember
from portal.people.models import cluster_username_validator

Files = MultiValueDict[str, UploadedFile]
TEXTS = ["title_ko", "title_en", "summary", "purpose"]
USUAL_MONTHS = 6


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class PoolField(forms.ModelChoiceField):
    def label_from_instance(self, obj: Pool) -> str:
        return _("%(pool)s: %(gpus)s GPUs, at most %(most)s in one job") % {
            "pool": obj.name,
            "gpus": obj.gpus,
            "most": obj.most_gpus_per_job,
        }


class ApplicationForm(forms.Form):
    title_ko = forms.CharField(label=gettext_lazy("Project title in Korean"), max_length=160, required=False)
    title_en = forms.CharField(label=gettext_lazy("Project title in English"), max_length=160, required=False)
    summary = forms.CharField(
        label=gettext_lazy("Summary"),
        help_text=gettext_lazy("What you want to find out or build, in words anybody understands. 1,000 characters."),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    purpose = forms.CharField(
        label=gettext_lazy("Purpose and method"),
        help_text=gettext_lazy("Goal, data, model and method, what you expect of it. 4,000 characters."),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 12}),
    )
    pool = PoolField(
        label=gettext_lazy("GPU kind"),
        queryset=Pool.objects.none(),
        empty_label=None,
        required=False,
        widget=forms.RadioSelect,
    )
    gpus_per_job = WholeNumberField(label=gettext_lazy("GPUs per job"), min_value=1, max_value=1000, required=False)
    hours_per_run = HoursField(label=gettext_lazy("Hours per run"), most=10_000, required=False)
    runs = WholeNumberField(label=gettext_lazy("Runs"), min_value=1, max_value=100_000, required=False)
    requested_hours = GpuHoursField(
        label=gettext_lazy("Requested GPU-hours"),
        help_text=gettext_lazy("Filled in from the figures above; write another amount if you need more or less."),
        required=False,
    )
    starts_on = forms.DateField(label=gettext_lazy("First day"), required=False, widget=DayInput)
    ends_on = forms.DateField(label=gettext_lazy("Last day (included)"), required=False, widget=DayInput)
    attachment = AttachmentField(
        label=gettext_lazy("Attachment"),
        help_text=gettext_lazy("One file, if you like: PDF, HWP, HWPX, DOCX or PNG, at most 20 MB."),
        required=False,
    )
    remove_attachment = forms.BooleanField(label=gettext_lazy("Remove the attached file"), required=False)

    use_required_attribute = False

    def __init__(self, application: Application, data: QueryDict | None = None, files: Files | None = None) -> None:
        self.application = application
        self.line = application.lines.select_related("pool").first()
        super().__init__(data, files, initial=_initial(application, self.line))
        self.fields["pool"].queryset = application.call.pools.all()  # type: ignore[attr-defined]

    def draft(self, members: BaseMemberFormSet) -> Draft:
        """What can be stored: every field that is valid as written, the others as they were."""
        values = {name: self._kept(name) for name in [*TEXTS, "starts_on", "ends_on", "pool", "gpus_per_job", "runs"]}
        return Draft(
            **values,
            minutes_per_run=self._kept("hours_per_run"),
            requested_gpu_seconds=self._requested(),
            members=tuple(members.written()),
            upload=self.cleaned_data.get("attachment"),
            remove_attachment=bool(self.cleaned_data.get("remove_attachment")),
        )

    def differences(self, members: BaseMemberFormSet) -> Iterator[tuple[str, str]]:
        """Label and stored text of what is stored otherwise than written here."""
        stored_texts = {name: field.prepare_value(self.initial.get(name)) for name, field in self.fields.items()}
        for name, stored in stored_texts.items():
            if name in {"attachment", "remove_attachment"}:
                continue
            if str(self.data.get(name, "")).strip() != ("" if stored is None else str(stored).strip()):
                shown = self.initial.get(name) if name == "pool" else stored
                yield str(self.fields[name].label), str(shown or "–")
        stored_members = [row["email"] for row in members.initial or []]
        if [member.email for member in members.written()] != stored_members:
            yield _("Members"), ", ".join(stored_members) or "–"

    def _kept(self, name: str) -> Any:
        return self.initial.get(name) if name in self.errors else self.cleaned_data[name]

    def _requested(self) -> int | None:
        """The amount written. Without the live calculator, one that only repeated the old product follows the new."""
        requested = self._kept("requested_hours")
        line = self.line
        if self.data.get("calculator") == "live" or line is None or requested != line.product_gpu_seconds:
            return requested
        return None if requested == line.requested_gpu_seconds else requested


def _initial(application: Application, line: RequestLine | None) -> dict[str, Any]:
    initial = {name: getattr(application, name) for name in [*TEXTS, "starts_on", "ends_on"]}
    if application.revision == 0:
        first = _first_of_next_month(timezone.localdate(application.call.closes_at))
        initial |= {"starts_on": first, "ends_on": _months_later(first, USUAL_MONTHS) - timedelta(days=1)}
        initial["pool"] = application.call.pools.first()
    if line is not None:
        initial |= {
            "pool": line.pool,
            "gpus_per_job": line.gpus_per_job,
            "hours_per_run": line.minutes_per_run,
            "runs": line.runs,
            "requested_hours": line.requested_gpu_seconds,
        }
    return initial


def _first_of_next_month(day: date) -> date:
    return day.replace(day=1) + timedelta(days=calendar.monthrange(day.year, day.month)[1])


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return first.replace(year=first.year + years, month=month + 1)


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


class BaseMemberFormSet(forms.BaseFormSet):
    """Proposed members: a row each and an empty one; a row without anything written is nobody."""

    def clean(self) -> None:
        seen: set[str] = set()
        for form in self._current():
            email = form.cleaned_data.get("email", "").lower()
            if email and email in seen:
                form.add_error("email", _("This address is listed twice."))
            seen.add(email)

    def written(self) -> Iterator[DraftMember]:
        seen: set[str] = set()
        for form in self._current():
            email = form.cleaned_data.get("email", "").lower()
            if email and email not in seen:
                seen.add(email)
                username = form.cleaned_data.get("cluster_username", "")
                yield DraftMember(email, form.cleaned_data.get("name", ""), username)

    def _current(self) -> Iterator[MemberForm]:
        for form in self.forms:
            if hasattr(form, "cleaned_data") and not form.cleaned_data.get("DELETE"):
                yield form


MemberFormSet: type[BaseMemberFormSet] = forms.formset_factory(  # type: ignore[assignment]
    MemberForm,
    formset=BaseMemberFormSet,
    extra=1,
    can_delete=True,
    can_delete_extra=False,
    max_num=50,
    validate_max=True,
)


def member_rows(application: Application, data: QueryDict | None = None) -> BaseMemberFormSet:
    rows = application.proposed_members.values("email", "name", "cluster_username")
    return MemberFormSet(data, prefix="members", initial=list(rows))
