"""Storing job rows: what is new of them is written, and usage by day and month follows in the same transaction."""

from dataclasses import replace
from datetime import UTC, date, timedelta

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.history.recompute import runs_of
from accounting.history.store import job_accept_held, store_rows
from accounting.models import (
    IngestMark,
    Job,
    SealedDifference,
    UnreadableJobRow,
    UsageDay,
    UsageMonth,
    UsageMonthSum,
    UsageSum,
)
from accounting.usage import Amount, UsageKey, usage_of
from portal.events.models import Event
from portal.slurm.types import UnreadableRow
from tests.accounting.histories import HOUR, START, job, sums_add_up
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
NOON = kst(2026, 3, 2, 12)
EVENING = kst(2026, 3, 2, 20)


def usage():
    """All usage tables as plain values."""
    days = UsageDay.objects.values_list(*UsageDay.KEY, *UsageDay.AMOUNTS, "account")
    months = UsageMonth.objects.values_list(*UsageMonth.KEY, *UsageMonth.AMOUNTS, "account")
    sums = UsageSum.objects.values_list(*UsageSum.KEY, *UsageSum.AMOUNTS)
    month_sums = UsageMonthSum.objects.values_list(*UsageMonthSum.KEY, *UsageMonthSum.AMOUNTS)
    return sorted(days), sorted(months), sorted(sums), sorted(month_sums)


def by_definition():
    """What the pure functions make of the stored job rows."""
    wanted = usage_of(runs_of(Job.objects.all()))
    return {key: amount for key, amount in wanted.items() if amount != Amount()}


def stored_days():
    rows = UsageDay.objects.values_list(*UsageDay.KEY, *UsageDay.AMOUNTS)
    return {UsageKey(*row[:7]): Amount(*row[7:]) for row in rows}


def months_add_up():
    days = {}
    for row in UsageDay.objects.values(*UsageDay.KEY, *UsageDay.AMOUNTS):
        key = (row["day"].replace(day=1), *(row[name] for name in UsageDay.WHOSE))
        sums = days.setdefault(key, [0, 0, 0])
        for position, name in enumerate(UsageDay.AMOUNTS):
            sums[position] += row[name]
    months = UsageMonth.objects.values_list(*UsageMonth.KEY, *UsageMonth.AMOUNTS)
    return days == {row[:7]: list(row[7:]) for row in months}


def days():
    return {(row.day.day, row.user_name, row.state): row.gpu_seconds for row in UsageDay.objects.all()}


@pytest.fixture
def project():
    project = ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    return project


def test_a_finished_job_becomes_usage_of_its_day(project):
    stored = store_rows([job(hours=1, gpus=2)], at=NOON)
    row = UsageDay.objects.get()
    assert (row.day, row.account, row.user_name) == (date(2026, 3, 2), project.accounts.get(), "kim")
    assert (row.gpu_kind, row.gpu_seconds, row.jobs, row.provisional) == ("h100", 7200, 1, False)
    assert row.cpu_seconds == 8 * 3600
    assert (stored.rows, stored.changed, stored.days) == (1, 1, 1)
    assert (stored.news, stored.accounts) == ({"p26001-h100"}, {"p26001-h100"})


def test_a_month_is_the_sum_of_its_days(project):
    store_rows([job(start=kst(2026, 2, 27, 12), hours=72, gpus=4)], at=NOON)
    assert UsageDay.objects.count() == 4
    months = UsageMonth.objects.order_by("month").values_list("month", "gpu_seconds", "cpu_seconds", "jobs", "account")
    account = project.accounts.get().pk
    assert list(months) == [
        (date(2026, 2, 1), 36 * 4 * 3600, 36 * 8 * 3600, 1, account),
        (date(2026, 3, 1), 36 * 4 * 3600, 36 * 8 * 3600, 0, account),
    ]


def test_storing_twice_changes_nothing(project):
    rows = [job(), job(user="lee", start=kst(2026, 3, 1, 23), hours=3), job(hours=None)]
    store_rows(rows, at=NOON)
    before, jobs = usage(), list(Job.objects.values())
    stored = store_rows(rows, at=NOON)
    assert (stored.rows, stored.changed, stored.days, stored.news) == (3, 0, 0, set())
    assert (usage(), list(Job.objects.values())) == (before, jobs)


def test_when_a_value_last_changed_is_kept_apart_from_when_the_row_was_last_seen(project):
    running = job(start=START, hours=None)
    store_rows([running], at=START + HOUR)
    store_rows([running], at=START + 2 * HOUR)
    row = Job.objects.get()
    assert (row.first_seen_at, row.changed_at, row.last_seen_at) == (START + HOUR, START + HOUR, START + 2 * HOUR)
    store_rows([replace(running, time_limit_minutes=240)], at=START + 3 * HOUR)
    assert Job.objects.get().changed_at == START + 3 * HOUR


def test_a_running_job_counts_up_to_now_and_is_marked_provisional(project):
    running = job(start=START, hours=None, gpus=4)
    store_rows([running], at=START + HOUR)
    assert UsageDay.objects.get().provisional and UsageMonth.objects.get().provisional
    store_rows([running], at=START + 2 * HOUR + timedelta(microseconds=999_999))
    assert UsageDay.objects.get().gpu_seconds == UsageMonth.objects.get().gpu_seconds == 4 * 7200


def test_an_ended_job_moves_from_provisional_to_final(project):
    running = job(start=START, hours=None, gpus=4)
    store_rows([running], at=START + 2 * HOUR)
    store_rows([replace(running, state="TIMEOUT", end=START + HOUR)], at=START + 3 * HOUR)
    row = UsageDay.objects.get()
    assert (row.provisional, row.state, row.gpu_seconds) == (False, "TIMEOUT", 4 * 3600)
    assert UsageMonth.objects.get().gpu_seconds == 4 * 3600


def test_a_row_without_an_end_is_not_final_whatever_its_state(project):
    """slurmdbd shows such rows while it catches up after an outage (slurm-facts section 5)."""
    store_rows([job(hours=None, state="COMPLETED")], at=NOON)
    assert UsageDay.objects.get().provisional


def test_every_run_of_a_requeued_job_counts(project):
    first = job(start=START, hours=1, state="REQUEUED")
    second = job(start=START + 2 * HOUR, hours=1, job_id=first.job_id, display_id=first.display_id)
    store_rows([first, second], at=EVENING)
    assert days() == {(2, "kim", "REQUEUED"): 7200, (2, "kim", "COMPLETED"): 7200}


def test_a_job_cancelled_before_it_started_is_known_and_charged_nothing(project):
    store_rows([replace(job(start=None, state="CANCELLED", gpus=0), end=START)], at=NOON)
    assert Job.objects.get().state == "CANCELLED"
    assert not UsageDay.objects.exists()


def test_a_job_that_waits_is_no_history(project):
    assert store_rows([job(start=None, hours=None, state="PENDING")], at=NOON).rows == 1
    assert not Job.objects.exists()


def test_jobs_without_gpus_count_as_jobs_and_cpu_seconds(project):
    store_rows([job(gpus=0, kind="", cpus=16)], at=NOON)
    row = UsageDay.objects.get()
    assert (row.gpu_kind, row.gpu_seconds, row.jobs, row.cpu_seconds) == ("", 0, 1, 16 * 3600)


def test_a_job_on_two_kinds_of_gpu_is_one_job(project):
    store_rows([job(gpus=6, gpu_kinds={"h100": 2, "a100": 3})], at=NOON)
    rows = UsageDay.objects.order_by("gpu_kind").values_list("gpu_kind", "gpu_seconds", "cpu_seconds", "jobs")
    assert list(rows) == [("", 3600, 0, 0), ("a100", 10_800, 8 * 3600, 1), ("h100", 7200, 0, 0)]


def test_jobs_of_accounts_that_are_not_ours_are_kept_without_a_project():
    store_rows([job(account="physics")], at=NOON)
    assert UsageDay.objects.get().account is UsageMonth.objects.get().account is None


def test_a_correction_at_slurm_replaces_what_was_known(project):
    first = job(start=kst(2026, 3, 1, 23), hours=2, gpus=2)
    store_rows([first], at=NOON)
    stored = store_rows([replace(first, user="lee", account="p26001-a100", end=first.end + HOUR)], at=NOON + HOUR)
    assert days() == {(1, "lee", "COMPLETED"): 7200, (2, "lee", "COMPLETED"): 4 * 3600}
    assert stored.news == {"p26001-h100", "p26001-a100"}


def test_lines_are_charged_as_usage_is_stored(project):
    store_rows([job(hours=2, gpus=4)], at=NOON)
    assert project.grants.get().lines.get().charged_gpu_seconds == 8 * 3600


def test_of_rows_with_one_key_the_last_counts(project):
    running = job(start=START, hours=None)
    store_rows([running, replace(running, state="COMPLETED", end=START + HOUR)], at=NOON)
    assert days() == {(2, "kim", "COMPLETED"): 7200}


def test_the_same_number_on_another_cluster_is_another_job(project):
    row = job()
    store_rows([row, replace(row, cluster="old")], at=NOON)
    assert Job.objects.count() == 2


# --- What would make a finished job cheaper waits for the operator ---


def test_fewer_seconds_for_a_finished_job_are_held(project):
    finished = job(hours=3)
    store_rows([finished], at=NOON)
    before = usage()
    cheaper = replace(finished, end=finished.start + HOUR)
    stored = store_rows([cheaper], at=NOON + HOUR)
    assert (stored.held, stored.changed, usage()) == (1, 0, before)
    row = Job.objects.get()
    assert (row.held_at, row.held["end"]) == (NOON + HOUR, (START + HOUR).astimezone(UTC).isoformat())
    assert store_rows([cheaper], at=NOON + 2 * HOUR).held == 0


def test_a_finished_job_that_runs_again_is_held(project):
    """As after slurmdbd was restored from a backup."""
    finished = job(hours=3)
    store_rows([finished], at=NOON)
    assert store_rows([replace(finished, end=None, state="RUNNING")], at=EVENING).held == 1
    assert Job.objects.get().final


def test_the_operator_takes_over_what_slurm_says(project):
    finished = job(hours=3, gpus=2)
    store_rows([finished], at=NOON)
    cheaper = replace(finished, end=finished.start + HOUR, state="FAILED")
    store_rows([cheaper], at=NOON + HOUR)
    operator = UserFactory(roles=["operator"])
    job_accept_held(job=Job.objects.get(), by=operator, at=EVENING)
    assert days() == {(2, "kim", "FAILED"): 7200}
    assert project.grants.get().lines.get().charged_gpu_seconds == 7200
    assert (Job.objects.get().changed_at, Job.objects.get().held) == (EVENING, None)
    event = Event.objects.get(action="job.corrected")
    assert (event.by, event.data["before"], event.data["after"]) == (operator, 6 * 3600, 7200)
    assert store_rows([cheaper], at=EVENING + HOUR).held == 0


def test_a_held_row_is_let_go_when_slurm_says_the_old_again(project):
    finished = job(hours=3)
    store_rows([finished], at=NOON)
    store_rows([replace(finished, end=finished.start + HOUR)], at=NOON + HOUR)
    store_rows([finished], at=NOON + 2 * HOUR)
    assert (Job.objects.get().held, Job.objects.get().changed_at) == (None, NOON)


# --- Rows that are none ---


def test_a_row_that_cannot_be_read_is_put_aside_and_the_rest_goes_on(project):
    unreadable = UnreadableRow("a\0b|c", "too few columns")
    assert store_rows([unreadable, job()], at=NOON, source="pohang").unreadable == 1
    row = UnreadableJobRow.objects.get()
    assert (row.text, row.reason) == ("a\N{REPLACEMENT CHARACTER}b|c", "too few columns")
    assert row.source == "pohang"
    assert UsageDay.objects.count() == 1
    assert store_rows([unreadable], at=NOON + HOUR).unreadable == 0


@pytest.mark.parametrize(
    "poison",
    [{"user": "a\0b"}, {"account": "x" * 300}, {"gpus": 2**40}, {"gpus": -1}, {"db_index": 10**30}, {"user": "\udcff"}],
    ids=str,
)
def test_a_row_that_the_database_refuses_is_put_aside_and_the_rest_goes_on(project, poison):
    stored = store_rows([job(), replace(job(), **poison), job(user="lee")], at=NOON)
    assert (stored.unreadable, stored.changed) == (1, 2)
    assert {row.user_name for row in UsageDay.objects.all()} == {"kim", "lee"}
    assert UnreadableJobRow.objects.get().reason


@pytest.mark.parametrize("name", ['a"b', "a,b", "a\\b", "\\N", "\\.", "", "김", "a\tb", "it's %s"])
def test_whatever_slurm_calls_somebody_is_kept_as_it_is(project, name):
    store_rows([job(user=name, hours=50)], at=NOON)
    assert Job.objects.get().user == name
    assert set(UsageDay.objects.values_list("user_name", flat=True)) == {name}


# --- Sealed days ---


@pytest.fixture
def sealed(project):
    mark = IngestMark.current()
    mark.sealed_before = date(2026, 3, 2)
    mark.save()


def test_a_late_row_of_a_sealed_day_is_noted_and_changes_nothing(project, sealed):
    late = job(start=kst(2026, 3, 1, 10), hours=2, gpus=2)
    for _ in range(2):
        assert store_rows([late], at=NOON).changed == 0
        assert not UsageDay.objects.exists() and not Job.objects.exists()
        noted = SealedDifference.objects.get()
    assert (noted.gpu_seconds, noted.found_at, noted.display_id) == (4 * 3600, NOON, late.display_id)
    assert noted.days[0]["day"] == "2026-03-01" and noted.days[0]["jobs"] == 1


def test_what_was_decided_is_not_asked_again(project, sealed):
    late = job(start=kst(2026, 3, 1, 10), hours=2, gpus=2)
    store_rows([late], at=NOON)
    SealedDifference.objects.update(applied=True, closed_at=NOON)
    store_rows([late], at=NOON + HOUR)
    assert SealedDifference.objects.count() == 1
    store_rows([replace(late, end=late.end + HOUR)], at=NOON + 2 * HOUR)
    assert SealedDifference.objects.get(closed_at=None).gpu_seconds == 2 * 3600


def test_a_late_row_across_the_border_counts_on_the_open_days(project, sealed):
    late = job(start=kst(2026, 3, 1, 22), hours=5, gpus=1)
    store_rows([late], at=NOON)
    assert days() == {(2, "kim", "COMPLETED"): 3 * 3600}
    assert SealedDifference.objects.get().gpu_seconds == 2 * 3600
    store_rows([late], at=NOON + HOUR)
    assert SealedDifference.objects.get().found_at == NOON


def test_corrections_of_a_stored_job_add_up_until_they_cancel(project):
    before = job(start=kst(2026, 3, 1, 22), hours=5, gpus=1)
    store_rows([before], at=NOON)
    IngestMark.objects.filter(pk=IngestMark.current().pk).update(sealed_before=date(2026, 3, 2))
    store_rows([replace(before, gpus=2, gpu_kinds={"h100": 2})], at=NOON + HOUR)
    store_rows([replace(before, gpus=3, gpu_kinds={"h100": 3})], at=NOON + 2 * HOUR)
    assert days() == {(1, "kim", "COMPLETED"): 2 * 3600, (2, "kim", "COMPLETED"): 9 * 3600}
    assert SealedDifference.objects.get().gpu_seconds == 4 * 3600
    store_rows([before], at=NOON + 3 * HOUR)
    job_accept_held(job=Job.objects.get(), by=UserFactory(roles=["operator"]), at=EVENING)
    assert not SealedDifference.objects.exists()
    assert days() == {(1, "kim", "COMPLETED"): 2 * 3600, (2, "kim", "COMPLETED"): 3 * 3600}


# --- In any order, in pieces, overlapping, twice ---

EPOCH = kst(2028, 2, 27)


@st.composite
def histories(draw):
    """Rows around a leap day, short and long, of few accounts and people, so that they meet on the same days."""
    rows = []
    for number in range(draw(st.integers(1, 12))):
        start = EPOCH + timedelta(seconds=draw(st.integers(0, 4 * 86_400)))
        length = draw(st.one_of(st.sampled_from([0, 86_400, 172_800]), st.integers(-90, 6 * 86_400)))
        ended = draw(st.booleans())
        kinds = draw(st.dictionaries(st.sampled_from(["h100", "a100", "a100_1g.5gb"]), st.integers(0, 3), max_size=3))
        rows.append(
            job(
                account=draw(st.sampled_from(["p26001-h100", "p26001-a100"])),
                user=draw(st.sampled_from(["kim", "lee"])),
                start=start,
                hours=None,
                end=(start + timedelta(seconds=length)).astimezone(UTC) if ended else None,
                state=draw(st.sampled_from(["COMPLETED", "NODE_FAIL"])) if ended else "RUNNING",
                gpus=sum(kinds.values()) + draw(st.integers(0, 2)),
                gpu_kinds=kinds,
                cpus=draw(st.integers(0, 64)),
                db_index=number + 1,
            )
        )
    return rows


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=histories(), data=st.data())
def test_any_pieces_in_any_order_give_what_the_definition_says(rows, data):
    at = EPOCH + timedelta(days=12)
    for model in (UsageDay, UsageMonth, UsageMonthSum, UsageSum, Job):
        model.objects.all().delete()
    # Jobs as they were first seen, and as they are now: for those that ended, running.
    early = [replace(row, end=None, state="RUNNING") for row in data.draw(st.lists(st.sampled_from(rows), max_size=4))]
    store_rows(early, at=at - timedelta(days=1))
    pieces = data.draw(st.lists(st.lists(st.sampled_from(rows), max_size=8), max_size=4))
    for piece in [*pieces, data.draw(st.permutations(rows)), *pieces]:
        store_rows(piece, at=at)
    assert stored_days() == by_definition()
    assert months_add_up() and sums_add_up()


def test_however_many_rows_a_window_has_storing_it_takes_few_queries(project, django_assert_max_num_queries):
    with django_assert_max_num_queries(40):
        store_rows([job(user=f"user{n % 7}", start=START + n * HOUR) for n in range(200)], at=kst(2026, 4, 1))
    assert Job.objects.count() == 200
    assert UsageDay.objects.aggregate(Sum("jobs"))["jobs__sum"] == 200
