"""What is promised, and who is far from the plan: arithmetic on lines alone."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from accounting.center.lines import CenterLine
from accounting.center.pace import MOST_SHOWN, paces
from accounting.center.promises import MONTHS, promises
from allocations.models import Pool
from tests.factories import kst

DAY = 24 * 3600
AT = kst(2026, 3, 11)
POOL = Pool(pk=1, code="h100", gpus=4)


MARCH = kst(2026, 3, 1)
END_OF_MARCH = kst(2026, 3, 31)


def line(
    granted: int, charged: int = 0, starts: datetime = MARCH, ends: datetime = END_OF_MARCH, **changes: int
) -> CenterLine:
    """In GPU-days."""
    values = {"project": 1, "pool": 1, "institution": 1, "track": None, "suspended": False} | changes
    return CenterLine(starts_at=starts, ends_at=ends, granted=granted * DAY, charged=charged * DAY, **values)  # type: ignore[arg-type]


def test_the_rest_is_spread_evenly_over_the_days_that_are_left():
    """40 GPU-days left for twenty days of March; 122 from April on, one a day until the end of July."""
    lines = [line(100, charged=60), line(122, starts=kst(2026, 4, 1), ends=kst(2026, 8, 1))]
    found = promises(lines, [POOL], AT)
    assert [(row.month, row.promised // DAY) for row in found] == [
        (date(2026, 3, 1), 40), (date(2026, 4, 1), 30), (date(2026, 5, 1), 31), (date(2026, 6, 1), 30),
        (date(2026, 7, 1), 31), (date(2026, 8, 1), 0),
    ]  # fmt: skip
    assert [row.available // DAY for row in found] == [4 * 21, 4 * 30, 4 * 31, 4 * 30, 4 * 31, 4 * 31]


def test_what_is_promised_in_all_months_is_what_is_left():
    lines = [line(1000 + n, charged=n, ends=kst(2026, 3 + n, 9, n)) for n in range(1, 6)]
    found = promises(lines, [POOL], AT)
    left = sum(row.rest for row in lines)
    assert left - len(lines) * MONTHS <= sum(row.promised for row in found) <= left


def test_pools_are_apart_and_an_overrun_promises_nothing():
    other = Pool(pk=2, code="a100", gpus=1)
    found = promises([line(10, charged=20), line(30, pool=2)], [POOL, other], AT)
    assert {(row.pool.code, row.promised // DAY) for row in found if row.promised} == {("a100", 30)}


@pytest.mark.parametrize(("promised", "is_above"), [(75, False), (76, True)])
def test_a_share_is_marked_beyond_the_percentage_and_not_at_it(promised, is_above):
    """The rest of March has 84 GPU-days."""
    march = promises([line(promised, ends=kst(2026, 4, 1))], [POOL], AT)[0]
    assert march.is_above(90) == is_above


def test_far_above_and_far_below_the_plan():
    """A third of the term has passed."""
    found = paces(
        [
            line(90, charged=48, project=1), line(90, charged=47, project=2), line(90, charged=90, project=3),
            line(90, charged=30, project=4), line(90, charged=90, project=5, suspended=True),
        ],
        AT,
    )  # fmt: skip
    assert [(row.project, row.points, row.plan // DAY) for row in found.above] == [(3, 66, 30), (1, 20, 30)]
    assert not found.below


def test_below_the_plan_counts_after_a_quarter_of_the_term_and_lines_of_a_pool_count_together():
    late = kst(2026, 3, 19)
    assert [row.points for row in paces([line(90, charged=9)], late).below] == [-50]
    assert not paces([line(90, charged=9), line(90, charged=45)], late).below
    assert not paces([line(100, starts=kst(2026, 3, 1), ends=kst(2026, 6, 1))], late).below


def test_the_farthest_are_listed_and_the_others_counted():
    found = paces([line(90, charged=50 + n, project=n) for n in range(1, MOST_SHOWN + 4)], AT)
    assert [row.project for row in found.above] == list(range(MOST_SHOWN + 3, 3, -1))
    assert found.more_above == 3
