"""Hours as people write them and minutes as they are stored."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from allocations.forms.amounts import MOST_GPU_HOURS, GpuHoursField, HoursField, hours_of


@given(st.integers(min_value=1, max_value=MOST_GPU_HOURS * 60))
def test_what_is_shown_reads_back_as_the_same_minutes(minutes):
    assert HoursField(least="0.01").clean(hours_of(minutes)) == minutes
    assert GpuHoursField(least="0.01").clean(hours_of(minutes)) == minutes * 60


@pytest.mark.parametrize(("written", "minutes"), [("1.5", 90), ("1,000", 60_000), (" 0.25 ", 15), ("0.33", 20)])
def test_decimal_hours_become_whole_minutes(written, minutes):
    assert HoursField().clean(written) == minutes


@pytest.mark.parametrize("written", ["soon", "-1", "1.234", "1e9", "nan", "0", "٣", "99999999999"])
def test_what_is_no_amount_is_refused(written):
    with pytest.raises(ValidationError):
        HoursField().clean(written)


def test_nothing_written_is_nothing():
    assert HoursField(required=False).clean("") is None
    assert GpuHoursField(least="0").clean("0") == 0
