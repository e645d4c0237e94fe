"""What a PI asks for after the award, one small form each, and the center's answer.

Each form knows its project's running lines, checks by the same rules as the service, and asks by `ask`.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from allocations.changes import latest_day
from allocations.forms.amounts import GpuHoursField
from allocations.models import ChangeRequest, Grant, GrantLine, Membership, Pool, Project
from allocations.selectors.changes import LineFigures, running_grants
from allocations.selectors.reports import last_day
from allocations.services import Refused
from allocations.services import change_rules as rules
from allocations.services import changes as services
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours, gpu_hours_unit


class LineChoice(forms.ModelChoiceField):
    """A running line, named by its pool, what is left and until when."""

    figures: dict[int, LineFigures]

    def label_from_instance(self, line: Any) -> str:
        row = self.figures[line.pk]
        return _("%(pool)s: %(left)s left of %(granted)s, until %(day)s") % {
            "pool": row.pool.name,
            "left": gpu_hours(row.left),
            "granted": gpu_hours_unit(row.granted),
            "day": _day(row.last_day),
        }


class GrantChoice(forms.ModelChoiceField):
    def label_from_instance(self, grant: Any) -> str:
        return _("%(number)s, until %(day)s") % {"number": grant.reference, "day": _day(last_day(grant))}


class PersonChoice(forms.ModelChoiceField):
    def label_from_instance(self, person: Any) -> str:
        return f"{person.display_name} · {person.email}"


class ChangeForm(forms.Form):
    """`confirms`: what it does cannot be undone, so it is shown once more before it is done."""

    kind: ClassVar[ChangeRequest.Kind]
    heading: ClassVar[Any]
    lead: ClassVar[Any]
    confirms: ClassVar[bool] = False
    use_required_attribute = False

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=2000, widget=forms.Textarea(attrs={"rows": 4}), empty_value=""
    )

    def __init__(self, *args: Any, project: Project, lines: list[LineFigures], at: datetime, **options: Any) -> None:
        super().__init__(*args, **options)
        self.project, self.lines, self.at = project, lines, at
        self.prepare()
        self.order_fields([name for name in self.fields if name != "reason"])

    def prepare(self) -> None:
        """Offer what there is to choose from."""
        lines = [row.line.pk for row in self.lines]
        if isinstance(field := self.fields.get("line"), LineChoice):
            field.figures = {row.line.pk: row for row in self.lines}
            field.queryset = GrantLine.objects.filter(pk__in=lines).select_related("pool", "grant__project")
        if isinstance(field := self.fields.get("grant"), GrantChoice):
            grants = [grant.pk for grant in running_grants(self.lines)]
            field.queryset = Grant.objects.filter(pk__in=grants).select_related("application", "project")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.check(cleaned)
            except Refused as refusal:
                self.add_error(self.about(), str(refusal))
        return cleaned

    def about(self) -> str | None:
        """The field that a refusal is about."""
        return next((name for name in ("gpu_seconds", "until", "new_pi") if name in self.fields), None)

    def check(self, cleaned: dict[str, Any]) -> None:
        """Raises Refused where a rule forbids what is asked."""

    @abstractmethod
    def ask(self, by: User, at: datetime) -> ChangeRequest:
        """The request, made by the kind's own service. Raises Refused as that does."""


class SupplementForm(ChangeForm):
    kind = ChangeRequest.Kind.SUPPLEMENT
    heading = gettext_lazy("Ask for a supplement")
    lead = gettext_lazy(
        "More hours in a pool: at most half of what was awarded there, once for a grant. The center decides."
    )
    line = LineChoice(GrantLine.objects.none(), label=gettext_lazy("Grant"), empty_label=None)
    gpu_seconds = GpuHoursField(label=gettext_lazy("How much more"))

    def check(self, cleaned: dict[str, Any]) -> None:
        rules.require_supplement(cleaned["line"], cleaned["gpu_seconds"])

    def ask(self, by: User, at: datetime) -> ChangeRequest:
        return services.supplement_ask(**self.cleaned_data, by=by, at=at)


class ExtensionForm(ChangeForm):
    kind = ChangeRequest.Kind.EXTENSION
    heading = gettext_lazy("Ask for an extension")
    lead = gettext_lazy("A later last day, by six months at most, with the hours that are left. The center decides.")
    grant = GrantChoice(Grant.objects.none(), label=gettext_lazy("Grant"), empty_label=None)
    until = forms.DateField(
        label=gettext_lazy("New last day"), widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )

    def prepare(self) -> None:
        super().prepare()
        if grants := running_grants(self.lines):
            latest = max(latest_day(last_day(grant)) for grant in grants)
            self.fields["until"].help_text = _("No later than %(day)s.") % {"day": _day(latest)}

    def check(self, cleaned: dict[str, Any]) -> None:
        rules.require_extension(cleaned["grant"], cleaned["until"])

    def ask(self, by: User, at: datetime) -> ChangeRequest:
        return services.extension_ask(**self.cleaned_data, by=by, at=at)


class TransferForm(ChangeForm):
    kind = ChangeRequest.Kind.TRANSFER
    heading = gettext_lazy("Ask for a transfer between pools")
    lead = gettext_lazy("Move hours that are left to another GPU kind, at the pools' rates. The center decides.")
    confirms = True
    line = LineChoice(GrantLine.objects.none(), label=gettext_lazy("From pool"), empty_label=None)
    to_pool = forms.ModelChoiceField(
        Pool.objects.all(), label=gettext_lazy("To pool"), empty_label=gettext_lazy("Please choose")
    )
    gpu_seconds = GpuHoursField(label=gettext_lazy("How much to move"))
    arrives = 0

    def rates(self) -> list[tuple[Pool, str]]:
        """What an hour of each pool is worth, in standard hours: `2.00`."""
        rate = [(pool, divmod(pool.rate_hundredths, 100)) for pool in Pool.objects.all()]
        return [(pool, f"{whole}.{rest:02d}") for pool, (whole, rest) in rate]

    def check(self, cleaned: dict[str, Any]) -> None:
        self.arrives = rules.require_transfer(cleaned["line"], cleaned["to_pool"], cleaned["gpu_seconds"])

    def ask(self, by: User, at: datetime) -> ChangeRequest:
        return services.transfer_ask(**self.cleaned_data, by=by, at=at)


class ReturnForm(ChangeForm):
    kind = ChangeRequest.Kind.RETURN
    heading = gettext_lazy("Return hours")
    lead = gettext_lazy("Give back hours you do not need, so that others can use them. At once, and for good.")
    confirms = True
    SOME, ALL = "some", "all"
    what = forms.ChoiceField(
        label=gettext_lazy("What to return"),
        choices=[
            (SOME, gettext_lazy("Part of the hours; the grant goes on")),
            (ALL, gettext_lazy("Everything that is left; the grant ends at once")),
        ],
        widget=forms.RadioSelect,
        initial=SOME,
    )
    line = LineChoice(GrantLine.objects.none(), label=gettext_lazy("Grant"), empty_label=None)
    gpu_seconds = GpuHoursField(
        label=gettext_lazy("How much"), required=False, help_text=gettext_lazy("Only where a part is returned.")
    )

    def check(self, cleaned: dict[str, Any]) -> None:
        if self.everything(cleaned):
            return
        if not cleaned["gpu_seconds"]:
            raise Refused(_("Write how much is returned."))
        rules.require_left(cleaned["line"], cleaned["gpu_seconds"])

    def everything(self, cleaned: dict[str, Any]) -> bool:
        return cleaned["what"] == self.ALL

    def ask(self, by: User, at: datetime) -> ChangeRequest:
        asked = self.cleaned_data
        line, reason = asked["line"], asked["reason"]
        if self.everything(asked):
            return services.grant_return(grant=line.grant, reason=reason, by=by, at=at)
        return services.hours_return(line=line, gpu_seconds=asked["gpu_seconds"], reason=reason, by=by, at=at)


class PiChangeForm(ChangeForm):
    kind = ChangeRequest.Kind.PI_CHANGE
    heading = gettext_lazy("Ask for a change of PI")
    lead = gettext_lazy("Another member leads the project from then on. The center decides, and the new PI is told.")
    new_pi = PersonChoice(User.objects.none(), label=gettext_lazy("New PI"), empty_label=gettext_lazy("Please choose"))

    def prepare(self) -> None:
        active = self.project.memberships.filter(status=Membership.Status.ACTIVE).exclude(user=self.project.pi_id)
        # The delegate, who is named for this, comes first.
        people = User.objects.filter(is_active=True, memberships__in=active).order_by("-memberships__is_delegate", "pk")
        field = self.fields["new_pi"]
        if isinstance(field, PersonChoice):
            field.queryset = people

    def check(self, cleaned: dict[str, Any]) -> None:
        rules.require_new_pi(self.project, cleaned["new_pi"])

    def ask(self, by: User, at: datetime) -> ChangeRequest:
        return services.pi_change_ask(project=self.project, **self.cleaned_data, by=by, at=at)


FORMS: dict[str, type[ChangeForm]] = {
    form.kind: form for form in (SupplementForm, ExtensionForm, TransferForm, PiChangeForm, ReturnForm)
}


class AnswerForm(forms.Form):
    """The center's answer to a request; an amount may be cut."""

    gpu_seconds = GpuHoursField(label=gettext_lazy("Amount granted"))
    answer = forms.CharField(
        label=gettext_lazy("Answer"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("The PI reads it. Needed where the request is refused."),
    )
    use_required_attribute = False

    def __init__(self, data: Any = None, *, change: ChangeRequest) -> None:
        super().__init__(data, initial={"gpu_seconds": change.gpu_seconds})
        if change.gpu_seconds is None:
            del self.fields["gpu_seconds"]


def _day(day: Any) -> str:
    return formats.date_format(day, "DATE_FORMAT")
