"""Every row of slurmdbd's is read, however long the portal was away and with whatever interruptions."""

import itertools
import time
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import OperationalError, connections

from accounting.history import ingest as ingest_module
from accounting.history import windows
from accounting.history.ingest import ingest
from accounting.models import IngestMark, Job, UsageDay
from portal.slurm.errors import SlurmUnavailable
from tests.accounting.histories import HOUR, START, gateway, job, waiting
from tests.factories import GrantFactory, ProjectFactory, kst

pytestmark = pytest.mark.django_db
NOON = kst(2026, 3, 2, 12)


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


def windows_read(slurm, monkeypatch):
    """What the gateway is asked for from now on, in order."""
    asked, jobs = [], slurm.jobs

    def recorded(since, until):
        asked.append((since, until))
        return jobs(since, until)

    monkeypatch.setattr(slurm, "jobs", recorded)
    return asked


def read_all(slurm, **options):
    reports = [ingest(slurm, **options)]
    options.pop("since", None)
    while not reports[-1].caught_up:
        reports.append(ingest(slurm, **options))
    return reports


def adjoin(windows):
    return all(until == start for (_, until), (start, _) in itertools.pairwise(windows))


# --- What is new ---


def test_a_first_run_starts_before_the_first_project_and_leaves_no_gap(project, monkeypatch):
    slurm = gateway()
    asked = windows_read(slurm, monkeypatch)
    assert ingest(slurm, at=NOON).caught_up
    assert (asked[0][0], asked[-1][1]) == (kst(2026, 2, 28), NOON)
    assert adjoin(asked)


def test_an_ordinary_run_overlaps_the_last_one_a_little(project, monkeypatch):
    slurm = gateway()
    ingest(slurm, at=NOON)
    asked = windows_read(slurm, monkeypatch)
    later = NOON + timedelta(seconds=10)
    ingest(slurm, at=later)
    assert asked == [(NOON - timedelta(minutes=10), later)]


def test_windows_are_as_long_as_history_is_thin(project, monkeypatch):
    """Rows of a window are what sacct holds in memory: about AIM of them, however dense the history is."""
    monkeypatch.setattr(windows, "AIM", 20)
    busy, end = NOON + timedelta(days=30), NOON + timedelta(days=50)
    running = [job(hours=None, start=NOON + HOUR) for _ in range(5)]
    slurm = gateway(*running, *(job(start=busy + n * HOUR, hours=0.5) for n in range(470)))
    ingest(gateway(), at=NOON)
    asked = windows_read(slurm, monkeypatch)
    assert ingest(slurm, at=end, most=None).caught_up
    assert Job.objects.count() == 475
    forward = asked[: 1 + next(n for n, (_, until) in enumerate(asked) if until == end)]
    assert adjoin(forward)
    assert max(until - start for start, until in forward) >= timedelta(days=1)
    dense = [until - start for start, until in forward if busy + timedelta(days=5) < start]
    assert max(dense) <= 16 * HOUR
    # What was read before is known, and read again in windows of that many rows.
    ended = Job.objects.filter(final=True).values_list("end", flat=True)
    again = [sum(start < end <= until for end in ended) for start, until in asked[len(forward) :]]
    assert max(again) <= 21


def test_windows_become_no_shorter_than_they_must(project, monkeypatch):
    """Jobs that run on for long are in every window: shorter ones would not have fewer of them."""
    monkeypatch.setattr(windows, "AIM", 10)
    slurm = gateway(*(job(hours=None, start=kst(2026, 3, 1)) for _ in range(50)))
    asked = windows_read(slurm, monkeypatch)
    read_all(slurm, at=NOON + timedelta(days=20))
    assert len(asked) < 30


def test_a_long_catching_up_is_cut_into_runs(project, monkeypatch):
    """The worker goes on with its other duties in between."""
    monkeypatch.setattr(windows, "AIM", 40)
    ingest(gateway(), at=NOON)
    at = NOON + timedelta(days=30)
    slurm = gateway(*(job(start=NOON + n * HOUR, hours=0.5) for n in range(700)))
    asked = windows_read(slurm, monkeypatch)
    reports = [ingest(slurm, at=at, most=100)]
    while not reports[-1].caught_up:
        reports.append(ingest(slurm, at=at, most=100))
    assert len(reports) >= 6
    assert all(report.rows < 400 for report in reports)
    assert Job.objects.count() == 700
    assert asked[0][0] == NOON - timedelta(minutes=10)
    assert ingest(slurm, at=at, since=NOON, most=None).caught_up


def test_the_next_window_is_read_while_the_last_one_is_stored(project, monkeypatch):
    slurm = gateway(job())
    asked, store, seen = windows_read(slurm, monkeypatch), ingest_module.store_rows, []

    def waits_for_the_next(rows, **options):
        until = time.monotonic() + 20
        while not (ahead := asked[-1][0] > START) and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(ahead)
        return store(rows, **options)

    monkeypatch.setattr(ingest_module, "store_rows", waits_for_the_next)
    ingest(slurm, at=NOON + timedelta(days=1))
    assert seen[0]


def test_a_clock_that_ran_ahead_leaves_no_gap_when_it_is_set_right(project, monkeypatch):
    slurm = gateway()
    ingest(slurm, at=NOON + 5 * HOUR)
    asked = windows_read(slurm, monkeypatch)
    ingest(slurm, at=NOON)
    assert asked[0] == (NOON - timedelta(minutes=10), NOON)
    assert IngestMark.current().read_until == NOON


# --- What may have changed ---


@pytest.mark.parametrize(
    ("later", "depth"),
    [
        (timedelta(hours=1), timedelta(days=2)),
        (timedelta(days=1), timedelta(days=14)),
        (timedelta(days=7), timedelta(days=62)),
    ],
)
def test_the_longer_ago_the_less_often_history_is_read_again(monkeypatch, later, depth):
    ProjectFactory(created_at=kst(2025, 3, 1))
    slurm = gateway()
    read_all(slurm, at=NOON)
    asked = windows_read(slurm, monkeypatch)
    at = NOON + later
    read_all(slurm, at=at)
    forward = next(n for n, (_, until) in enumerate(asked) if until == at)
    assert asked[0][0] == NOON - timedelta(minutes=10)
    again = asked[forward + 1 :]
    assert (again[0][0], again[-1][1]) == (at - depth, asked[0][0])
    assert adjoin(asked[: forward + 1]) and adjoin(again)
    asked.clear()
    ingest(slurm, at=at + timedelta(seconds=10))
    assert len(asked) == 1


def test_reading_again_goes_on_where_it_was_interrupted(project, monkeypatch):
    """Some of it at a time, what is new always first; and nothing is forgotten that became due meanwhile."""
    at = NOON + timedelta(days=14)
    rows = [job(start=NOON + n * HOUR, hours=0.5) for n in range(14 * 24 - 2)]
    slurm = gateway(*rows)
    read_all(slurm, at=at)
    monkeypatch.setattr(windows, "AIM", 20)
    slurm.history = [replace(row, state="FAILED") for row in rows]
    at += HOUR
    changed, broken = 0, 0
    jobs = slurm.jobs
    while True:
        asked = []

        def breaks_off(since, until, asked=asked):
            asked.append((since, until))
            if len(asked) > 4:
                raise SlurmUnavailable("sacct did not end in time")
            return jobs(since, until)

        monkeypatch.setattr(slurm, "jobs", breaks_off)
        at += timedelta(seconds=10)
        try:
            done = ingest(slurm, at=at, since=None if changed else NOON).caught_up
        except SlurmUnavailable:
            broken, done = broken + 1, False
        assert asked[0][0] >= at - 2 * HOUR
        changed = Job.objects.filter(state="FAILED").count()
        if done:
            break
    assert broken > 3
    assert changed == len(rows)


def test_an_earlier_start_reads_again_without_moving_the_mark_back(project):
    slurm = gateway()
    ingest(slurm, at=NOON)
    slurm.history = [job(start=kst(2026, 1, 5, 10))]
    ingest(slurm, at=NOON + timedelta(seconds=10))
    assert not UsageDay.objects.exists()
    at = NOON + timedelta(seconds=20)
    assert read_all(slurm, at=at, since=kst(2026, 1, 1))[-1].read_until == at
    assert UsageDay.objects.get().day == date(2026, 1, 5)


def test_sealed_days_are_not_read_again(project, monkeypatch):
    slurm = gateway()
    ingest(slurm, at=NOON)
    IngestMark.objects.update(sealed_before=date(2026, 3, 1))
    asked = windows_read(slurm, monkeypatch)
    read_all(slurm, at=NOON + HOUR, since=kst(2026, 1, 1))
    assert min(start for start, _ in asked) == kst(2026, 3, 1)


# --- Interruptions ---


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
    rows = [job(user=f"user{n}", start=kst(2026, 3, 1) + n * HOUR) for n in range(5)]
    slurm = gateway(*rows)
    jobs = slurm.jobs

    def breaks_off(since, until):
        if since >= kst(2026, 3, 1, 2):
            raise SlurmUnavailable("sacct did not end in time")
        return jobs(since, until)

    monkeypatch.setattr(windows, "LONGEST", HOUR)
    with monkeypatch.context() as interrupted, pytest.raises(SlurmUnavailable):
        interrupted.setattr(slurm, "jobs", breaks_off)
        ingest(slurm, at=NOON)
    assert Job.objects.count() == 2
    assert IngestMark.current().read_until == kst(2026, 3, 1, 2)
    read_all(slurm, at=NOON)
    assert Job.objects.count() == UsageDay.objects.count() == 5
    assert project.grants.get().lines.get().charged_gpu_seconds == 5 * 7200


def test_rows_that_cannot_be_stored_leave_the_mark_where_it_was(project, monkeypatch):
    slurm = gateway(job())

    def fails(rows, **kwargs):
        raise OperationalError("the database is gone")

    with monkeypatch.context() as interrupted, pytest.raises(OperationalError):
        interrupted.setattr(ingest_module, "store_rows", fails)
        ingest(slurm, at=NOON)
    read_until = IngestMark.current().read_until
    assert read_until is None or read_until <= START + HOUR
    assert ingest(slurm, at=NOON).changed == 1


def test_a_row_that_stayed_open_is_looked_for_where_it_began(project):
    """Its end arrived later than any overlap reaches back."""
    running = job(start=START, hours=None, gpus=1)
    slurm = gateway(running)
    ingest(slurm, at=NOON)
    slurm.history = []
    at = NOON + timedelta(days=70)
    read_all(slurm, at=at)
    slurm.history = [replace(running, state="COMPLETED", end=START + HOUR), job(start=START, user="lee", hours=2)]
    read_all(slurm, at=at + HOUR)
    assert Job.objects.get().final
    assert UsageDay.objects.get().gpu_seconds == 3600


# --- Jobs whose end was lost ---


def test_a_job_that_slurmctld_knows_nothing_of_is_noted_until_it_has_ended(project, told):
    lost, runs, young = job(hours=None), job(hours=None), job(hours=None, start=NOON - timedelta(minutes=3))
    slurm = gateway(lost, runs, young)
    slurm.running = [waiting(job_id=runs.job_id, state="RUNNING")]
    ingest(slurm, at=NOON)
    assert Job.objects.get(runaway_since__isnull=False).job_id == lost.job_id
    assert Job.objects.get(job_id=lost.job_id).runaway_since == NOON
    slurm.history = [replace(lost, state="FAILED", end=NOON), runs, young]
    ingest(slurm, at=NOON + timedelta(seconds=10))
    assert not Job.objects.filter(runaway_since__isnull=False).exists()


def test_a_job_that_is_seen_again_was_no_runaway(project):
    running = job(hours=None)
    slurm = gateway(running)
    ingest(slurm, at=NOON)
    slurm.running = [waiting(job_id=running.job_id, state="SUSPENDED")]
    read_all(slurm, at=NOON + HOUR)
    assert Job.objects.get().runaway_since is None


def test_an_old_row_of_an_id_that_is_used_again_is_a_runaway(project):
    old = job(hours=None)
    new = job(hours=None, start=START + HOUR, job_id=old.job_id)
    slurm = gateway(new, old)
    slurm.running = [waiting(job_id=old.job_id, state="RUNNING")]
    ingest(slurm, at=NOON)
    assert Job.objects.get(runaway_since__isnull=False).start == START


def test_a_controller_that_does_not_answer_makes_no_runaways(project, monkeypatch):
    slurm = gateway(job(hours=None))

    def is_down():
        raise SlurmUnavailable("squeue ended with exit code 1")

    monkeypatch.setattr(slurm, "queue", is_down)
    assert ingest(slurm, at=NOON).caught_up
    assert Job.objects.get().runaway_since is None


# --- One at a time ---


@pytest.mark.django_db(transaction=True)
def test_only_one_ingests_at_a_time():
    with connections["default"].copy().cursor() as other:
        other.execute("SELECT pg_advisory_lock(hashtext('accounting.history.ingest'))")
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
