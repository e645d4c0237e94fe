"""Form fields for amounts of time: written in hours with up to two decimals, kept as whole minutes, never floats."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _

# Beyond this an amount is a slip of the pen; it also keeps sums far inside 64 bits.
MOST_GPU_HOURS = 10_000_000
PLAIN_DECIMAL = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)
DECIMALS = {"inputmode": "decimal", "autocomplete": "off"}
DIGITS = {"inputmode": "numeric", "autocomplete": "off"}


def hours_of(minutes: int) -> str:
    """`1.5` for 90: minutes as hours with at most two decimals, as the fields below read them back exactly."""
    hours = (Decimal(minutes) / 60).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return f"{hours:f}".rstrip("0").rstrip(".")


def _without_separators(value: Any) -> str:
    return str(value).replace(",", "").strip()


class WholeNumberField(forms.IntegerField):
    """A whole number; `1,000` may be written with its comma."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs=DIGITS), **options)

    def to_python(self, value: Any) -> int | None:
        return None if value in self.empty_values else super().to_python(_without_separators(value))


class HoursField(forms.Field):
    """Hours as written, with at most two decimals; the value is whole minutes, to the nearest."""

    seconds_per_unit = 1

    def __init__(self, *, least: str = "0.02", most: int = MOST_GPU_HOURS, **options: Any) -> None:
        self.least, self.most = Decimal(least), Decimal(most)
        super().__init__(widget=forms.TextInput(attrs=DECIMALS), **options)

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        hours = self._hours(_without_separators(value))
        return int((hours * 60).to_integral_value(ROUND_HALF_UP)) * self.seconds_per_unit

    def prepare_value(self, value: Any) -> Any:
        return hours_of(value // self.seconds_per_unit) if isinstance(value, int) else value

    def _hours(self, written: str) -> Decimal:
        if not PLAIN_DECIMAL.fullmatch(written):
            raise forms.ValidationError(_("Write a number of hours such as 12 or 1.5, with at most two decimals."))
        hours = Decimal(written)
        if not self.least <= hours <= self.most:
            text = _("Write an amount from %(least)s to %(most)s hours.")
            raise forms.ValidationError(text % {"least": self.least, "most": f"{self.most:,}"})
        return hours


class GpuHoursField(HoursField):
    """GPU-hours as written; the value is GPU-seconds in whole GPU-minutes."""

    seconds_per_unit = 60
