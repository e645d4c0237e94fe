"""The page of a project's jobs: found, narrowed, ordered, one in full, as a file."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounting.dashboard import jobs as found_jobs
from accounting.dashboard.exit_words import exit_words
from accounting.history.ingest import ingest
from accounting.models import Job
from tests.accounting.histories import gateway, job
from tests.factories import GrantFactory, GrantLineFactory, PoolFactory, ProjectFactory, UserFactory, kst

AT = kst(2026, 3, 10, 12)
MOST_QUERIES = 12


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def project(db):
    alice = UserFactory(name_en="Alice Kim", cluster_username="alice")
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 1, 15))
    grant = GrantFactory(project=project, hours=500, starts_at=kst(2026, 2, 20), ends_at=kst(2026, 7, 1))
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100", position=1), hours=500)
    return project


def mixed():
    """Seven of each other's neighbours: (number, what)."""
    day = kst(2026, 3, 1)
    return [
        job(job_id=1, display_id="1", user="alice", start=day, hours=2, gpus=1),
        job(job_id=2, display_id="2", user="bob", start=day + timedelta(days=1), hours=1, gpus=4, state="FAILED"),
        job(job_id=3, display_id="3", user="alice", start=day + timedelta(days=2), hours=9, gpus=2, kind="a100",
            account="p26001-a100", submit=day),
        job(job_id=4, display_id="4_7", user="bob", start=day + timedelta(days=3), hours=1, gpus=8, state="TIMEOUT"),
        job(job_id=5, display_id="5", user="alice", start=None, submit=day, end=day + timedelta(days=4), hours=None,
            state="CANCELLED"),
        job(job_id=6, display_id="6", user="bob", start=kst(2026, 3, 10, 9), hours=None, gpus=2),
        job(job_id=7, display_id="7", user="alice", account="p26009-h100", start=day, hours=1),
    ]  # fmt: skip


@pytest.fixture
def used(project):
    ProjectFactory(code="p26009")
    ingest(gateway(*mixed()), at=AT)
    return project


def see(client, project, **asked):
    client.force_login(project.pi)
    return client.get(reverse("project_jobs", args=["p26001"]), asked)


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())


def numbers(client, project, **asked):
    """Of the list and, which must be the same, of the file."""
    shown = [row.job_id for row in see(client, project, **asked).context["page"]]
    text = b"".join(client.get(reverse("project_jobs_csv", args=["p26001"]), asked)).decode("utf-8-sig")
    filed = [int(row["Job"].split("_")[0]) for row in csv.DictReader(io.StringIO(text))]
    assert sorted(filed) == sorted(shown)
    return shown


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"person": "bob"}, [6, 4, 2]),
        ({"pool": "p26001-a100"}, [3]),
        ({"partition": "h100"}, [6, 5, 4, 2, 1]),
        ({"ended": "completed"}, [3, 1]),
        ({"ended": "lost"}, [5, 4, 2]),
        ({"ended": "running"}, [6]),
        ({"size": "2-4"}, [6, 5, 3, 2]),
        ({"size": "5-8"}, [4]),
        ({"first": "2026-03-02", "last": "2026-03-03"}, [3, 2]),
        ({"first": "2026-03-05"}, [6]),
        ({"last": "2026-03-01"}, [1]),
        ({"first": "2026-03-05", "last": "9999-12-31"}, [6]),
        ({"number": "4"}, [4]),
        ({"number": " 4_7 "}, [4]),
        ({"number": "7"}, []),
        ({"sort": "hours"}, [3, 4, 6, 2, 1, 5]),
        ({"sort": "wait"}, [3]),
    ],
)
def test_jobs_are_found_narrowed_and_ordered(client, used, asked, found):
    shown = numbers(client, used, **asked)
    assert shown[: len(found)] == found and (asked.get("sort") == "wait" or len(shown) == len(found))


def test_pages_go_on_where_the_last_ended_over_all_pools(client, used, monkeypatch):
    monkeypatch.setattr("accounting.dashboard.jobs_page.JOBS_A_PAGE", 4)
    for sort in ("end", "hours", "wait"):
        pages = [[row.job_id for row in see(client, used, sort=sort, page=n).context["page"]] for n in (1, 2)]
        assert [len(page) for page in pages] == [4, 2]
        assert sorted(pages[0] + pages[1]) == [1, 2, 3, 4, 5, 6]


def test_no_more_is_counted_than_anybody_pages_through(client, used, monkeypatch):
    monkeypatch.setattr(found_jobs, "MOST_JOBS", 4)
    monkeypatch.setattr("accounting.dashboard.jobs_page.MOST_JOBS", 4)
    assert "More than 4 jobs" in words(see(client, used).content.decode())


def test_an_empty_project_and_an_empty_search_say_so(client, project):
    assert "No job has run yet" in see(client, project).content.decode()
    assert "No job is like this" in see(client, project, size="9").content.decode()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"first": "2026-03-05", "last": "2026-03-01"}, "The period ends before it begins."),
        ({"first": "yesterday"}, "Enter a valid date."),
        ({"person": "nobody"}, "Select a valid choice."),
        ({"pool": "p26009-h100"}, "Select a valid choice."),
    ],
)
def test_what_cannot_be_answered_is_said(client, used, asked, said):
    html = see(client, used, **asked).content.decode()
    assert said in html and "<tbody" not in html
    assert client.get(reverse("project_jobs_csv", args=["p26001"]), asked).status_code == 302


def test_one_job_in_full_with_its_other_runs(client, project):
    begin = kst(2026, 3, 2)
    first = job(job_id=9, display_id="9", user="alice", start=begin, hours=1, state="NODE_FAIL", exit_code="1:0")
    second = job(job_id=9, display_id="9", user="alice", start=begin + timedelta(hours=2), hours=1, exit_code="0:0",
                 submit=begin + timedelta(hours=1))  # fmt: skip
    ingest(gateway(first, second), at=AT)
    client.force_login(project.pi)
    found = Job.objects.get(state="NODE_FAIL")
    text = words(client.get(reverse("project_job", args=["p26001", found.pk])).content.decode())
    assert "Job 9 Node failed" in text and "Alice Kim (alice)" in text
    assert "Used 2.00 GPU-hours 2 GPUs for 1 h" in text
    assert "1:0 – The program reported an error" in text
    assert "Used of the time limit 50 % of 2 h" in text
    assert "Other runs of this job" in text


def test_a_job_of_another_project_is_not_found(client, used):
    client.force_login(used.pi)
    other = Job.objects.get(account="p26009-h100")
    assert client.get(reverse("project_job", args=["p26001", other.pk])).status_code == 404


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("0:0", "without an error"),
        ("1:0", "reported an error"),
        ("127:0", "not found"),
        ("0:9", "killed at once"),
        ("137:0", "killed at once"),
        ("0:11", "segmentation"),
        ("0:63", "Signal 63"),
        ("42:0", "own code 42"),
    ],
)
def test_exit_codes_in_words(code, said):
    assert said in str(exit_words(code))


def test_what_is_no_exit_code_is_left_alone():
    assert exit_words("") == exit_words("x:y") == ""


def test_the_pages_take_few_queries_however_much_they_show(client, used, django_assert_max_num_queries):
    rows = [job(user=f"u{n}", start=kst(2026, 3, 3), hours=n / 9 + 1, account=f"p26001-{('h100', 'a100')[n % 2]}")
            for n in range(120)]  # fmt: skip
    ingest(gateway(*rows), at=AT)
    see(client, used)
    for address in (
        reverse("project_jobs", args=["p26001"]) + "?page=2&sort=hours&ended=completed",
        reverse("project_jobs_csv", args=["p26001"]),
        reverse("project_job", args=["p26001", Job.objects.first().pk]),
    ):
        with django_assert_max_num_queries(MOST_QUERIES):
            assert list(client.get(address))
