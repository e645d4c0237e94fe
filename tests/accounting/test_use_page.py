"""The usage page of a project: any period, cut and grouped as asked; tables, files and figures that agree."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import astuple
from datetime import date, timedelta
from itertools import pairwise

import pytest
import time_machine
from django.urls import reverse

from accounting.dashboard.calendar import Calendar
from accounting.dashboard.period import Period, Step
from accounting.dashboard.waits import waits
from accounting.history.ingest import ingest
from accounting.models import IngestMark, Job, UsageDay
from accounting.use import use_by
from tests.accounting.histories import gateway, job
from tests.factories import (
    GrantFactory,
    GrantLineFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

AT = kst(2026, 3, 10, 12)
MOST_QUERIES = 12
TABLES = ("time", "groups", "days", "ends", "waits", "limits")
ACCOUNTS = ("p26001-h100", "p26001-a100")


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def alice(db):
    return UserFactory(name_ko="김서연", name_en="Alice Kim", cluster_username="alice")


@pytest.fixture
def project(alice):
    """Two pools; a grant since the 20th of February."""
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 1, 15))
    grant = GrantFactory(project=project, hours=500, starts_at=kst(2026, 2, 20), ends_at=kst(2026, 7, 1))
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100", position=1), hours=500)
    MembershipFactory(project=project, user=UserFactory(name_en="Bob Lee", cluster_username="bob"))
    return project


def history():
    """January to March, over both pools, four kinds of end, across midnight and the ends of months."""
    ends = ["COMPLETED", "FAILED", "TIMEOUT", "COMPLETED", "OUT_OF_MEMORY", "COMPLETED"]
    for number in range(60):
        begin = kst(2026, 1, 20) + timedelta(hours=19.7 * number)
        pool = "a100" if number % 5 == 0 else "h100"
        yield job(
            account=f"p26001-{pool}", kind=pool, user=("alice", "bob", "carol")[number % 3], start=begin,
            submit=begin - timedelta(minutes=number), hours=3 + number / 7, gpus=(1, 2, 4, 8, 16)[number % 5],
            state=ends[number % 6], time_limit_minutes=1440,
        )  # fmt: skip


@pytest.fixture
def used(project):
    ingest(gateway(*history(), job(user="bob", start=kst(2026, 3, 10, 9), hours=None, gpus=2)), at=AT)
    return project


def see(client, user, **asked):
    client.force_login(user)
    return client.get(reverse("project_use", args=["p26001"]), asked)


def table(client, name, **asked):
    text = client.get(reverse("project_use_csv", args=["p26001", name]), asked).content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())


# --- Pure: periods, steps, the calendar ---


def test_a_period_is_cut_without_gap_or_overlap():
    period = Period(date(2026, 1, 30), date(2026, 3, 3))
    for step in (Step.DAY, Step.WEEK, Step.MONTH):
        spans = list(period.spans(step))
        assert (spans[0].first, spans[-1].last) == (period.first, period.last)
        assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(spans))
    assert [span.begin for span in period.spans(Step.MONTH)] == [date(2026, n, 1) for n in (1, 2, 3)]
    assert {span.begin.isoweekday() for span in period.spans(Step.WEEK)} == {7}


@pytest.mark.parametrize(("days", "step"), [(1, "day"), (62, "day"), (63, "week"), (182, "week"), (183, "month")])
def test_steps_fit_the_length_unless_asked_for(days, step):
    period = Period(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days - 1))
    assert period.step("") == step
    assert period.step("month") == Step.MONTH


def test_the_calendar_begins_weeks_on_sunday_and_is_darkest_on_the_busiest_day():
    by_day = {date(2026, 3, 4): 100, date(2026, 3, 5): 1, date(2026, 3, 29): 51, date(2026, 3, 30): 0}
    found = Calendar(Period(date(2026, 3, 3), date(2026, 3, 31)), by_day)
    rows = found.weekdays()
    assert [len(row.days) for row in rows] == [5] * 7
    assert rows[0].days[0] is rows[6].days[-1] is None
    assert rows[0].days[1].day == date(2026, 3, 8)
    levels = {day.day: day.level for row in rows for day in row.days if day and day.level}
    assert levels == {date(2026, 3, 4): 4, date(2026, 3, 5): 1, date(2026, 3, 29): 3}
    assert found.used_days == 3 and found.busiest.day == date(2026, 3, 4)
    assert [most for _, most in found.bounds()] == [25, 50, 75, 100]


# --- Who ---


@pytest.mark.parametrize("address", ["/use/", "/use/waits/", "/use/time.csv", "/jobs/", "/jobs.csv", "/usage.csv"])
def test_pi_members_and_operators_see_it_and_nobody_else(client, project, address):
    address = f"/projects/p26001{address}"
    assert client.get(address).headers["Location"].startswith(reverse("account_login"))
    bob = project.memberships.get(user__cluster_username="bob").user
    for reader, status in [(project.pi, 200), (bob, 200), (UserFactory(roles=["operator"]), 200), (UserFactory(), 404),
                           (UserFactory(roles=["observer"]), 404), (UserFactory(roles=["decider"]), 404)]:  # fmt: skip
        client.force_login(reader)
        assert client.get(address).status_code == status, reader
    client.force_login(project.pi)
    assert client.post(address).status_code == 405


# --- What is asked for ---


@pytest.mark.parametrize(
    ("asked", "period"),
    [
        ({}, (date(2026, 2, 20), date(2026, 3, 10))),
        ({"period": "7"}, (date(2026, 3, 4), date(2026, 3, 10))),
        ({"period": "year"}, (date(2026, 1, 1), date(2026, 3, 10))),
        ({"period": "2026-02"}, (date(2026, 2, 1), date(2026, 2, 28))),
        ({"period": "2026-03"}, (date(2026, 3, 1), date(2026, 3, 10))),
        ({"period": "dates", "first": "2026-02-03", "last": "2026-12-31"}, (date(2026, 2, 3), date(2026, 3, 10))),
    ],
)
def test_periods(client, used, asked, period):
    found = see(client, used.pi, **asked).context["asked"].period
    assert (found.first, found.last) == period


def test_without_a_grant_the_last_weeks_are_shown(client, alice):
    ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    answer = see(client, alice)
    assert answer.context["asked"].period.days == 28
    assert "Nothing was used in this period" in answer.content.decode()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"period": "dates", "first": "2026-03-05", "last": "2026-03-01"}, "The period ends before it begins."),
        ({"period": "dates", "first": "2026-03-05"}, "Enter a date."),
        ({"period": "dates", "first": "2026-02-31", "last": "2026-03-01"}, "Enter a valid date."),
        ({"period": "dates", "first": "2026-03-11", "last": "2026-03-12"}, "This day has not come yet."),
        ({"period": "dates", "first": "1999-01-01", "last": "2026-03-01"}, "ten years"),
        ({"period": "dates", "first": "2024-01-01", "last": "2026-03-01", "step": "day"}, "for a year at most"),
        ({"period": "forever"}, "Select a valid choice."),
        ({"by": "shoe-size"}, "Select a valid choice."),
    ],
)
def test_what_cannot_be_shown_is_said_and_what_was_typed_stays(client, used, asked, said):
    answer = see(client, used.pi, **asked)
    html = answer.content.decode()
    assert said in html and 'class="figures"' not in html
    for value in asked.values():
        if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            assert f'value="{value}"' in html
    back = client.get(reverse("project_use_csv", args=["p26001", "time"]), asked)
    assert back.headers["Location"].startswith(reverse("project_use", args=["p26001"]) + "?")


# --- Figures that agree ---


@pytest.mark.parametrize("by", ["person", "pool", "partition", "kind"])
@pytest.mark.parametrize("step", ["day", "week", "month"])
def test_every_table_of_a_period_comes_to_the_same(client, used, by, step):
    asked = {"period": "dates", "first": "2026-01-25", "last": "2026-03-05", "step": step, "by": by}
    truth = [row for row in UsageDay.objects.all() if date(2026, 1, 25) <= row.day <= date(2026, 3, 5)]
    seconds = sum(row.gpu_seconds for row in truth)
    context = see(client, used.pi, **asked).context
    assert context["breakdown"].total.gpu_seconds == context["ends"].gpu_seconds == seconds
    assert context["breakdown"].total.jobs == context["ends"].jobs == sum(row.jobs for row in truth)
    assert sum(context["calendar"].by_day.values()) == seconds
    for name in ("time", "groups", "days", "ends"):
        assert sum(int(row["GPU-seconds"]) for row in table(client, name, **asked)) == seconds, name
    assert sum(sum(row.amounts) for row in context["breakdown"].rows) == seconds
    lines = b"".join(client.get(reverse("project_usage_csv", args=["p26001"]), asked)).decode("utf-8-sig")
    assert sum(int(row["GPU-seconds"]) for row in csv.DictReader(io.StringIO(lines))) == seconds


def test_weeks_are_summed_in_the_database_as_in_the_calendar(used):
    by_day = use_by("day", accounts=ACCOUNTS, first=date(2026, 1, 20), last=date(2026, 3, 10))
    by_week = use_by("week", accounts=ACCOUNTS, first=date(2026, 1, 20), last=date(2026, 3, 10))
    for span in Period(date(2026, 1, 20), date(2026, 3, 10)).spans(Step.WEEK):
        days = [amount.gpu_seconds for (day,), amount in by_day.items() if span.first <= day <= span.last]
        assert by_week[(span.begin,)].gpu_seconds == sum(days)


@pytest.mark.parametrize("key", ["day", "week", "month", "account_name", "gpu_kind"])
def test_sums_over_everybody_are_what_persons_come_to(used, key):
    period = {"first": date(2026, 1, 20), "last": date(2026, 3, 10)}
    for accounts in (ACCOUNTS, None):
        persons: dict[object, list[int]] = {}
        for (value, _user), amount in use_by(key, "user_name", accounts=accounts, **period).items():
            sums = persons.setdefault(value, [0, 0, 0])
            persons[value] = [a + b for a, b in zip(sums, astuple(amount), strict=True)]
        found = use_by(key, accounts=accounts, **period)
        assert {value: list(astuple(amount)) for (value,), amount in found.items()} == persons


def test_the_page_in_words(client, used):
    text = words(see(client, used.pi, period="2026-02").content.decode())
    assert "1 Feb 2026 – 28 Feb 2026" in text
    assert "Alice Kim" in text and "carol" in text and "Bob Lee" in text
    assert "went into jobs that did not complete" in text
    assert "Ask for more --mem" in text
    assert "Show as a table" in text


def test_many_people_share_a_series_and_have_a_row_each(client, project):
    rows = [job(user=f"user{n}", start=kst(2026, 3, 1), hours=n + 1) for n in range(10)]
    ingest(gateway(*rows), at=AT)
    answer = see(client, project.pi)
    found = answer.context["breakdown"]
    assert (len(found.labels), found.others) == (7, 4)
    assert sum(found.series_totals()) == found.total.gpu_seconds
    assert "4 more are shown as “Others”." in words(answer.content.decode())
    assert all(f"user{n}" in answer.content.decode() for n in range(10))
    assert len(table(client, "groups")) == 10
    assert {f"user{n}" for n in range(10)} <= set(table(client, "time")[0])


def test_a_file_runs_no_formula(client, project):
    ingest(gateway(job(user="=cmd", start=kst(2026, 3, 1))), at=AT)
    client.force_login(project.pi)
    assert table(client, "groups")[0]["Member"] == "'=cmd"
    assert "'=cmd" in table(client, "time")[0]  # where the member is the head of a column


def test_jobs_without_gpus_are_no_empty_page_and_need_no_chart(client, project):
    ingest(gateway(job(user="alice", start=kst(2026, 3, 1), gpus=0)), at=AT)
    answer = see(client, project.pi, by="kind")
    text = words(answer.content.decode())
    assert "Only jobs without GPUs ran" in text and "Without GPU" in text
    assert "data-chart=" not in answer.content.decode()


# --- Waits and limits ---


def waited(*minutes, **changes):
    begin = kst(2026, 3, 2)
    return [job(start=begin, submit=begin - timedelta(minutes=length), **changes) for length in minutes]


def test_wait_times_by_size(project):
    ingest(gateway(*waited(0, 1, 2, 3, 60, gpus=1), *waited(*range(1, 11), gpus=4), *waited(5, gpus=64)), at=AT)
    found = waits(Period(date(2026, 3, 1), date(2026, 3, 9)), ACCOUNTS, None)
    assert [(row.size, row.jobs, row.half // 60, row.most // 60) for row in found.rows] == [
        ("1", 5, 2, 60),
        ("2-4", 10, 5, 9),
        ("9", 1, 5, 5),
    ]
    assert (found.total.jobs, found.total.half) == (16, 4 * 60)


def test_only_jobs_that_started_in_the_period_count_however_long_they_ran(project):
    before, inside, after = kst(2026, 2, 28, 23), kst(2026, 3, 1), kst(2026, 3, 4)
    ingest(
        gateway(*[job(start=start, hours=hours) for start in (before, inside, after) for hours in (72, None)]), at=AT
    )
    found = waits(Period(date(2026, 3, 1), date(2026, 3, 3)), ACCOUNTS, None)
    assert found.total.jobs == 2


def test_time_limits_against_time_used(project):
    ran = {"time_limit_minutes": 100, "gpus": 1}
    rows = [job(hours=minutes / 60, **ran) for minutes in (10, 20, 30, 60)]
    rows += [job(hours=101 / 60, state="TIMEOUT", **ran), job(hours=1 / 60, state="FAILED", **ran)]
    rows += [job(hours=1, time_limit_minutes=None)]
    ingest(gateway(*rows), at=AT)
    found = waits(Period(date(2026, 3, 1), date(2026, 3, 9)), ACCOUNTS, None).limits
    assert (found.jobs, found.half, found.under_half, found.reached) == (5, 30, 3, 1)


def test_of_sealed_days_nothing_is_said_that_kept_rows_would_bias(client, used):
    IngestMark.objects.update(sealed_before=date(2026, 3, 1))
    found = waits(Period(date(2026, 2, 1), date(2026, 3, 9)), ACCOUNTS, date(2026, 3, 1))
    assert found.known_from == date(2026, 3, 1)
    assert found.total.jobs == Job.objects.filter(start__gte=kst(2026, 3, 1), start__lt=kst(2026, 3, 10)).count()
    client.force_login(used.pi)
    answer = client.get(reverse("project_use_waits", args=["p26001"]))
    assert "Known of jobs from 1 Mar 2026 on" in words(answer.content.decode())
    assert waits(Period(date(2026, 2, 1), date(2026, 2, 9)), ACCOUNTS, date(2026, 3, 1)).total is None


def test_wait_times_follow_the_page_with_what_it_was_asked_for(client, used, django_assert_max_num_queries):
    asked = {"period": "2026-02", "by": "pool"}
    address = reverse("project_use_waits", args=["p26001"]) + "?period=2026-02&amp;by=pool"
    html = see(client, used.pi, **asked).content.decode()
    assert f'hx-get="{address}"' in html and f'<a href="{address}"' in html
    with django_assert_max_num_queries(MOST_QUERIES):
        answer = client.get(reverse("project_use_waits", args=["p26001"]), asked)
    assert 'id="use-waits"' in answer.content.decode()
    assert answer.context["waits"].total.jobs == Job.objects.filter(start__month=2).count()
    back = client.get(reverse("project_use_waits", args=["p26001"]), {"period": "forever"})
    assert back.headers["Location"] == reverse("project_use", args=["p26001"]) + "?period=forever"


# --- How many queries ---


@pytest.mark.parametrize("asked", [{}, {"period": "year", "by": "pool"}, {"period": "year", "step": "month"}])
def test_the_page_takes_few_queries_however_much_it_shows(client, used, asked, django_assert_max_num_queries):
    see(client, used.pi, **asked)
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(reverse("project_use", args=["p26001"]), asked)


@pytest.mark.parametrize("name", TABLES)
def test_a_file_takes_few_queries(client, used, name, django_assert_max_num_queries):
    client.force_login(used.pi)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(reverse("project_use_csv", args=["p26001", name])).status_code == 200
