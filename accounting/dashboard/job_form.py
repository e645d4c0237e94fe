"""What is asked for in an address of the page of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.dashboard.waits import SIZES, size_words
from allocations.forms.moments import DayInput


class Sort(TextChoices):
    END = "end", gettext_lazy("Last to end first")
    HOURS = "hours", gettext_lazy("Most GPU-hours first")
    WAIT = "wait", gettext_lazy("Longest wait first")


class Ended(TextChoices):
    COMPLETED = "completed", gettext_lazy("Completed")
    LOST = "lost", gettext_lazy("Did not complete")
    RUNNING = "running", gettext_lazy("Running")


class JobForm(forms.Form):
    """Reads the query string. `people`: (cluster user name, words); `pools`: (account, words); both of this project."""

    use_required_attribute = False

    number = forms.CharField(label=gettext_lazy("Job number"), max_length=128, required=False)
    person = forms.ChoiceField(label=gettext_lazy("Member"), required=False)
    pool = forms.ChoiceField(label=gettext_lazy("Pool"), required=False)
    partition = forms.ChoiceField(label=gettext_lazy("Partition"), required=False)
    ended = forms.ChoiceField(label=gettext_lazy("How it ended"), required=False)
    size = forms.ChoiceField(label=gettext_lazy("Number of GPUs"), required=False)
    first = forms.DateField(label=gettext_lazy("Ran from"), widget=DayInput(), required=False)
    last = forms.DateField(label=gettext_lazy("To (inclusive)"), widget=DayInput(), required=False)
    sort = forms.ChoiceField(label=gettext_lazy("Sorted by"), choices=Sort.choices, required=False)

    def __init__(
        self,
        data: Mapping[str, Any],
        *,
        people: Sequence[tuple[str, str]],
        pools: Sequence[tuple[str, str]],
        partitions: Sequence[str],
    ) -> None:
        super().__init__({"sort": Sort.END.value} | {name: data[name] for name in data if name in self.base_fields})
        everything: list[tuple[str, str]] = [("", _("All"))]
        choices: dict[str, list[tuple[Any, Any]]] = {
            "person": [*everything, *people],
            "pool": [*everything, *pools],
            "partition": [*everything, *[(name, name) for name in partitions]],
            "ended": [*everything, *Ended.choices],
            "size": [*everything, *[(name, size_words(name)) for name, _l, _m in SIZES]],
        }
        for name, found in choices.items():
            field: Any = self.fields[name]
            field.choices = found
        # Where there is only one there is nothing to choose.
        for name, several in (("pool", pools), ("partition", partitions)):
            if len(several) < 2 and not self.data.get(name):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and last < first:
            self.add_error("last", _("The period ends before it begins."))
        return cleaned

    @property
    def is_narrowed(self) -> bool:
        """Whether a valid form asks for less than all jobs."""
        return any(value for name, value in self.cleaned_data.items() if name != "sort")
