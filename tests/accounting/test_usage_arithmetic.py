"""GPU-seconds per day follow from job rows alone: nothing is lost at midnight, counted twice or rounded."""

import itertools
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from accounting.usage import (
    Run,
    charged_gpu_seconds,
    day_bounds,
    day_of,
    days_between,
    gpus_by_kind,
    usage_by_person,
    usage_of,
)
from tests.factories import kst

EPOCH = datetime(2023, 12, 30, tzinfo=UTC)
moments = st.integers(0, 400 * 86_400).map(lambda second: EPOCH + timedelta(seconds=second))
kinds = st.dictionaries(st.sampled_from(["h100", "a100", "h100_1g.10gb"]), st.integers(0, 9), max_size=3)


@st.composite
def runs(draw):
    start = draw(moments)
    length = draw(st.one_of(st.just(0), st.integers(0, 200), st.integers(0, 20 * 86_400)))
    return Run(
        account=draw(st.sampled_from(["p26001-h100", "p26001-a100", "p26002-h100"])),
        user=draw(st.sampled_from(["kim", "lee"])),
        partition=draw(st.sampled_from(["h100", "a100"])),
        state=draw(st.sampled_from(["COMPLETED", "FAILED", "RUNNING"])),
        start=start,
        until=start + timedelta(seconds=length),
        gpus=draw(st.integers(0, 16)),
        gpu_kinds=draw(kinds),
        provisional=draw(st.booleans()),
    )


def run(start, until, gpus=1, **changes):
    values = {"account": "a", "user": "kim", "partition": "h100", "state": "COMPLETED", "gpu_kinds": {"h100": gpus}}
    return Run(start=start, until=until, gpus=gpus, provisional=False, **(values | changes))


def by_day(usage):
    days = {}
    for key, amount in usage.items():
        days[key.day] = days.get(key.day, 0) + amount.gpu_seconds
    return days


def test_a_job_across_midnight_in_seoul_is_split_there():
    usage = by_day(usage_of([run(kst(2026, 3, 1, 23, 59), kst(2026, 3, 2, 0, 3), gpus=4)]))
    assert usage == {date(2026, 3, 1): 4 * 60, date(2026, 3, 2): 4 * 180}


def test_midnight_in_utc_splits_nothing():
    start = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
    assert by_day(usage_of([run(start, start + timedelta(hours=1))])) == {date(2026, 3, 2): 3600}


def test_a_job_that_ends_at_midnight_does_not_touch_the_next_day():
    usage = usage_of([run(kst(2026, 2, 28, 23), kst(2026, 3, 1))])
    assert by_day(usage) == {date(2026, 2, 28): 3600}


def test_a_leap_day_is_a_day():
    usage = by_day(usage_of([run(kst(2024, 2, 28, 12), kst(2024, 3, 1, 12))]))
    assert usage == {date(2024, 2, 28): 43_200, date(2024, 2, 29): 86_400, date(2024, 3, 1): 43_200}


def test_a_job_is_counted_on_the_day_it_started_and_only_there():
    usage = usage_of([run(kst(2026, 3, 1, 23), kst(2026, 3, 3, 1))])
    assert {key.day.day: amount.jobs for key, amount in usage.items()} == {1: 1, 2: 0, 3: 0}


def test_a_job_on_two_kinds_of_gpu_is_one_job():
    usage = usage_of([run(kst(2026, 3, 1), kst(2026, 3, 1, 1), gpus=5, gpu_kinds={"h100": 2, "a100": 3})])
    assert {key.gpu_kind: amount.gpu_seconds for key, amount in usage.items()} == {"h100": 7200, "a100": 10_800}
    assert sum(amount.jobs for amount in usage.values()) == 1


def test_the_type_is_a_part_of_the_total_and_never_added_to_it():
    assert gpus_by_kind(4, {"h100": 4}) == {"h100": 4}
    assert gpus_by_kind(4, {}) == {"": 4}
    assert gpus_by_kind(4, {"h100": 3}) == {"h100": 3, "": 1}
    assert gpus_by_kind(4, {"a100": 9, "h100": 9}) == {"a100": 4}
    assert gpus_by_kind(0, {}) == {"": 0}


def test_clocks_that_ran_backwards_charge_nothing():
    assert charged_gpu_seconds(run(kst(2026, 3, 1, 2), kst(2026, 3, 1, 1), gpus=8)) == 0


@given(st.integers(0, 999), kinds)
def test_kinds_always_make_up_the_total(gpus, of_kind):
    assert sum(gpus_by_kind(gpus, of_kind).values()) == gpus


@given(moments, st.integers(0, 40 * 86_400))
def test_days_are_those_the_span_touches_each_once_and_in_order(start, length):
    until = start + timedelta(seconds=length)
    days = list(days_between(start, until))
    assert days == sorted(set(days))
    assert days[0] == day_of(start)
    assert days[-1] == (day_of(until - timedelta(seconds=1)) if length else day_of(start))
    for day in days:
        since, end = day_bounds(day)
        assert (since < until or not length) and start < end


@given(st.lists(runs(), max_size=20))
def test_days_add_up_to_what_is_charged_and_jobs_to_jobs(history):
    usage = usage_of(history)
    assert sum(amount.gpu_seconds for amount in usage.values()) == sum(map(charged_gpu_seconds, history))
    assert sum(amount.jobs for amount in usage.values()) == len(history)
    assert all(amount.gpu_seconds >= 0 for amount in usage.values())


@given(st.lists(runs(), max_size=20), st.lists(moments, max_size=5))
def test_cutting_a_period_anywhere_changes_no_sum(history, cuts):
    first, last = EPOCH - timedelta(days=1), EPOCH + timedelta(days=500)
    borders = [first, *sorted(cuts), last]
    parts = {}
    for since, until in itertools.pairwise(borders):
        for key, amount in usage_by_person(history, since, until).items():
            parts[key] = parts.get(key, 0) + amount
    assert parts == usage_by_person(history, first, last)


@given(st.lists(runs(), max_size=10), st.lists(runs(), max_size=10))
def test_usage_of_all_is_the_sum_of_usage_of_each_part(some, others):
    together = usage_of([*some, *others])
    for key, amount in together.items():
        parts = [usage_of(part).get(key) for part in (some, others)]
        assert amount.gpu_seconds == sum(part.gpu_seconds for part in parts if part)
        assert amount.jobs == sum(part.jobs for part in parts if part)
