"""사업자등록번호: ten digits of which the last checks the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocations.business_number import check_digit, digits_of, problem, shown


@pytest.mark.parametrize("number", ["124-81-00998", "220-81-62517", "120-81-47521", "123-45-67891", "1248100998"])
def test_real_numbers_are_taken(number):
    assert problem(number) == ""


def test_a_check_digit_of_zero_is_taken():
    """The sum ends in 0: (10 - 0) % 10 is 0, not 10."""
    assert problem("101-81-10080") == ""


@pytest.mark.parametrize("number", ["123-45-67890", "124-81-00999", "000-00-00000", "100-81-00004", "124-00-00990"])
def test_impossible_ones_are_not(number):
    assert "compare it with the certificate" in problem(number)


@pytest.mark.parametrize("number", ["", "124-81-0099", "124-81-009988", "abc-de-fghij", "١٢٤٨١٠٠٩٩٨"])
def test_what_is_no_number_is_said(number):
    assert "ten digits" in problem(number)


NINE = st.integers(min_value=101, max_value=999).flatmap(
    lambda office: st.tuples(st.integers(1, 99), st.integers(1, 9999)).map(
        lambda rest: f"{office}{rest[0]:02d}{rest[1]:04d}"
    )
)


@given(NINE)
def test_exactly_one_last_digit_is_right(nine):
    right = [digit for digit in range(10) if problem(f"{nine}{digit}") == ""]
    assert right == [check_digit(nine)]


@given(NINE, st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_among_the_first_eight_is_always_noticed(nine, place, more):
    """All weights but the last are coprime to ten, except 5; the ninth digit has its own rule."""
    if place == 8:
        return
    wrong = nine[:place] + str((int(nine[place]) + more) % 10) + nine[place + 1 :]
    assert check_digit(wrong) != check_digit(nine)


def test_it_is_shown_with_hyphens_and_read_without():
    assert shown("1248100998") == "124-81-00998"
    assert digits_of(" 124-81-00998 ") == "1248100998"
    assert shown("12") == "12"
