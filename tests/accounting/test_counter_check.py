"""What follows from Slurm's counter and the ledger: nothing is given away, nothing given back without a cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounting.counter_check import (
    Finding,
    Recent,
    Shape,
    Sums,
    Verdict,
    counter_lag,
    fall,
    judge,
    overcounted,
)
from tests.factories import kst

AT = kst(2026, 3, 2, 12)
MINUTE = 60
amounts = st.integers(0, 10**7)
some_sums = st.builds(
    Sums,
    counter=amounts,
    ledger=amounts,
    offset=st.integers(-(10**7), 10**7),
    quiet=st.booleans(),
    counter_lag=st.integers(0, 10_000),
    ledger_lag=st.integers(0, 10_000),
    taken_back=amounts,
    overcounted=amounts,
)


@pytest.mark.parametrize(
    ("sums", "verdict"),
    [
        (Sums(100, 100, 0, quiet=True), Verdict(Finding.AGREES, 0)),
        (Sums(700, 100, 600, quiet=True), Verdict(Finding.AGREES, 600)),
        # slurmctld was killed and forgot 40: the limit is lowered by as much.
        (Sums(60, 100, 0, quiet=True), Verdict(Finding.BEHIND, -40)),
        # A running job is added to the counter only every few minutes.
        (Sums(60, 100, 0, quiet=False, counter_lag=50), Verdict(Finding.AGREES, 0)),
        (Sums(40, 100, 0, quiet=False, counter_lag=50), Verdict(Finding.BEHIND, -10)),
        # Too high: given back for a known cause and at a quiet moment only.
        (Sums(140, 100, 0, quiet=True), Verdict(Finding.AHEAD, 0)),
        (Sums(140, 100, 0, quiet=True, overcounted=39), Verdict(Finding.AHEAD, 0)),
        (Sums(140, 100, 0, quiet=True, overcounted=40), Verdict(Finding.OVERCOUNT, 40)),
        (Sums(140, 100, 0, quiet=False, overcounted=40), Verdict(Finding.AHEAD, 0)),
        (Sums(100, 100, -40, quiet=True, taken_back=40), Verdict(Finding.CAUGHT_UP, 0)),
        (Sums(110, 100, -40, quiet=True, taken_back=40), Verdict(Finding.AHEAD, -40)),
        (Sums(110, 100, -40, quiet=True, taken_back=40, overcounted=10), Verdict(Finding.OVERCOUNT, 10)),
    ],
)
def test_each_case(sums: Sums, verdict: Verdict) -> None:
    assert judge(sums) == verdict


@given(some_sums)
def test_the_counter_never_stays_below_what_it_must_hold(sums: Sums) -> None:
    """limit − counter ≤ Σ open balances, within the counter's lag: design.md section 7."""
    after = judge(sums)
    assert sums.counter - sums.ledger - after.offset >= -sums.counter_lag


@given(some_sums)
def test_nothing_is_loosened_but_quietly_and_by_what_has_a_cause(sums: Sums) -> None:
    loosened = judge(sums).offset - sums.offset
    if loosened > 0:
        assert sums.quiet
        assert loosened <= sums.taken_back + sums.overcounted


@given(some_sums)
def test_a_second_look_at_the_same_changes_nothing_more(sums: Sums) -> None:
    once = judge(sums)
    # Causes are used up by what they gave.
    again = replace(sums, offset=once.offset, taken_back=0, overcounted=0)
    assert judge(again).offset == once.offset


@given(some_sums, st.integers(1, 10**6))
def test_a_fall_held_at_once_leaves_what_may_start_as_it_was(sums: Sums, lost: int) -> None:
    assume(lost <= sums.counter)
    now = sums.counter - lost
    offset = sums.offset - fall(sums.counter, now, exact=True)
    fallen = replace(sums, counter=now, offset=offset)
    assert fallen.difference == sums.difference


@pytest.mark.parametrize(
    ("before", "now", "exact", "lost"),
    [
        (100, 100, True, 0),
        (100, 120, True, 0),
        (100, 99, True, 1),
        (600, 0, True, 600),
        # In whole minutes a reading may hide up to 59 s.
        (600, 600, False, 0),
        (630, 600, False, 0),
        (660, 600, False, 60),
        (659, 600, False, 0),
    ],
)
def test_a_fall_is_what_is_certain(before: int, now: int, exact: bool, lost: int) -> None:
    assert fall(before, now, exact=exact) == lost


def test_a_run_lags_by_a_few_minutes_of_its_gpus_at_most() -> None:
    hour_old = Recent(4, AT - timedelta(hours=1), AT)
    just_begun = Recent(2, AT - timedelta(seconds=10), AT)
    assert counter_lag([hour_old, just_begun], timedelta(seconds=20)) == 4 * (6 * MINUTE + 20) + 2 * 10


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        # slurm-facts 12.7: resized from 2 GPUs after 7 s; het components of 10 s counted as 156.
        (Shape("RESIZING", "7", 2, 7, 300), 14),
        (Shape("COMPLETED", "9+0", 3, 10, 300), 900),
        (Shape("COMPLETED", "9+1", 3, 400, 0), 1200),
        (Shape("COMPLETED", "46_3", 3, 10, 300), 0),
        (Shape("REQUEUED", "7", 3, 10, 300), 0),
    ],
)
def test_only_shapes_that_slurm_counts_wrongly_may_be_overcounted(shape: Shape, most: int) -> None:
    assert overcounted(shape) == most
