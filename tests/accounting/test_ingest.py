"""Job rows become usage, however often, in whatever order and with whatever interruptions they are read."""

import itertools
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import connections

from accounting import ingest as ingest_module
from accounting.ingest import ingest, plan_windows
from accounting.models import IngestMark, Job, UnreadableJobRow, UsageDay
from accounting.store import job_accept_held, store_rows
from portal.events.models import Event
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.types import UnreadableRow
from tests.accounting.histories import HOUR, START, gateway, job
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
NOON = kst(2026, 3, 2, 12)


def usage():
    """The whole usage table as plain values."""
    return sorted(UsageDay.objects.values_list(*UsageDay.KEY, "gpu_seconds", "jobs"))


def days():
    return {(row.day.day, row.user_name, row.state): row.gpu_seconds for row in UsageDay.objects.all()}


@pytest.fixture
def project():
    project = ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    return project


@pytest.fixture
def told(monkeypatch):
    """What open pages were told: (topics, action)."""
    heard = []
    monkeypatch.setattr(ingest_module, "announce", lambda topics, action: heard.append((list(topics), action)))
    return heard


def test_a_finished_job_becomes_usage_of_its_day(project):
    report = ingest(gateway(job(hours=1, gpus=2)), at=NOON)
    row = UsageDay.objects.get()
    assert (row.day, row.account, row.user_name) == (date(2026, 3, 2), project.accounts.get(), "kim")
    assert (row.gpu_kind, row.gpu_seconds, row.jobs, row.provisional) == ("h100", 7200, 1, False)
    assert (report.rows, report.changed, report.days, report.caught_up) == (1, 1, 1, True)


def test_reading_twice_changes_nothing(project):
    slurm = gateway(job(), job(user="lee", start=kst(2026, 3, 1, 23), hours=3), job(hours=None))
    ingest(slurm, at=NOON)
    before, jobs = usage(), list(Job.objects.values())
    report = ingest(slurm, at=NOON, since=kst(2026, 3, 1))
    assert (report.rows, report.changed, report.days) == (4, 0, 0)
    assert (usage(), list(Job.objects.values())) == (before, jobs)


def test_a_running_job_counts_up_to_now_and_is_marked_provisional(project):
    slurm = gateway(job(start=START, hours=None, gpus=4))
    ingest(slurm, at=START + HOUR)
    assert UsageDay.objects.get().provisional
    ingest(slurm, at=START + 2 * HOUR)
    assert UsageDay.objects.get().gpu_seconds == 4 * 7200


def test_an_ended_job_moves_from_provisional_to_final(project):
    running = job(start=START, hours=None, gpus=4)
    slurm = gateway(running)
    ingest(slurm, at=START + 2 * HOUR)
    slurm.history = [replace(running, state="TIMEOUT", end=START + HOUR)]
    ingest(slurm, at=START + 3 * HOUR)
    row = UsageDay.objects.get()
    assert (row.provisional, row.state, row.gpu_seconds) == (False, "TIMEOUT", 4 * 3600)


def test_a_row_without_an_end_is_not_final_whatever_its_state(project):
    """slurmdbd shows such rows while it catches up after an outage (slurm-facts section 5)."""
    ingest(gateway(job(hours=None, state="COMPLETED")), at=NOON)
    assert UsageDay.objects.get().provisional


def test_every_run_of_a_requeued_job_counts(project):
    first = job(start=START, hours=1, state="REQUEUED")
    second = job(start=START + 2 * HOUR, hours=1, job_id=first.job_id, display_id=first.display_id)
    ingest(gateway(first, second), at=kst(2026, 3, 2, 20))
    assert days() == {(2, "kim", "REQUEUED"): 7200, (2, "kim", "COMPLETED"): 7200}


def test_a_job_cancelled_before_it_started_is_known_and_charged_nothing(project):
    cancelled = job(start=None, state="CANCELLED", gpus=0)
    ingest(gateway(replace(cancelled, end=START)), at=NOON)
    assert Job.objects.get().state == "CANCELLED"
    assert not UsageDay.objects.exists()


def test_jobs_without_gpus_are_counted_as_jobs(project):
    ingest(gateway(job(gpus=0, kind="")), at=NOON)
    row = UsageDay.objects.get()
    assert (row.gpu_seconds, row.jobs) == (0, 1)


def test_jobs_of_accounts_that_are_not_ours_are_kept_without_a_project():
    ingest(gateway(job(account="physics")), at=NOON)
    assert UsageDay.objects.get().account is None


def test_a_correction_at_slurm_replaces_what_was_known(project):
    first = job(start=kst(2026, 3, 1, 23), hours=2, gpus=2)
    slurm = gateway(first)
    ingest(slurm, at=NOON)
    slurm.history = [replace(first, user="lee", end=first.end + HOUR)]
    ingest(slurm, at=NOON + HOUR)
    assert days() == {(1, "lee", "COMPLETED"): 7200, (2, "lee", "COMPLETED"): 4 * 3600}


def test_a_row_that_vanished_at_slurm_keeps_its_usage(project):
    slurm = gateway(job(), job(hours=None, user="lee"))
    ingest(slurm, at=NOON)
    before = usage()
    slurm.history = []
    ingest(slurm, at=NOON + HOUR)
    assert usage() == before


# --- What would make a finished job cheaper waits for the operator ---


def test_fewer_seconds_for_a_finished_job_are_held(project):
    finished = job(hours=3)
    slurm = gateway(finished)
    ingest(slurm, at=NOON + 3 * HOUR)
    before = usage()
    slurm.history = [replace(finished, end=finished.start + HOUR)]
    report = ingest(slurm, at=NOON + 4 * HOUR)
    assert (report.held, report.changed, usage()) == (1, 0, before)
    assert Job.objects.get().held_at == NOON + 4 * HOUR
    assert ingest(slurm, at=NOON + 5 * HOUR).held == 0


def test_the_operator_takes_over_what_slurm_says(project):
    finished = job(hours=3, gpus=2)
    slurm = gateway(finished)
    ingest(slurm, at=NOON + 3 * HOUR)
    slurm.history = [replace(finished, end=finished.start + HOUR, state="FAILED")]
    ingest(slurm, at=NOON + 4 * HOUR)
    operator = UserFactory(roles=["operator"])
    job_accept_held(job=Job.objects.get(), by=operator, at=NOON + 5 * HOUR)
    assert days() == {(2, "kim", "FAILED"): 7200}
    assert project.grants.get().lines.get().charged_gpu_seconds == 7200
    event = Event.objects.get(action="job.corrected")
    assert (event.by, event.data["before"], event.data["after"]) == (operator, 6 * 3600, 7200)
    assert ingest(slurm, at=NOON + 6 * HOUR).held == 0


def test_a_held_row_is_let_go_when_slurm_says_the_old_again(project):
    finished = job(hours=3)
    slurm = gateway(finished)
    ingest(slurm, at=NOON + 3 * HOUR)
    slurm.history = [replace(finished, end=finished.start + HOUR)]
    ingest(slurm, at=NOON + 4 * HOUR)
    slurm.history = [finished]
    ingest(slurm, at=NOON + 5 * HOUR)
    assert Job.objects.get().held is None


# --- Poison ---


def test_a_row_that_cannot_be_read_is_put_aside_and_the_rest_goes_on(project):
    report = ingest(gateway(UnreadableRow("a\0b|c", "too few columns"), job()), at=NOON)
    assert report.unreadable == 1
    row = UnreadableJobRow.objects.get()
    assert (row.text, row.reason) == ("a\N{REPLACEMENT CHARACTER}b|c", "too few columns")
    assert UsageDay.objects.count() == 1
    assert ingest(gateway(UnreadableRow("a\0b|c", "too few columns")), at=NOON + HOUR).unreadable == 0


@pytest.mark.parametrize(
    "poison",
    [{"user": "a\0b"}, {"account": "x" * 300}, {"gpus": 2**40}, {"db_index": 10**30}],
    ids=lambda poison: next(iter(poison)),
)
def test_a_row_that_the_database_refuses_is_put_aside_and_the_rest_goes_on(project, poison):
    report = ingest(gateway(job(), replace(job(), **poison), job(user="lee")), at=NOON)
    assert (report.unreadable, report.changed) == (1, 2)
    assert {row.user_name for row in UsageDay.objects.all()} == {"kim", "lee"}
    assert UnreadableJobRow.objects.get().reason


# --- Windows, interruptions ---


def test_a_first_run_starts_before_the_first_project(project):
    windows, caught_up = plan_windows(IngestMark.current(), NOON)
    assert windows[0][0] == kst(2026, 2, 28)
    assert caught_up and windows[-1][1] == NOON
    assert all(until == start for (_, until), (start, _) in itertools.pairwise(windows))


def test_an_ordinary_run_overlaps_the_last_one_a_little_and_every_hour_more():
    mark = IngestMark(read_until=NOON, last_run_at=NOON)
    later = NOON + timedelta(seconds=10)
    assert plan_windows(mark, later) == ([(NOON - timedelta(minutes=10), later)], True)
    assert plan_windows(mark, NOON + HOUR)[0][0][0] == NOON - timedelta(days=2)
    assert plan_windows(mark, NOON + timedelta(days=1))[0][0][0] == NOON - timedelta(days=14)


def test_catching_up_takes_a_month_a_run_and_leaves_no_gap(project):
    """A year away from the cluster: the worker goes on with its other duties in between."""
    ingest(gateway(), at=NOON)
    old = job(start=NOON + 20 * HOUR)
    at = NOON + timedelta(days=100)
    slurm = gateway(old, job(start=at - 2 * HOUR))
    reports = []
    while not reports or not reports[-1].caught_up:
        reports.append(ingest(slurm, at=at))
    assert 3 <= len(reports) <= 8
    assert UsageDay.objects.count() == 2


def test_an_earlier_start_reads_again_without_moving_the_mark_back(project):
    slurm = gateway()
    ingest(slurm, at=NOON)
    slurm.history = [job(start=kst(2026, 1, 5, 10))]
    ingest(slurm, at=NOON + timedelta(seconds=10))
    assert not UsageDay.objects.exists()
    at = NOON + timedelta(seconds=20)
    since = kst(2026, 1, 1)
    while not (report := ingest(slurm, at=at, since=since)).caught_up:
        since = since + timedelta(days=31)
    assert report.read_until == at
    assert UsageDay.objects.get().day == date(2026, 1, 5)


def test_slurm_not_answering_is_noted_and_leaves_the_mark(project, told):
    slurm = gateway(job())
    ingest(slurm, at=NOON)
    slurm.broken = SlurmUnavailable("sacct ended with exit code 1", words="Connection refused")
    for _ in range(2):
        with pytest.raises(SlurmUnavailable):
            ingest(slurm, at=NOON + HOUR)
    mark = IngestMark.current()
    assert (mark.read_until, mark.last_run_at) == (NOON, NOON)
    assert "Connection refused" in mark.last_error
    assert told.count((["operations"], "usage.failed")) == 1
    slurm.broken = None
    ingest(slurm, at=NOON + 2 * HOUR)
    assert not IngestMark.current().last_error


def test_an_interruption_keeps_what_was_stored_and_the_next_run_reads_the_rest(project, monkeypatch):
    rows = [job(user=f"user{n}") for n in range(5)]
    slurm = gateway(*rows)

    def breaks_off(since, until):
        yield from rows[:3]
        raise SlurmUnavailable("sacct did not end in time")

    monkeypatch.setattr(ingest_module, "CHUNK", 2)
    with monkeypatch.context() as interrupted, pytest.raises(SlurmUnavailable):
        interrupted.setattr(slurm, "jobs", breaks_off)
        ingest(slurm, at=NOON)
    assert Job.objects.count() == UsageDay.objects.count() == 2
    assert IngestMark.current().read_until is None
    ingest(slurm, at=NOON)
    assert Job.objects.count() == UsageDay.objects.count() == 5
    assert project.grants.get().lines.get().charged_gpu_seconds == 5 * 7200


def test_a_row_that_stayed_open_is_looked_for_where_it_began(project):
    """Its end arrived later than any overlap reaches back."""
    running = job(start=START, hours=None, gpus=1)
    slurm = gateway(running)
    ingest(slurm, at=NOON)
    slurm.history = []
    at = NOON + timedelta(days=20)
    while not ingest(slurm, at=at).caught_up:
        pass
    slurm.history = [replace(running, state="COMPLETED", end=START + HOUR)]
    ingest(slurm, at=at + HOUR)
    assert days() == {(2, "kim", "COMPLETED"): 3600}


def test_any_pieces_in_any_order_give_the_same_usage(project):
    rows = [job(start=START + n * 5 * HOUR, hours=7, gpus=n, user=f"user{n % 3}") for n in range(12)]
    at = START + timedelta(days=5)
    store_rows(rows, at=at)
    expected = usage()
    UsageDay.objects.all().delete()
    Job.objects.all().delete()
    for piece in (rows[8:], rows[3:9], rows[:4], rows[2:6]):
        store_rows(reversed(piece), at=at)
    assert usage() == expected


@pytest.mark.django_db(transaction=True)
def test_only_one_ingests_at_a_time():
    with connections["default"].copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(hashtext('accounting.ingest'))")
        report = ingest(gateway(job()), at=NOON)
        other.execute("SELECT pg_advisory_unlock_all()")
        other.connection.close()
    assert report.busy and not Job.objects.exists()
    assert not ingest(gateway(job()), at=NOON).busy


# --- Who hears of it ---


def test_only_projects_whose_figures_changed_are_told(project, told):
    other = ProjectFactory(code="p26002")
    GrantFactory(project=other)
    finished = job()
    ingest(gateway(finished, job(account="physics")), at=NOON)
    assert told == [(["project:p26001"], "usage.refreshed")]
    told.clear()
    ingest(gateway(finished), at=NOON + timedelta(seconds=10))
    assert [topics for topics, _ in told if topics] == []


def test_seconds_that_pass_are_told_once_a_minute(project, told):
    slurm = gateway(job(start=START, hours=None))
    for seconds in range(0, 121, 10):
        ingest(slurm, at=NOON + timedelta(seconds=seconds))
    assert len([topics for topics, _ in told if topics == ["project:p26001"]]) == 3


def test_lines_are_charged_as_usage_is_stored(project):
    ingest(gateway(job(hours=2, gpus=4)), at=NOON)
    assert project.grants.get().lines.get().charged_gpu_seconds == 8 * 3600
