"""Deadlines in business days: weekends and Korean public holidays, with their substitutes, do not count."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocations.services.deadlines import DAYS_IN, due_after
from allocations.workdays import business_days_after, business_days_left, is_business_day
from allocations.workflow import CLOSED, Action, ApplicationStatus, target_of
from tests.factories import NOW, CallFactory, kst

S = ApplicationStatus
MOMENTS = st.datetimes(
    min_value=kst(2025, 1, 1).replace(tzinfo=None), max_value=kst(2030, 1, 1).replace(tzinfo=None)
).map(lambda moment: moment.replace(tzinfo=NOW.tzinfo))


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 3, 1), False),  # a Sunday and Independence Movement Day
        (date(2026, 3, 2), False),  # its substitute
        (date(2026, 3, 3), True),
        (date(2026, 2, 16), False),  # the eve of Seollal
        (date(2026, 2, 18), False),
        (date(2026, 9, 25), False),  # Chuseok
        (date(2026, 5, 5), False),  # Children's Day
        (date(2026, 6, 6), False),  # a Saturday
        (date(2026, 12, 24), True),
    ],
)
def test_what_a_business_day_is(day, works):
    assert is_business_day(day) is works


@pytest.mark.parametrize(
    ("at", "days", "due"),
    [
        (kst(2026, 3, 3, 10), 3, kst(2026, 3, 6, 18)),
        (kst(2026, 3, 6, 10), 1, kst(2026, 3, 9, 18)),  # over a weekend
        (kst(2026, 2, 27, 19), 1, kst(2026, 3, 3, 18)),  # over a weekend and a substitute holiday
        (kst(2026, 2, 13, 10), 5, kst(2026, 2, 25, 18)),  # over Seollal
        (kst(2026, 3, 3, 23, 59), 1, kst(2026, 3, 4, 18)),
        (kst(2026, 3, 3, 10), 0, kst(2026, 3, 3, 18)),
    ],
)
def test_days_are_counted_from_the_day_after_and_end_at_six(at, days, due):
    assert business_days_after(at, days) == due


@given(at=MOMENTS, days=st.integers(1, 30))
def test_what_is_due_after_n_days_has_n_days_left(at, days):
    due = business_days_after(at, days)
    assert is_business_day(due.date())
    assert business_days_left(at, due) == days
    assert due > at


@given(at=MOMENTS, days=st.integers(1, 30))
def test_every_day_nearer_is_no_more_days_left(at, days):
    due = business_days_after(at, days)
    left = [business_days_left(at + timedelta(days=n), due) for n in range(days * 3)]
    assert left == sorted(left, reverse=True)


def test_the_day_itself_is_zero_days_left_and_the_next_is_negative():
    due = kst(2026, 3, 6, 18)
    assert business_days_left(kst(2026, 3, 6, 23), due) == 0
    assert business_days_left(kst(2026, 3, 7, 9), due) == -1


@pytest.mark.django_db
def test_every_state_that_waits_for_somebody_has_a_deadline_and_no_other():
    call = CallFactory()
    due = {status: due_after(status, call, NOW) for status in S}
    waiting = set(S) - CLOSED - {S.DRAFT, S.RESERVE}
    assert {status for status, moment in due.items() if moment} == waiting == set(DAYS_IN)


@pytest.mark.django_db
def test_a_step_is_due_as_the_state_it_leads_to():
    call = CallFactory()
    for action in Action:
        assert due_after(action, call, NOW) == due_after(target_of(action), call, NOW)


@pytest.mark.django_db
def test_the_panel_has_its_days_from_the_close_of_the_call_unless_it_is_urgent():
    call = CallFactory(days_for_decision=1)
    assert due_after(S.PANEL, call, NOW) == kst(2026, 12, 21, 18)
    assert due_after(S.PANEL, call, kst(2027, 1, 4, 10)) == kst(2027, 1, 5, 18)
    urgent = CallFactory(track="urgent", days_for_decision=1)
    assert due_after(S.PANEL, urgent, NOW) == kst(2026, 3, 3, 18)
