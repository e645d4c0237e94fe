"""Our sums held against Slurm's own, and what the command says of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command

from accounting.ingest import ingest
from accounting.models import Verification
from accounting.verify import CannotVerify, Row, default_period, rows_of, verify, verify_day_so_far
from portal.slurm.drivers import OpenedGateway
from portal.slurm.sentences import Sentence
from tests.accounting.histories import START, gateway, job
from tests.factories import ProjectFactory, kst

AT = kst(2026, 3, 2, 15, 20)
PERIOD = {"start": kst(2026, 3, 2), "end": kst(2026, 3, 2, 15)}


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


def test_equal_sums_are_kept_as_such(slurm):
    verification = verify(slurm, **PERIOD, at=AT)
    assert verification.agrees
    assert (verification.compared, verification.unexplained_gpu_seconds) == (2, 0)
    assert verification.gpu_seconds == 3 * 3600 + 2 * 3600 + 5 * 3600


def test_a_difference_names_account_person_and_both_sums(slurm):
    first = slurm.history[0]
    slurm.history[0] = replace(first, end=first.end - timedelta(seconds=1))
    verification = verify(slurm, **PERIOD, at=AT)
    assert verification.unexplained_gpu_seconds == 3
    assert verification.differences == [{"account": "p26001-h100", "user": "kim", "ours": 18_000, "slurm": 17_997}]


def test_either_side_may_know_somebody_the_other_does_not():
    assert rows_of({("a", "kim"): 5, ("a", "lee"): 0}, {("b", "kim"): 7}) == [
        Row("a", "kim", 5, 0),
        Row("b", "kim", 0, 7),
    ]


def test_a_period_that_is_not_read_yet_or_not_of_whole_hours_is_refused(slurm):
    with pytest.raises(CannotVerify, match="ingest"):
        verify(slurm, start=PERIOD["start"], end=kst(2026, 3, 2, 16), at=kst(2026, 3, 2, 17))
    with pytest.raises(CannotVerify, match="whole hours"):
        verify(slurm, start=PERIOD["start"], end=kst(2026, 3, 2, 14, 30), at=AT)
    with pytest.raises(CannotVerify, match="past"):
        verify(slurm, start=PERIOD["end"], end=PERIOD["start"], at=AT)
    assert not Verification.objects.exists()


def test_by_default_the_day_so_far_up_to_the_last_hour_that_is_rolled_up():
    assert default_period(kst(2026, 3, 2, 15, 20)) == (kst(2026, 3, 2), kst(2026, 3, 2, 15))
    assert default_period(kst(2026, 3, 2, 15, 1)) == (kst(2026, 3, 2), kst(2026, 3, 2, 14))
    assert default_period(kst(2026, 3, 2, 0, 30)) == (kst(2026, 3, 1), kst(2026, 3, 2))
    assert default_period(AT, start=kst(2026, 2, 1)) == (kst(2026, 2, 1), kst(2026, 3, 2, 15))
    assert default_period(AT, end=kst(2026, 2, 3, 7)) == (kst(2026, 2, 3), kst(2026, 2, 3, 7))


def test_each_hour_that_is_over_is_verified_once(slurm):
    first = verify_day_so_far(slurm, at=AT)
    assert (first.period_start, first.period_end) == (PERIOD["start"], PERIOD["end"])
    assert verify_day_so_far(slurm, at=AT + timedelta(minutes=5)) is None
    later = AT + timedelta(hours=1)
    assert verify_day_so_far(slurm, at=later) is None  # not read yet
    ingest(slurm, at=later)
    assert verify_day_so_far(slurm, at=later).period_end == kst(2026, 3, 2, 16)


# --- The command ---


@pytest.fixture
def command(monkeypatch, slurm):
    opened = OpenedGateway(slurm, Sentence("in memory"))
    monkeypatch.setattr("portal.management.commands.usage.open_gateway", lambda *_: opened)
    with time_machine.travel(AT, tick=False):
        yield lambda *arguments: call_command("usage", *arguments)


def test_verify_prints_a_table_and_its_sum(command, capsys):
    command("verify")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2026-03-02 00:00 to 2026-03-02 15:00 Asia/Seoul"
    assert lines[2].split() == ["p26001-h100", "kim", "18000", "18000", "0"]
    assert lines[-1].split() == ["all", "2", "36000", "36000", "0"]


def test_verify_fails_on_a_difference(command, slurm, capsys):
    slurm.history.pop(0)
    with pytest.raises(CommandError, match="10800 GPU-seconds") as error:
        command("verify", "--start", "2026-03-02", "--end", "2026-03-02T06:00Z", "--json")
    assert error.value.returncode == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["start"], result["end"]) == ("2026-03-01T15:00:00+00:00", "2026-03-02T06:00:00+00:00")
    assert result["unexplained_gpu_seconds"] == 10_800


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
