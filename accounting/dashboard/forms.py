"""What is asked for in an address of the usage page: a period, its steps, and what use is grouped by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounting.dashboard.period import LONGEST, MOST_DAYS_AT_ALL, Period, Step
from accounting.statements.months import months_between, next_month, parse_month
from accounting.statements.rows import month_words
from allocations.forms.moments import DayInput

ONE_DAY = timedelta(days=1)
LAST_DAYS = (7, 28, 90)
GRANT, YEAR, DATES = "grant", "year", "dates"
# Without a grant to speak of.
DEFAULT_DAYS = "28"


class By(TextChoices):
    """What use is grouped by; `key` is the column of daily usage."""

    PERSON = "person", gettext_lazy("Member")
    POOL = "pool", gettext_lazy("Pool")
    PARTITION = "partition", gettext_lazy("Partition")
    KIND = "kind", gettext_lazy("GPU kind")

    @property
    def key(self) -> str:
        columns = {By.PERSON: "user_name", By.POOL: "account_name", By.PARTITION: "partition", By.KIND: "gpu_kind"}
        return columns[self]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form came to."""

    period: Period
    step: Step
    by: By


class UseForm(forms.Form):
    """Reads the query string; what is not in it is as on the first visit. `since` is the project's first day."""

    use_required_attribute = False

    period = forms.ChoiceField(label=pgettext_lazy("to be shown", "Period"))
    first = forms.DateField(label=gettext_lazy("From"), widget=DayInput(), required=False)
    last = forms.DateField(label=gettext_lazy("To (inclusive)"), widget=DayInput(), required=False)
    step = forms.ChoiceField(label=gettext_lazy("In steps of"), choices=Step.choices, required=False)
    by = forms.ChoiceField(label=gettext_lazy("Grouped by"), choices=By.choices)

    def __init__(self, data: Mapping[str, Any], *, grant: Period | None, since: date, today: date) -> None:
        self.grant, self.since, self.today = grant, since, today
        asked = {"period": GRANT if grant else DEFAULT_DAYS, "by": By.PERSON.value}
        given = {name: value for name, value in data.items() if name in self.base_fields}
        super().__init__(asked | given)
        choice: Any = self.fields["period"]
        choice.choices = self._periods()

    def _periods(self) -> list[Any]:
        periods: list[Any] = [(GRANT, _("This grant"))] if self.grant else []
        periods += [(str(days), _("Last %(days)s days") % {"days": days}) for days in LAST_DAYS]
        periods += [(YEAR, _("This year")), (DATES, _("From – to"))]
        months = reversed(list(months_between(self.since.replace(day=1), self.today)))
        return [*periods, (_("A month"), [(f"{month:%Y-%m}", month_words(month)) for month in months])]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        if cleaned["period"] == DATES:
            self._check_dates(cleaned)
        if not self.errors:
            cleaned["asked_period"] = self._period(cleaned)
            if cleaned["step"] == Step.DAY and cleaned["asked_period"].days > MOST_DAYS_AT_ALL:
                self.add_error("step", _("Days can be shown for a year at most. Choose weeks or months."))
        return cleaned

    def _check_dates(self, cleaned: Mapping[str, Any]) -> None:
        for name in ("first", "last"):
            if cleaned[name] is None:
                self.add_error(name, _("Enter a date."))
        if self.errors:
            return
        first, last = cleaned["first"], cleaned["last"]
        if last < first:
            self.add_error("last", _("The period ends before it begins."))
        elif first > self.today:
            self.add_error("first", _("This day has not come yet."))
        elif (last - first).days >= LONGEST:
            self.add_error("first", _("A period can be ten years long at most."))

    def _period(self, cleaned: Mapping[str, Any]) -> Period:
        chosen = cleaned["period"]
        if chosen == GRANT and self.grant:
            return self.grant
        if chosen == YEAR:
            return Period(self.today.replace(month=1, day=1), self.today)
        if chosen == DATES:
            return Period(cleaned["first"], min(cleaned["last"], self.today))
        if chosen.isdigit():
            return Period(self.today - timedelta(days=int(chosen) - 1), self.today)
        month = parse_month(chosen)
        return Period(month, min(next_month(month) - ONE_DAY, self.today))

    def asked(self) -> Asked:
        """Of a valid form."""
        period = self.cleaned_data["asked_period"]
        return Asked(period, period.step(self.cleaned_data["step"]), By(self.cleaned_data["by"]))
