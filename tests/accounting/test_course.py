"""The curve of use over a grant's period, its plan, and the table beside it."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from accounting.charts import course_figure
from accounting.course import MOST_DAILY_ROWS, Course
from accounting.projection import Projection
from tests.factories import kst

START, END = kst(2026, 3, 1), kst(2026, 3, 11)


def course(by_day, at, granted=1000, start=START, end=END):
    return Course(start, end, granted, {date(2026, 3, day): used for day, used in by_day.items()}, at)


def test_the_curve_has_a_point_a_day_and_one_now():
    points = course({1: 10, 3: 5}, kst(2026, 3, 3, 12)).points
    assert [(point.moment, point.used) for point in points] == [
        (START, 0),
        (kst(2026, 3, 2), 10),
        (kst(2026, 3, 3), 10),
        (kst(2026, 3, 3, 12), 15),
    ]


def test_before_the_start_there_is_nothing_to_show():
    early = course({}, kst(2026, 2, 1))
    assert not early.begun and early.points == [] and early.table() == []


def test_at_the_very_start_there_is_one_point():
    assert [point.used for point in course({}, START).points] == [0]


def test_after_the_end_the_curve_stops_unless_a_tail_was_used():
    assert course({1: 10}, kst(2026, 5, 1)).points[-1].moment == END
    tail = course({1: 10, 12: 4}, kst(2026, 5, 1)).points[-1]
    assert (tail.moment, tail.used) == (kst(2026, 3, 13), 14)


def test_the_plan_is_a_straight_line_that_stays_at_the_award():
    found = course({}, END)
    assert [found.plan_at(START + timedelta(days=days)) for days in (0, 5, 10, 20)] == [0, 500, 1000, 1000]


def test_a_period_that_starts_within_a_day():
    points = course({5: 7}, kst(2026, 3, 6, 1), start=kst(2026, 3, 5, 15)).points
    assert [(point.moment, point.used) for point in points] == [
        (kst(2026, 3, 5, 15), 0),
        (kst(2026, 3, 6), 7),
        (kst(2026, 3, 6, 1), 7),
    ]


def test_a_long_period_is_told_by_weeks_latest_first():
    found = Course(START, START + timedelta(days=365), 1000, {date(2026, 3, 9): 3}, START + timedelta(days=100))
    rows = found.table()
    assert (rows[-1].first, rows[-1].last, rows[-1].used) == (date(2026, 3, 1), date(2026, 3, 7), 0)
    assert (rows[-2].used, rows[-2].total) == (3, 3)
    assert len(rows) == 15 < MOST_DAILY_ROWS


days_used = st.dictionaries(st.dates(date(2026, 3, 1), date(2026, 6, 30)), st.integers(0, 10**9), max_size=40)


@given(days_used, st.integers(0, 200 * 24), st.integers(0, 10**10))
def test_the_table_says_what_the_curve_says(by_day, hours, granted):
    found = Course(START, START + timedelta(days=90), granted, by_day, START + timedelta(hours=hours))
    points, rows = found.points, found.table()
    assert [point.used for point in points] == sorted(point.used for point in points)
    assert sum(row.used for row in rows) == points[-1].used
    if rows:
        assert rows[0].total == points[-1].used
        assert rows[-1].first == date(2026, 3, 1)


def test_the_figure_names_no_colour_of_its_own_and_no_zone():
    figure = course_figure(course({1: 7200}, kst(2026, 3, 3, 12), granted=36_000)).to_plotly_json()
    used, plan, awarded = figure["data"]
    assert list(used["x"]) == [
        "2026-03-01 00:00:00",
        "2026-03-02 00:00:00",
        "2026-03-03 00:00:00",
        "2026-03-03 12:00:00",
    ]
    assert list(used["y"]) == [0, 2, 2, 2]
    assert (list(plan["y"]), list(awarded["y"])) == ([0, 10], [10, 10])
    assert "#" not in str(figure["data"])


def projected(by_day, at, rate, **others):
    found = course(by_day, at)
    return replace(found, projection=Projection(rate, None, None, None, 0, **others))


def test_the_projection_goes_on_to_the_end_or_until_all_is_used():
    slow = projected({1: 100}, kst(2026, 3, 2), 20).ahead()
    assert [(point.moment, point.used) for point in slow.points] == [(kst(2026, 3, 2), 100), (END, 280)]
    fast = projected({1: 100}, kst(2026, 3, 2), 450).ahead()
    assert [(point.moment, point.used) for point in fast.points] == [(kst(2026, 3, 2), 100), (kst(2026, 3, 4), 1000)]
    assert not slow.low and not slow.high


def test_the_band_lies_around_it_and_stays_below_the_award():
    ahead = projected({1: 100}, kst(2026, 3, 2), 100, low=50, high=450).ahead()
    assert [point.used for point in ahead.low] == [100, 550]
    assert [(point.moment, point.used) for point in ahead.high][1:] == [(kst(2026, 3, 4), 1000), (END, 1000)]


def test_nothing_is_projected_where_it_is_over_or_all_is_used():
    assert projected({1: 100}, kst(2026, 4, 1), 100).ahead() is None
    assert projected({1: 1000}, kst(2026, 3, 2), 100).ahead() is None
    assert course({1: 100}, kst(2026, 3, 2)).ahead() is None


def test_the_table_says_what_the_chart_expects():
    row = projected({1: 100}, kst(2026, 3, 2), 20).expected()
    assert (row.first, row.last, row.used, row.total, row.plan) == (date(2026, 3, 2), date(2026, 3, 10), 180, 280, 1000)
