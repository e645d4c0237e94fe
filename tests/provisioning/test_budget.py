"""The limit of a leaf, as a table of what happens in the life of its grants."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocations.budget import LeafBudget, LineBudget, leaf_budget
from tests.factories import kst

HOUR = 3600
SPRING, SUMMER, AUTUMN, WINTER = kst(2026, 3, 1), kst(2026, 6, 1), kst(2026, 9, 1), kst(2026, 12, 1)
APRIL, JULY, OCTOBER = kst(2026, 4, 15), kst(2026, 7, 15), kst(2026, 10, 15)


def line(starts_at: datetime, ends_at: datetime, hours: int, used: int = 0, *, suspended: bool = False) -> LineBudget:
    return LineBudget(starts_at, ends_at, suspended, hours * HOUR, used * HOUR)


@pytest.mark.parametrize(
    ("lines", "at", "hours", "parked"),
    [
        ([], APRIL, 0, True),
        ([line(SPRING, AUTUMN, 500)], kst(2026, 2, 28, 23, 59), 0, True),
        ([line(SPRING, AUTUMN, 500)], SPRING, 500, False),
        ([line(SPRING, AUTUMN, 500, used=120)], APRIL, 500, False),
        ([line(SPRING, AUTUMN, 500, used=120)], AUTUMN, 120, True),
        ([line(SPRING, AUTUMN, 500, used=510)], AUTUMN, 510, True),
        ([line(SPRING, AUTUMN, 500, used=120, suspended=True)], APRIL, 120, True),
        # A renewal without a gap: what the first left over lapses, what it used stays in the cumulative limit.
        ([line(SPRING, SUMMER, 500, used=300), line(SUMMER, AUTUMN, 200)], SUMMER, 500, False),
        # Two grants at once are worth both.
        ([line(SPRING, AUTUMN, 500, used=300), line(SUMMER, WINTER, 200, used=50)], JULY, 700, False),
        ([line(SPRING, AUTUMN, 500, used=400), line(SUMMER, WINTER, 200, used=50)], OCTOBER, 600, False),
        # One of two suspended gives nothing more and takes nothing from the other.
        ([line(SPRING, AUTUMN, 500, used=400, suspended=True), line(SUMMER, WINTER, 200)], JULY, 600, False),
        # Between two grants: parked, and never cleared.
        ([line(SPRING, SUMMER, 500, used=300), line(AUTUMN, WINTER, 200)], JULY, 300, True),
    ],
    ids=[
        "no grant", "not yet", "first second", "while open", "the end is exclusive", "overrun counts", "suspended",
        "renewal", "overlap", "first of two over", "one of two suspended", "between two grants",
    ],
)  # fmt: skip
def test_limit_of_a_leaf(lines: list[LineBudget], at: datetime, hours: int, parked: bool) -> None:
    assert leaf_budget(lines, offset_gpu_seconds=0, at=at) == LeafBudget(hours * 60, parked)


def test_the_limit_is_floored_once_on_the_sum() -> None:
    two = [LineBudget(SPRING, AUTUMN, False, 90, 0), LineBudget(SPRING, AUTUMN, False, 90, 0)]
    assert leaf_budget(two, offset_gpu_seconds=0, at=APRIL).gpu_minutes == 3


def test_the_offset_carries_earlier_use_of_an_adopted_account() -> None:
    assert leaf_budget([line(SPRING, AUTUMN, 10)], offset_gpu_seconds=HOUR, at=APRIL).gpu_minutes == 11 * 60


def test_a_negative_sum_is_a_limit_of_nothing() -> None:
    assert leaf_budget([line(SPRING, AUTUMN, 1)], offset_gpu_seconds=-5 * HOUR, at=APRIL).gpu_minutes == 0


seconds = st.integers(min_value=0, max_value=10**9)
lines_of_time = st.builds(
    lambda start, length, suspended, granted, charged: LineBudget(
        kst(2026, 1, start), kst(2026, 2, length), suspended, granted, charged
    ),
    st.integers(1, 31),
    st.integers(1, 28),
    st.booleans(),
    seconds,
    seconds,
)


@given(st.lists(lines_of_time, max_size=6), st.integers(1, 28))
def test_what_may_still_be_used_is_the_balance_of_open_lines(lines: list[LineBudget], day: int) -> None:
    """With a counter equal to the ledger: limit − counter ≤ Σ balances of open lines, and less than a minute below."""
    at = kst(2026, 2, day)
    counter = sum(item.charged_gpu_seconds for item in lines)
    balance = sum(item.granted_gpu_seconds - item.charged_gpu_seconds for item in lines if item.is_open(at))
    left = leaf_budget(lines, offset_gpu_seconds=0, at=at).gpu_minutes * 60 - counter
    assert balance - 60 < left <= balance
