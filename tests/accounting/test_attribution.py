"""Each charged second goes to the line whose turn it is; together the lines carry exactly what was used."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from accounting.attribution import Attribution, Line, Piece, attribute, borders_of, cut, pieces_of
from accounting.usage import Run, charged_gpu_seconds
from tests.factories import kst

DAY_0 = kst(2026, 3, 1)
HOUR = 3600


def moment(days, hours=0):
    return DAY_0 + timedelta(days=days, hours=hours)


def line(key, starts, ends, granted, suspended=None):
    spans = () if suspended is None else ((moment(suspended), None),)
    return Line(key, moment(starts), moment(ends), granted * HOUR, suspended=spans)


def paused(line, since, until, covered=0):
    """The line, suspended from one day until another."""
    return replace(line, suspended=((moment(since), moment(until)),), covered_gpu_seconds=covered * HOUR)


def use(day, hours):
    return Piece(moment(day), moment(day + 1), hours * HOUR)


def charged(pieces, lines):
    result = attribute(pieces, lines)
    return {key: amount // HOUR for key, amount in result.charged.items()}, result.unattributed // HOUR


def test_the_only_open_line_takes_everything_also_beyond_its_grant():
    assert charged([use(1, 60), use(2, 70)], [line(1, 0, 30, 100)]) == ({1: 130}, 0)


def test_of_two_open_lines_the_one_that_ends_first_is_used_up_first():
    lines = [line(1, 0, 60, 100), line(2, 0, 30, 50)]
    assert charged([use(1, 30)], lines) == ({1: 0, 2: 30}, 0)
    assert charged([use(1, 30), use(2, 40)], lines) == ({1: 20, 2: 50}, 0)


def test_when_no_open_line_has_balance_the_one_that_ends_last_is_overrun():
    assert charged([use(1, 200)], [line(1, 0, 60, 100), line(2, 0, 30, 50)]) == ({1: 150, 2: 50}, 0)


def test_a_line_not_yet_open_takes_nothing():
    assert charged([use(1, 80), use(12, 30)], [line(1, 0, 30, 50), line(2, 10, 60, 100)]) == ({1: 80, 2: 30}, 0)


def test_the_tail_of_a_job_goes_to_the_unused_rest_of_the_line_that_ended():
    assert charged([use(1, 40), use(30, 5)], [line(1, 0, 30, 100)]) == ({1: 45}, 0)


def test_a_tail_beyond_the_rest_is_the_ended_lines_overrun():
    assert charged([use(1, 98), use(30, 5)], [line(1, 0, 30, 100)]) == ({1: 103}, 0)


def test_a_tail_goes_to_the_successor_where_one_is_open():
    assert charged([use(30, 5)], [line(1, 0, 30, 100), line(2, 30, 60, 100)]) == ({1: 0, 2: 5}, 0)


def test_between_two_lines_the_one_that_ended_takes_the_tail():
    assert charged([use(31, 5)], [line(1, 0, 30, 100), line(2, 40, 60, 100)]) == ({1: 5, 2: 0}, 0)


def test_a_suspended_line_closes_at_its_suspension():
    lines = [line(1, 0, 30, 100, suspended=10), line(2, 0, 60, 100)]
    assert charged([use(1, 10), use(11, 10)], lines) == ({1: 10, 2: 10}, 0)


def test_a_line_suspended_before_it_began_was_never_open():
    assert charged([use(6, 10)], [line(1, 5, 30, 100, suspended=2)]) == ({1: 0}, 10)


def test_a_resumed_line_takes_use_again():
    lines = [paused(line(1, 0, 30, 100), 10, 15), line(2, 0, 60, 100)]
    assert charged([use(1, 10), use(11, 10), use(15, 10)], lines) == ({1: 20, 2: 10}, 0)


def test_the_tail_of_a_job_that_ran_into_a_suspension_is_the_suspended_lines():
    assert charged([use(9, 10), use(10, 5)], [paused(line(1, 0, 30, 100), 10, 15)]) == ({1: 15}, 0)


def test_a_line_that_ended_while_suspended_closed_when_it_was_suspended():
    """Another one was open after it, so the tail is the other one's."""
    lines = [line(1, 0, 30, 100, suspended=10), line(2, 0, 20, 100)]
    assert charged([use(31, 5)], lines) == ({1: 0, 2: 5}, 0)


def test_a_suspension_that_was_over_before_it_began_plays_no_part():
    assert charged([use(6, 10), use(31, 1)], [paused(line(1, 5, 30, 100), 1, 3)]) == ({1: 11}, 0)


def test_what_covers_a_past_overrun_is_not_there_to_be_used():
    """Of 110 granted 10 were entered for an overrun: use goes on to the next line after 100."""
    lines = [replace(line(1, 0, 30, 110), covered_gpu_seconds=10 * HOUR), line(2, 0, 60, 50)]
    assert charged([use(1, 100), use(2, 20)], lines) == ({1: 100, 2: 20}, 0)


def test_an_overrun_carried_to_a_line_may_leave_it_nothing_and_less():
    assert charged([use(1, 10)], [line(1, 0, 30, -5), line(2, 0, 60, 50)]) == ({1: 0, 2: 10}, 0)


def test_no_second_is_lost_where_a_line_opens_or_closes_within_one():
    border = moment(1, 6) + timedelta(milliseconds=400)
    lines = [Line(1, moment(0), border, 100 * HOUR), Line(2, border, moment(60), 100 * HOUR)]
    job = Run("a", "kim", "h100", "COMPLETED", moment(1), moment(1, 10), 3, {}, provisional=False)
    found = attribute(pieces_of([job], moment(1), moment(2), borders_of(lines)), lines)
    assert sum(found.charged.values()) == charged_gpu_seconds(job) == 30 * HOUR


def test_use_before_any_line_is_nobodys():
    assert charged([use(0, 10), use(6, 10)], [line(1, 5, 30, 100)]) == ({1: 10}, 10)


def test_no_lines_take_nothing():
    assert attribute([use(0, 10)], []) == Attribution({}, 10 * HOUR)


def test_a_day_is_cut_where_a_line_opens():
    lines = [Line(1, moment(0), moment(1, 6), 100 * HOUR), Line(2, moment(1, 6), moment(60), 100 * HOUR)]
    job = Run("a", "kim", "h100", "COMPLETED", moment(1), moment(1, 10), 2, {}, provisional=False)
    pieces = list(pieces_of([job], moment(1), moment(2), borders_of(lines)))
    assert charged(pieces, lines) == ({1: 12, 2: 8}, 0)


# --- For any history ---

spans = st.tuples(st.integers(0, 40), st.integers(1, 40))
some_lines = st.lists(
    st.builds(
        lambda key, span, granted, suspended: line(key, span[0], sum(span), granted, suspended),
        st.integers(),
        spans,
        st.integers(0, 300),
        st.one_of(st.none(), st.integers(0, 80)),
    ),
    max_size=5,
    unique_by=lambda row: row.key,
)
suspended_lines = st.lists(
    st.builds(
        lambda key, span, granted, pause: paused(line(key, span[0], sum(span), granted), pause[0], sum(pause)),
        st.integers(),
        spans,
        st.integers(0, 300),
        st.tuples(st.integers(0, 60), st.integers(1, 30)),
    ),
    max_size=4,
    unique_by=lambda row: row.key,
)
some_pieces = st.lists(
    st.builds(use, st.integers(0, 90), st.integers(0, 100)), max_size=40, unique_by=lambda piece: piece.start
)


@given(some_pieces, some_lines)
def test_lines_and_the_rest_carry_exactly_what_was_used(pieces, lines):
    result = attribute(pieces, lines)
    assert sum(result.charged.values()) + result.unattributed == sum(piece.gpu_seconds for piece in pieces)
    assert all(amount >= 0 for amount in result.charged.values())


@given(some_pieces, some_lines, st.randoms())
def test_the_order_of_arrival_plays_no_part(pieces, lines, chance):
    shuffled_pieces, shuffled_lines = list(pieces), list(lines)
    chance.shuffle(shuffled_pieces)
    chance.shuffle(shuffled_lines)
    assert attribute(pieces, lines) == attribute(shuffled_pieces, shuffled_lines)


@given(some_pieces, some_lines)
def test_second_by_second_gives_the_same_as_piece_by_piece(pieces, lines):
    """Cutting pieces finer (here into 24 hours of equal use) changes nothing."""
    finer = []
    for piece in pieces:
        share, rest = divmod(piece.gpu_seconds, 24)
        for hour in range(24):
            start = piece.start + timedelta(hours=hour)
            finer.append(Piece(start, start + timedelta(hours=1), share + (hour < rest)))
    assert attribute(finer, lines) == attribute(pieces, lines)


@given(some_lines, st.integers(0, 80 * 24), st.integers(1, 500))
def test_a_span_is_cut_at_every_border_and_nowhere_else(lines, start_hour, hours):
    start, borders = moment(0, start_hour), borders_of(lines)
    end = start + timedelta(hours=hours)
    parts = list(cut(start, end, borders))
    assert parts[0][0] == start and parts[-1][1] == end
    assert [until for _, until in parts[:-1]] == [since for since, _ in parts[1:]]
    assert {until for _, until in parts[:-1]} == {border for border in borders if start < border < end}
    job = Run("a", "kim", "h100", "COMPLETED", start, end, 3, {}, provisional=False)
    assert sum(piece.gpu_seconds for piece in pieces_of([job], start, end, borders)) == charged_gpu_seconds(job)


@given(some_pieces, suspended_lines)
def test_suspensions_that_were_lifted_lose_and_gain_nothing(pieces, lines):
    result = attribute(pieces, lines)
    assert sum(result.charged.values()) + result.unattributed == sum(piece.gpu_seconds for piece in pieces)


@given(some_pieces, suspended_lines)
def test_lifting_a_suspension_never_moves_what_was_charged_before_it(pieces, lines):
    """Nor does suspending: up to either moment use is attributed as if it had not been."""
    lasting = [replace(row, suspended=((row.suspended[0][0], None),)) for row in lines]
    never = [replace(row, suspended=()) for row in lines]
    lifted = min((row.suspended[0][1] for row in lines), default=DAY_0)
    begun = min((row.suspended[0][0] for row in lines), default=DAY_0)
    before_lifting = [piece for piece in pieces if piece.end <= lifted]
    before_suspending = [piece for piece in pieces if piece.end <= begun]
    assert attribute(before_lifting, lasting) == attribute(before_lifting, lines)
    assert attribute(before_suspending, never) == attribute(before_suspending, lines)


@given(some_pieces, some_lines)
def test_covering_an_overrun_afterwards_moves_nothing(pieces, lines):
    """Granting a line what it was overrun by, as covered, leaves every second where it was."""
    before = attribute(pieces, lines).charged
    after = []
    for row in lines:
        overrun = max(0, before[row.key] - row.granted_gpu_seconds)
        after.append(replace(row, granted_gpu_seconds=row.granted_gpu_seconds + overrun, covered_gpu_seconds=overrun))
    assert attribute(pieces, after).charged == before
