"""Our sums held against Slurm's own: how far it is known that they are equal, and what the command says of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounting.history.ingest import ingest
from accounting.history.recompute import runs_of
from accounting.models import IngestMark, Job, Verification
from accounting.usage import usage_by_person
from accounting.verification.disputes import verified_until
from accounting.verification.hours import our_sums, spans
from accounting.verification.verify import (
    CannotVerify,
    NotSummedUp,
    default_period,
    verify,
    verify_next,
    verify_nightly,
)
from portal.slurm.drivers import OpenedGateway
from portal.slurm.sentences import Sentence
from tests.accounting.histories import HOUR, START, gateway, job
from tests.factories import ProjectFactory, kst

AT = kst(2026, 3, 2, 15, 20)
PERIOD = {"start": kst(2026, 3, 2), "end": kst(2026, 3, 2, 15)}
DAY = timedelta(days=1)


@pytest.fixture
def slurm(db):
    ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))
    slurm = gateway(
        job(start=kst(2026, 3, 1, 23), hours=2, gpus=3),
        job(state="REQUEUED", hours=1),
        job(user="lee", start=START, hours=None, gpus=1),
        job(account="physics", user="park", hours=0),
    )
    ingest(slurm, at=AT)
    return slurm


def break_sums(slurm, gpus=1):
    """Slurm's sums lose something that none of its rows, nor any late one, accounts for."""
    slurm.rolled_up = [replace(row, gpus=row.gpus + gpus) if row.gpus == 3 else row for row in slurm.history]


def test_equal_sums_are_kept_as_such(slurm):
    verification = verify(slurm, **PERIOD, at=AT)
    assert verification.agrees
    assert verification.explained
    assert (verification.compared, verification.unexplained_gpu_seconds) == (2, 0)
    assert verification.gpu_seconds == 3 * 3600 + 2 * 3600 + 5 * 3600


def test_a_difference_names_account_person_and_both_sums(slurm):
    break_sums(slurm)
    verification = verify(slurm, **PERIOD, at=AT)
    assert (verification.agrees, verification.explained) == (False, False)
    assert verification.unexplained_gpu_seconds == 3600
    difference = {"account": "p26001-h100", "user": "kim", "ours": 18_000, "slurm": 21_600}
    assert verification.differences == [difference | {"unexplained": 3600, "causes": []}]


def test_what_one_hour_has_too_much_does_not_make_up_for_another(slurm):
    """The sum of the day agrees, two of its hours do not."""
    slurm.rolled_up = [
        replace(row, start=row.start + HOUR, end=row.end + HOUR) if row.state == "REQUEUED" else row
        for row in slurm.history
    ]
    Job.objects.update(first_seen_at=START, changed_at=START)
    verification = verify(slurm, **PERIOD, at=AT)
    (difference,) = verification.differences
    assert difference["ours"] == difference["slurm"]
    assert difference["unexplained"] == 2 * 7200


def test_long_periods_are_compared_by_day_and_looked_into_by_the_hour(slurm, monkeypatch):
    asked = []
    usage = slurm.usage
    monkeypatch.setattr(slurm, "usage", lambda start, end: asked.append((start, end)) or usage(start, end))
    verification = verify(slurm, start=kst(2026, 2, 20), end=PERIOD["end"], at=AT)
    assert (verification.agrees, len(asked)) == (True, 11)
    asked.clear()
    break_sums(slurm)
    verification = verify(slurm, start=kst(2026, 2, 20), end=PERIOD["end"], at=AT)
    assert verification.unexplained_gpu_seconds == 7200
    assert len(asked) == 11 + 24 + 15


def test_our_sums_by_hour_and_by_day_are_those_of_the_definition(slurm):
    slurm.history.append(job(start=kst(2026, 2, 26, 3, 59) + timedelta(seconds=7), hours=71.4, gpus=2))
    slurm.history.append(job(start=START, hours=0.3, gpus=1, cluster="elsewhere"))
    ingest(slurm, at=AT, since=kst(2026, 2, 26))
    ours = Job.objects.filter(cluster="pohang")
    for start, end in ((PERIOD["start"], PERIOD["end"]), (kst(2026, 2, 26, 5), kst(2026, 3, 2, 7))):
        parts = spans(start, end)
        sums = our_sums(parts)
        for part in parts:
            assert sums.get(part, {}) == usage_by_person(runs_of(ours.overlapping(*part)), *part)
        assert len(sums) > 3


def test_a_period_that_is_not_read_yet_or_not_of_whole_hours_is_refused(slurm):
    with pytest.raises(CannotVerify, match="ingest"):
        verify(slurm, start=PERIOD["start"], end=kst(2026, 3, 2, 16), at=kst(2026, 3, 2, 17))
    with pytest.raises(CannotVerify, match="whole hours"):
        verify(slurm, start=PERIOD["start"], end=kst(2026, 3, 2, 14, 30), at=AT)
    with pytest.raises(CannotVerify, match="past"):
        verify(slurm, start=PERIOD["end"], end=PERIOD["start"], at=AT)
    IngestMark.objects.update(sealed_before=PERIOD["start"].date())
    with pytest.raises(CannotVerify, match="2026-03-02"):
        verify(slurm, start=PERIOD["start"] - HOUR, end=PERIOD["end"], at=AT)
    assert not Verification.objects.exists()


def test_hours_that_slurmdbd_has_not_summed_up_say_nothing(slurm):
    slurm.rolled_up = [row for row in slurm.history if row.user != "lee"]
    slurm.standing = replace(slurm.standing, rolled_up_until=PERIOD["end"] - HOUR)
    Job.objects.update(first_seen_at=START, changed_at=START)
    with pytest.raises(NotSummedUp, match="05:00 UTC"):
        verify(slurm, **PERIOD, at=AT)
    assert not Verification.objects.exists()


def test_by_default_the_day_so_far_up_to_the_last_hour_that_is_rolled_up():
    assert default_period(kst(2026, 3, 2, 15, 20)) == (kst(2026, 3, 2), kst(2026, 3, 2, 15))
    assert default_period(kst(2026, 3, 2, 15, 1)) == (kst(2026, 3, 2), kst(2026, 3, 2, 14))
    assert default_period(kst(2026, 3, 2, 0, 30)) == (kst(2026, 3, 1), kst(2026, 3, 2))
    assert default_period(AT, start=kst(2026, 2, 1)) == (kst(2026, 2, 1), kst(2026, 3, 2, 15))
    assert default_period(AT, end=kst(2026, 2, 3, 7)) == (kst(2026, 2, 3), kst(2026, 2, 3, 7))


# --- The worker ---


def test_each_hour_that_is_over_is_verified_once_from_the_first_job_on(slurm):
    first = verify_next(slurm, at=AT)
    assert (first.period_start, first.period_end) == (kst(2026, 3, 1), PERIOD["end"])
    assert verify_next(slurm, at=AT + timedelta(minutes=5)) is None
    later = AT + HOUR
    assert verify_next(slurm, at=later) is None  # not read yet
    ingest(slurm, at=later)
    then = verify_next(slurm, at=later)
    assert (then.period_start, then.period_end) == (kst(2026, 3, 2), kst(2026, 3, 2, 16))


def test_a_long_history_is_verified_in_pieces_and_nothing_is_left_out_after_a_pause(slurm):
    slurm.history.append(job(start=kst(2026, 1, 10, 5), hours=1))
    ingest(slurm, at=AT, since=kst(2026, 1, 1))
    pieces = []
    while piece := verify_next(slurm, at=AT):
        pieces.append((piece.period_start, piece.period_end))
    assert pieces == [(kst(2026, 1, 10), kst(2026, 2, 14)), (kst(2026, 2, 14), PERIOD["end"])]
    later = AT + 3 * DAY
    ingest(slurm, at=later)
    assert verify_next(slurm, at=later).period_start == PERIOD["end"]
    assert verified_until() == kst(2026, 3, 5, 15)


def test_once_a_night_the_last_weeks_are_verified_again_and_what_has_changed_before_them(slurm):
    slurm.history.append(job(start=kst(2025, 12, 10, 5), hours=1))
    night = kst(2026, 3, 3, 2, 10)
    ingest(slurm, at=night, since=kst(2025, 12, 1))
    assert verify_nightly(slurm, at=kst(2026, 3, 3, 1, 50)) is None
    first = verify_nightly(slurm, at=night)
    assert (first.period_start, first.period_end) == (kst(2026, 1, 27), kst(2026, 3, 3, 2))
    assert verify_nightly(slurm, at=night + HOUR) is None
    night += DAY
    Job.objects.filter(start__lt=kst(2026, 1, 1)).update(changed_at=night - HOUR)
    Job.objects.exclude(start__lt=kst(2026, 1, 1)).update(changed_at=kst(2026, 3, 2))
    ingest(slurm, at=night)
    assert verify_nightly(slurm, at=night).period_start == kst(2025, 12, 10)


def test_hours_that_were_sealed_before_they_were_compared_do_not_stop_the_next(slurm):
    assert verify_next(slurm, at=AT) is not None
    later = AT + 100 * DAY
    ingest(slurm, at=later, most=None)
    IngestMark.objects.update(sealed_before=(later - 70 * DAY).date())
    while verify_next(slurm, at=later):
        pass
    assert verified_until() == later.replace(minute=0)


# --- Up to when ---


def test_verified_up_to_where_an_hour_stays_unexplained_and_on_once_it_is_put_right(slurm):
    assert verified_until() is None
    verify_next(slurm, at=AT)
    assert verified_until() == PERIOD["end"]
    later = AT + HOUR
    ingest(slurm, at=later)
    break_sums(slurm)
    Verification.objects.all().delete()
    verify_next(slurm, at=later)
    assert verified_until() == kst(2026, 3, 1, 23)
    assert verified_until({"physics"}) == kst(2026, 3, 2, 16)
    # What is compared later, without those hours, does not settle them.
    verify(slurm, start=kst(2026, 3, 2, 5), end=kst(2026, 3, 2, 16), at=later)
    assert verified_until({"p26001-h100"}) == kst(2026, 3, 1, 23)
    slurm.rolled_up = None
    verify(slurm, start=kst(2026, 3, 1, 20), end=kst(2026, 3, 2, 2), at=later)
    assert verified_until() == kst(2026, 3, 2, 16)


def test_a_stretch_by_hand_claims_nothing_about_the_time_before_it(slurm):
    verify(slurm, start=kst(2026, 3, 2, 9), end=PERIOD["end"], at=AT)
    assert verified_until() is None
    verify(slurm, start=kst(2026, 3, 1), end=kst(2026, 3, 2, 9), at=AT)
    assert verified_until() == kst(2026, 3, 2, 9)


# --- The command ---


@pytest.fixture
def command(monkeypatch, slurm):
    opened = OpenedGateway(slurm, Sentence("in memory"))
    monkeypatch.setattr("portal.management.commands.usage.open_gateway", lambda *_: opened)
    with time_machine.travel(AT, tick=False):
        yield lambda *arguments: call_command("usage", *arguments)


def test_verify_prints_a_table_and_its_sum(command, slurm, capsys):
    slurm.rolled_up = [row for row in slurm.history if row.state != "REQUEUED"]
    command("verify")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2026-03-02 00:00 to 2026-03-02 15:00 Asia/Seoul"
    assert lines[2].split() == ["p26001-h100", "kim", "18000", "10800", "7200", "0"]
    assert lines[3].split() == ["+7200", "late:", Job.objects.get(state="REQUEUED").display_id]
    assert lines[-1].split() == ["all", "2", "36000", "28800", "7200", "0"]


def test_verify_fails_on_what_stays_unexplained(command, slurm, capsys):
    break_sums(slurm)
    with pytest.raises(CommandError, match="3600 GPU-seconds") as error:
        command("verify", "--start", "2026-03-02", "--end", "2026-03-02T06:00Z", "--json")
    assert error.value.returncode == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["start"], result["end"]) == ("2026-03-01T15:00:00+00:00", "2026-03-02T06:00:00+00:00")
    assert result["unexplained_gpu_seconds"] == 3600


def test_verify_says_what_is_missing(command):
    with pytest.raises(CommandError, match="whole hours") as error:
        command("verify", "--end", "2026-03-02T14:30")
    assert error.value.returncode == 2


def test_ingest_says_what_it_did(command, capsys):
    command("ingest", "--json", "--since", "2026-03-01")
    report = json.loads(capsys.readouterr().out)
    assert (report["changed"], report["caught_up"]) == (0, True)
    assert datetime.fromisoformat(report["read_until"]) == AT.astimezone(UTC)
    command("ingest")
    assert "0 jobs new or changed" in capsys.readouterr().out
