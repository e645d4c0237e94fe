"""Reservations as Slurm prints them, and what slurmdbd charges of their idle time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.reservations import DELIMITER, idle_share, parse_holders, parse_reservations, with_jobs
from portal.slurm.types import Reservation

START = datetime(2026, 3, 2, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
HOLDERS = "1|root|\n2|root|root\n3|ra|\n4|ra|kim\n5|r|b|lee\nsecond half of a name|x\n"
# Slurm 26.05: one with GPUs, one of whole nodes without, one whose holders are partly unknown by now.
ROWS = "7|1772413200|1772416800|cpu=64,gres/gpu=4|4,3|course|with a bar\n8|1772413200|1772416800|cpu=64|2||maint\n"
COURSE = Reservation("course", 7, START, START + HOUR, 4, frozenset({("ra", "kim")}), 1)


def test_numbers_of_associations_mean_accounts_and_people() -> None:
    assert parse_holders(HOLDERS) == {
        1: ("root", ""),
        2: ("root", "root"),
        3: ("ra", ""),
        4: ("ra", "kim"),
        5: ("r|b", "lee"),
    }


def test_reservations_with_gpus_are_read_and_others_left_out() -> None:
    (row,) = parse_reservations(ROWS, parse_holders(HOLDERS))
    assert (row.number, row.name, row.start, row.end, row.gpus) == (7, "course|with a bar", START, START + HOUR, 4)
    assert (row.holders, row.shares) == ({("ra", "kim"), ("ra", "")}, 2)


@pytest.mark.parametrize("line", ["7|1772413200", "x|1|2|gres/gpu=1|4|name", "7|Unknown|2|gres/gpu=1|4|name"])
def test_a_row_of_another_shape_is_said_to_be_unreadable(line: str) -> None:
    with pytest.raises(SlurmUnreadable):
        parse_reservations(line, {})


def test_jobs_find_their_reservation_and_the_others_are_passed_over() -> None:
    def line(*values: str) -> str:
        return DELIMITER.join(values)

    lines = [
        line("7", "1772415000", "1772415600", "cpu=1,gres/gpu=1"),
        line("7", "1772413200", "Unknown", "cpu=1,gres/gpu=1"),
        line("7", "Unknown", "Unknown", ""),
        line("7", "1772413200", "1772413300", "cpu=1"),
        line("0", "1772413200", "1772413300", "gres/gpu=1"),
        line("", "1772413200", "1772413300", "gres/gpu=1"),
    ]
    (row,) = with_jobs([COURSE], lines)
    assert row.used == ((START, None), (START + 30 * MINUTE, START + 40 * MINUTE))


def test_idle_time_is_that_in_which_no_job_ran_at_all_and_is_shared_out_hour_by_hour() -> None:
    assert idle_share(COURSE, START - HOUR, START + 3 * HOUR) == 4 * 3600
    busy = replace(COURSE, used=((START, START + 10 * MINUTE), (START + 5 * MINUTE, START + 15 * MINUTE)))
    assert idle_share(busy, START, START + HOUR) == 4 * 40 * 60
    assert idle_share(replace(busy, shares=7), START, START + HOUR) == 4 * 40 * 60 // 7
    assert idle_share(replace(COURSE, used=((START, None), (START, None))), START, START + HOUR) == 0
    assert idle_share(replace(COURSE, end=None), START, START + 2 * HOUR) == 2 * 4 * 3600
    assert idle_share(replace(COURSE, holders=frozenset(), shares=0), START, START + HOUR) == 0
