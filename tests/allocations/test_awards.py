"""The arithmetic of awards: whatever is asked and left, no rule is broken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocations.awards import Asked, Budget, Candidate, Fate, Room, Rule, breach, fitting, simulate

MINUTE = 60
minutes = st.integers(0, 5000).map(lambda number: number * MINUTE)
bounds = st.none() | st.integers(-100, 300_000)


@st.composite
def asked(draw):
    requested = draw(st.integers(1, 5000)) * MINUTE
    return Asked(requested, draw(st.integers(0, requested)))


requests = st.dictionaries(st.integers(1, 3), asked(), min_size=1, max_size=3)
recommendations = st.dictionaries(st.integers(1, 3), minutes, max_size=3)
rooms = st.builds(Room, st.dictionaries(st.integers(1, 3), bounds, max_size=3), bounds, bounds)


@given(requests, recommendations, rooms)
def test_what_fits_breaks_no_rule(asked, recommended, room):
    awards = fitting(asked, recommended, room)
    assert not awards or breach(awards, asked, room) is None
    assert all(seconds <= recommended.get(pool, seconds) for pool, seconds in awards.items())


@given(requests, st.dictionaries(st.integers(1, 4), st.integers(-120, 400_000), max_size=3), rooms)
def test_a_breach_is_named_exactly_where_a_rule_is_broken(asked, awards, room):
    awarded = {pool: seconds for pool, seconds in awards.items() if seconds}
    total = sum(awarded.values())
    kept = bool(awarded) and all(
        pool in asked
        and pool in room.pools
        and seconds % MINUTE == 0
        and max(asked[pool].minimum, MINUTE) <= seconds <= asked[pool].requested
        and (room.pools[pool] is None or seconds <= room.pools[pool])
        for pool, seconds in awarded.items()
    )
    kept = kept and all(cap is None or total <= cap for cap in (room.person, room.institution))
    assert (breach(awards, asked, room) is None) == kept


candidates = st.lists(
    st.builds(
        Candidate,
        key=st.integers(),
        person=st.integers(1, 4),
        institution=st.integers(1, 2),
        score=st.none() | st.integers(0, 500).map(lambda number: Decimal(number) / 100),
        asked=requests,
        recommended=recommendations,
        feasible=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda candidate: candidate.key,
)


@given(
    candidates,
    st.dictionaries(st.integers(1, 3), st.none() | minutes, max_size=3),
    st.none() | minutes,
    st.none() | minutes,
)
def test_a_simulated_call_gives_no_more_than_it_has_and_keeps_every_cap(rows, pools, person_cap, institution_cap):
    proposed = simulate(rows, Budget(dict(pools), person_cap, institution_cap), Decimal(3))
    by_key = {row.key: row for row in rows}
    assert {one.key for one in proposed} == set(by_key)
    for pool, given_seconds in pools.items():
        assert given_seconds is None or sum(one.awards.get(pool, 0) for one in proposed) <= given_seconds
    for cap, holder in ((person_cap, "person"), (institution_cap, "institution")):
        totals: dict[int, int] = {}
        for one in proposed:
            who = getattr(by_key[one.key], holder)
            totals[who] = totals.get(who, 0) + sum(one.awards.values())
        assert cap is None or all(total <= cap for total in totals.values())
    for one in proposed:
        row = by_key[one.key]
        assert all(
            row.asked[pool].least <= seconds <= row.asked[pool].requested for pool, seconds in one.awards.items()
        )
        assert bool(one.awards) == (one.fate in {Fate.FULL, Fate.REDUCED, Fate.SQUEEZED})
        assert not one.awards or (row.score >= 3 and row.feasible)


def candidate(key, score, hours, minimum=0, **more):
    return Candidate(key, key, key, score and Decimal(score), {1: Asked(hours * 3600, minimum * 3600)}, **more)


def test_the_best_are_funded_first_and_the_last_gets_what_is_left():
    rows = [candidate(1, "3.5", 60), candidate(2, "4.8", 50), candidate(3, "4.0", 30), candidate(4, "3.2", 10)]
    fates = {
        one.key: (one.fate, sum(one.awards.values()) // 3600)
        for one in simulate(rows, Budget({1: 100 * 3600}), Decimal(3))
    }
    assert fates == {2: (Fate.FULL, 50), 3: (Fate.FULL, 30), 1: (Fate.SQUEEZED, 20), 4: (Fate.NO_ROOM, 0)}


def test_who_needs_more_than_is_left_waits_and_the_next_may_fit():
    rows = [candidate(1, "4.8", 60, minimum=40), candidate(2, "4.0", 20)]
    fates = {one.key: one.fate for one in simulate(rows, Budget({1: 30 * 3600}), Decimal(3))}
    assert fates == {1: Fate.NO_ROOM, 2: Fate.FULL}


@pytest.mark.parametrize(
    ("row", "fate"),
    [
        (candidate(1, "2.99", 10), Fate.BELOW_THRESHOLD),
        (candidate(1, None, 10), Fate.UNSCORED),
        (candidate(1, "5.0", 10, feasible=False), Fate.INFEASIBLE),
        (candidate(1, "3.0", 10, recommended={1: 5 * 3600}), Fate.REDUCED),
        (candidate(1, "3.0", 10, minimum=6, recommended={1: 5 * 3600}), Fate.NO_ROOM),
    ],
)
def test_why_an_application_gets_what_it_gets(row, fate):
    assert [one.fate for one in simulate([row], Budget({1: None}), Decimal(3))] == [fate]


def test_the_bound_is_told_with_the_breach():
    found = breach({1: 7200}, {1: Asked(7200)}, Room({1: 3600}))
    assert (found.rule, found.pool, found.bound) == (Rule.POOL, 1, 3600)
