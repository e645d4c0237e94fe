"""What operators enter: the targets of a year, and that what they were shown is to be frozen."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.http import QueryDict

from accounting.report.indicators import TARGETED, Unit

HOUR = 3600
MOST = 10**9


class FreezeForm(forms.Form):
    """`seen`: the digest of the report that was shown."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=64)


class TargetsForm(forms.Form):
    """A number for each indicator that may have a target, GPU time in whole hours; empty for none."""

    def __init__(self, data: QueryDict | None, *, targets: Mapping[str, int]) -> None:
        shown = {row.code: targets[row.code] // _size(row.unit) for row in TARGETED if row.code in targets}
        super().__init__(data, initial=shown)
        for row in TARGETED:
            self.fields[row.code] = forms.IntegerField(
                label=row.name, min_value=1, max_value=MOST, required=False, help_text=row.unit_words
            )

    def values(self) -> dict[str, int | None]:
        """In the units that the indicators are kept in; None where a field was left empty."""
        given = self.cleaned_data
        return {row.code: given[row.code] and given[row.code] * _size(row.unit) for row in TARGETED}


def _size(unit: Unit) -> int:
    return HOUR if unit == Unit.GPU_SECONDS else 1
