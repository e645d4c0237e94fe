"""What is behind a difference between our figures and sreport's: one test for each cause, and none for no cause."""

from dataclasses import replace
from datetime import timedelta

import pytest

from accounting.history.ingest import ingest
from accounting.models import Job
from accounting.verification.verify import verify
from portal.slurm.sacct import DELIMITER
from portal.slurm.types import Reservation, UnreadableRow
from tests.accounting.histories import HOUR, START, gateway, job
from tests.factories import ProjectFactory, kst

AT = kst(2026, 3, 2, 15, 20)
PERIOD = {"start": kst(2026, 3, 2), "end": kst(2026, 3, 2, 15)}
LEAF = "p26001-h100"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def slurm(db):
    ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))
    slurm = gateway(job(hours=2, gpus=2, display_id="7"), job(user="lee", hours=1, gpus=1, display_id="8"))
    ingest(slurm, at=AT)
    known_since(START)
    return slurm


def known_since(moment, **which):
    Job.objects.filter(**which).update(first_seen_at=moment, changed_at=moment)


def read_again(slurm):
    ingest(slurm, at=AT, since=START)


def causes(slurm, user="kim", account=LEAF):
    """(kind, what, GPU-seconds) of a person, and what stays unexplained."""
    verification = verify(slurm, **PERIOD, at=AT)
    rows = [row for row in verification.differences if (row["account"], row["user"]) == (account, user)]
    found = [(cause["kind"], cause["what"], cause["gpu_seconds"]) for row in rows for cause in row["causes"]]
    return found, sum(row["unexplained"] for row in rows)


# --- Our rows are not Slurm's ---


def test_a_row_that_the_portal_has_not_read(slurm):
    slurm.history.append(job(display_id="9", hours=0.5, gpus=4))
    assert causes(slurm) == ([("unread", "9", -7200)], 0)


def test_a_row_that_changed_since_it_was_read(slurm):
    slurm.history[0] = replace(slurm.history[0], end=slurm.history[0].end + MINUTE)
    assert causes(slurm) == ([("unread", "7", -120)], 0)


def test_a_row_that_moved_to_another_account(slurm):
    slurm.history[1] = replace(slurm.history[1], account="p26001-a100")
    assert causes(slurm, "lee") == ([("unread", "8", 3600)], 0)
    assert causes(slurm, "lee", "p26001-a100") == ([("unread", "8", -3600)], 0)


def test_a_row_that_was_put_aside_but_tells_its_times(slurm):
    start, end = (str(int((START + hours * HOUR).timestamp())) for hours in (3, 4))
    values = ["pohang", "77", "9", "9_1", "kim", LEAF, "h100", "h100", "COMPLETED", "Unknown", start, start, end]
    text = DELIMITER.join([*values, "cpu=1,gres/gpu=3", "0:0", "60"])
    slurm.rolled_up = [*slurm.history, job(start=START + 3 * HOUR, gpus=3)]
    slurm.history.append(UnreadableRow(text, "no time"))
    slurm.history.append(UnreadableRow("something else", "13 columns"))
    assert causes(slurm) == ([("unread", "9_1", -10_800)], 0)


def test_a_row_that_is_gone_at_slurm(slurm):
    slurm.history.pop(0)
    assert causes(slurm) == ([("gone", "7", 14_400)], 0)


def test_a_row_that_would_be_cheaper_and_is_held(slurm):
    slurm.history[0] = replace(slurm.history[0], end=slurm.history[0].end - MINUTE)
    read_again(slurm)
    assert Job.objects.held().count() == 1
    assert causes(slurm) == ([("held", "7", 120)], 0)


def test_a_job_that_runs_only_in_slurmdbd_and_was_ended_there(slurm):
    runaway = job(display_id="9", start=START + HOUR, hours=None, gpus=1)
    slurm.history.append(runaway)
    read_again(slurm)
    Job.objects.filter(display_id="9").update(runaway_since=AT)
    slurm.history[-1] = replace(runaway, end=runaway.start, state="COMPLETED")
    assert causes(slurm) == ([("runaway", "9", 4 * 3600)], 0)


# --- sreport says something else than Slurm's rows ---


def test_a_row_that_came_after_its_hour_was_summed_up(slurm):
    late = job(display_id="9", start=START + 3 * HOUR, hours=0.5, gpus=4)
    slurm.rolled_up = list(slurm.history)
    slurm.history.append(late)
    read_again(slurm)
    assert causes(slurm) == ([("late", "9", 7200)], 0)


def test_of_rows_that_came_late_only_those_that_make_the_difference_up(slurm):
    slurm.rolled_up = list(slurm.history)
    for seconds, number in ((100, "9"), (250, "10"), (400, "11")):
        slurm.history.append(job(display_id=number, start=START + 3 * HOUR, hours=seconds / 3600, gpus=1))
    slurm.rolled_up.append(slurm.history[-2])
    read_again(slurm)
    assert causes(slurm) == ([("late", "9", 100), ("late", "11", 400)], 0)


def test_a_row_whose_end_came_so_late_that_it_was_thought_to_run_on(slurm):
    """In the hour of its end, and in a whole one after it."""
    ended = job(display_id="9", start=START + HOUR, hours=1.5, gpus=2)
    slurm.history.append(replace(ended, end=None, state="RUNNING"))
    read_again(slurm)
    slurm.rolled_up = [*slurm.history[:-1], replace(ended, end=START + 4 * HOUR)]
    slurm.history[-1] = ended
    read_again(slurm)
    known_since(START, display_id="7")
    assert causes(slurm) == ([("late", "9", -3 * 3600)], 0)


def test_a_row_that_was_corrected_and_may_have_said_anything_before(slurm):
    short = slurm.history[0]
    slurm.history[0] = replace(short, end=short.end + 30 * MINUTE)
    read_again(slurm)
    slurm.rolled_up = [short, *slurm.history[1:]]
    assert causes(slurm) == ([("late", "7", 3600)], 0)


def test_rows_known_in_time_explain_nothing(slurm):
    slurm.rolled_up = slurm.history[1:]
    assert causes(slurm) == ([], 14_400)


def test_idle_time_of_a_reservation_is_shared_out_among_those_who_may_use_it(slurm):
    """Of 40 minutes the job takes 10, and two associations share the rest."""
    start = START + 3 * HOUR + 10 * MINUTE
    holders = frozenset({(LEAF, "kim"), (LEAF, "lee")})
    inside = ((start, start + 10 * MINUTE),)
    slurm.reserved_times = [Reservation("course", 3, start, start + 40 * MINUTE, 4, holders, 2, inside)]
    assert causes(slurm) == ([("reservation", "course", -3600)], 0)
    assert causes(slurm, "lee") == ([("reservation", "course", -3600)], 0)


def test_of_a_reservation_for_an_account_no_person_is_charged(slurm):
    holders = frozenset({(LEAF, "")})
    slurm.reserved_times = [Reservation("course", 3, START, START + HOUR, 4, holders, 1)]
    assert verify(slurm, **PERIOD, at=AT).agrees


def test_what_stands_to_the_second_in_another_account_of_the_same_person_is_a_broken_tree(slurm):
    slurm.rolled_up = [replace(row, account="p26002-h100") for row in slurm.history if row.user == "lee"]
    slurm.rolled_up.append(slurm.history[0])
    assert causes(slurm, "lee") == ([("tree", "p26002-h100", 3600)], 0)
    assert causes(slurm, "lee", "p26002-h100") == ([("tree", LEAF, -3600)], 0)


def test_several_causes_of_one_person_are_told_apart(slurm):
    slurm.history.append(job(display_id="9", start=START, hours=0.5, gpus=4))
    slurm.rolled_up = [*slurm.history, job(start=START + 4 * HOUR, hours=10 / 3600, gpus=1)]
    found, unexplained = causes(slurm)
    assert (found, unexplained) == ([("unread", "9", -7200)], 10)
