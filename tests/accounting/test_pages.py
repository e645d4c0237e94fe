"""The project's page, its parts and files: who sees them, what they say in each situation, and in how many queries."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounting import live_queue
from accounting.export import neutral
from accounting.figures import figures_of_projects
from accounting.history.ingest import ingest
from accounting.models import IngestMark, UsageDay, Verification
from allocations.models import LedgerEntry
from portal.slurm.types import CreateAccount
from tests.accounting.histories import gateway, job, waiting
from tests.factories import (
    GrantFactory,
    GrantLineFactory,
    InstitutionFactory,
    LedgerEntryFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12)
MOST_QUERIES = 12
# What open pages ask for again and again.
MOST_LIVE_QUERIES = 9
PAGES = ("project", "project_usage", "project_usage_csv")


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def alice():
    postech = InstitutionFactory(name_ko="포항공과대학교", name_en="POSTECH")
    return UserFactory(name_ko="김서연", name_en="Alice Kim", institution=postech, cluster_username="alice")


@pytest.fixture
def project(alice):
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    bob = UserFactory(name_ko="이민준", name_en="Bob Lee", cluster_username="bob")
    MembershipFactory(project=project, user=bob)
    return project


@pytest.fixture
def grant(project):
    return GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 31))


def slurm(*rows, limit_hours=100):
    found = gateway(*rows)
    for name, parent in (("paic", "root"), ("p26001", "paic")):
        found.execute(CreateAccount(name, parent))
    found.execute(CreateAccount("p26001-h100", "p26001", gpu_minutes=limit_hours * 60))
    return found


def refresh(found):
    """What the worker does."""
    ingest(found, at=AT)
    live_queue.store(found, at=AT)


def see(client, user, name="project", code="p26001"):
    client.force_login(user)
    return client.get(reverse(name, args=[code])).content.decode()


def words(html):
    """The page's text without its mark-up, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&#x27;", "'").split())


# --- Who ---


@pytest.mark.parametrize("name", PAGES)
def test_pi_members_and_operators_see_the_project_and_nobody_else(client, grant, project, name):
    address = reverse(name, args=["p26001"])
    bob = project.memberships.exclude(user=project.pi).get().user
    for reader, status in [
        (project.pi, 200),
        (bob, 200),
        (UserFactory(roles=["operator"]), 200),
        (UserFactory(), 404),
        (UserFactory(roles=["reviewer"]), 404),
        (UserFactory(roles=["decider"]), 404),
        (UserFactory(roles=["observer"]), 404),
        (MembershipFactory(project=project, status="removed").user, 404),
    ]:
        client.force_login(reader)
        assert client.get(address).status_code == status, reader
        assert client.get(address.replace("p26001", "p26999")).status_code == 404


@pytest.mark.parametrize("name", [*PAGES, "center"])
def test_visitors_are_asked_to_sign_in_and_nothing_takes_a_post(client, grant, name):
    address = reverse(name, args=["p26001"] if name in PAGES else [])
    assert client.get(address).headers["Location"].startswith(reverse("account_login"))
    client.force_login(grant.project.pi)
    assert client.post(address).status_code == 405


def test_members_see_the_same_page_without_what_only_the_pi_may_do(client, grant, project):
    bob = project.memberships.exclude(user=project.pi).get().user
    assert "Invite or remove" in see(client, project.pi)
    assert "Invite or remove" not in see(client, bob)


# --- What ---


def test_a_project_in_use(client, grant, alice):
    found = slurm(
        job(user="alice", start=kst(2026, 3, 2, 10), hours=5, gpus=4),
        job(user="bob", start=kst(2026, 3, 9, 22), hours=10, gpus=1, state="TIMEOUT"),
        job(user="bob", start=kst(2026, 3, 10, 11), hours=None, gpus=2),
    )
    found.reserved["p26001-h100"] = 2 * 3600
    found.waiting = [
        waiting(user="bob", state="RUNNING", start=kst(2026, 3, 10, 11), gpus=2),
        waiting(user="alice"),
    ]
    refresh(found)
    text = words(see(client, alice))
    assert "Left 68 GPU-hours of 100 awarded" in text
    assert "Reserved by running jobs 2 GPU-hours" in text
    assert "Can start now" in text
    assert "Used 32 GPU-hours 32 % of the award" in text
    assert "Days left 21 days until 30 Mar 2026 · 31 % of the period passed" in text
    assert "Burn per day 0.28 GPU-hours over 7 days; over 28 days 2.44 GPU-hours" in text
    assert "Projected run-out – not enough data: fewer than 7 days with use" in text
    assert "32 % of the award used, 31 % of the period passed" in text
    assert "Alice Kim alice 20 62 %" in text
    assert "Bob Lee bob 12 37 %" in text
    assert "Reached its time limit 10 Mar 2026, 08:00 10 h 10.00" in text
    assert "Since 10 Mar 2026, 11:00, for 1 h" in text
    assert "It would pass the project's limit" in text
    assert "Slurm’s own word: AssocGrpGRESMinutes" in text
    assert "Figures as of 10 Mar 2026, 12:00" in text


def test_what_can_start_is_what_slurm_would_let_start(client, grant, alice):
    found = slurm(limit_hours=100)
    found.reserved["p26001-h100"] = 30 * 3600
    refresh(found)
    assert "Can start now 70 GPU-hours" in words(see(client, alice))


def test_an_empty_project_says_so_everywhere(client, grant, alice):
    refresh(slurm())
    text = words(see(client, alice))
    assert "Left 100 GPU-hours" in text
    assert "No job is running or waiting." in text
    assert "No job has ended yet." in text
    assert "Use by member" not in text


def test_a_project_with_one_job(client, grant, alice):
    refresh(slurm(job(user="alice", start=kst(2026, 3, 10, 9), hours=0.5, gpus=1)))
    text = words(see(client, alice))
    assert "Used 0.50 GPU-hours 0 % of the award" in text
    assert "Left 99 GPU-hours" in text


def test_an_over_used_project(client, grant, alice):
    refresh(slurm(job(user="alice", start=kst(2026, 3, 2), hours=26, gpus=4)))
    text = words(see(client, alice))
    assert "4 GPU-hours more than granted were used." in text
    assert "Left 0 GPU-hours" in text


def test_a_project_that_has_not_started(client, project, alice):
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    refresh(slurm())
    html = see(client, alice)
    assert "This grant opens on 1 Apr 2026." in words(html)
    assert "Opens 1 Apr 2026 until 30 Apr 2026" in words(html)
    assert 'class="chart' not in html


def test_a_project_that_has_ended(client, project, alice):
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 2, 1), ends_at=kst(2026, 3, 1))
    refresh(slurm())
    text = words(see(client, alice))
    assert "This grant ended on 28 Feb 2026; hours left over have lapsed." in text
    assert "Can start now 0 GPU-hours" in text


def test_a_suspended_project(client, grant, alice):
    SuspensionFactory(grant=grant, since=kst(2026, 3, 9))
    refresh(slurm())
    assert "The grant is suspended." in words(see(client, alice))


def test_a_project_without_any_grant(client, project, alice):
    assert "No GPU time has been awarded yet" in words(see(client, alice))


def test_each_pool_has_its_own_figures_and_all_have_a_total(client, grant, alice):
    a100 = PoolFactory(code="a100", position=1)
    GrantLineFactory(grant=grant, pool=a100, hours=40)
    refresh(
        slurm(job(user="alice", hours=5, gpus=4), job(account="p26001-a100", user="bob", kind="a100", hours=50, gpus=1))
    )
    text = words(see(client, alice))
    assert "All GPU kinds together Left 80 GPU-hours of 140 awarded" in text
    assert "H100 80GB 80 100 20 (20 %)" in text
    assert "A100 80GB 0 40 50 (125 %)" in text
    assert "The hours on A100 80GB are used up." in text
    assert "10 GPU-hours more than granted were used." in text
    assert "Bob Lee bob 0 50 50 71 %" in text


# --- Fresh, verified ---


def test_before_anything_was_read_the_page_says_so(client, grant, alice):
    text = words(see(client, alice))
    assert "No figures have been read from the cluster yet." in text
    assert "Can start now – GPU-hours not read from Slurm yet" in text


def test_stale_figures_are_said_to_be_stale(client, grant, alice):
    refresh(slurm())
    assert "not being refreshed" not in see(client, alice)
    IngestMark.objects.update(last_run_at=AT - timedelta(minutes=11))
    assert "not being refreshed" in see(client, alice)


def verified(**changes):
    values = {"period_start": kst(2026, 3, 10), "period_end": kst(2026, 3, 10, 11), "at": AT, "compared": 3}
    values |= {"gpu_seconds": 0, "unexplained_gpu_seconds": 0, "covered_until": values["period_end"]}
    return Verification.objects.create(**(values | changes))


def test_verified_up_to(client, grant, alice):
    refresh(slurm())
    verified()
    assert "Verified against Slurm's own report up to 10 Mar 2026, 11:00." in words(see(client, alice))


def test_an_unexplained_difference_is_shown_where_it_lies_and_nowhere_else(client, grant, alice):
    refresh(slurm())
    hour = {"user": "x", "since": "2026-03-10T01:00:00+00:00", "until": "2026-03-10T02:00:00+00:00", "gpu_seconds": 9}
    verification = verified(disputed=[hour | {"account": "p26002-h100"}])
    text = words(see(client, alice))
    assert "up to 10 Mar 2026, 11:00." in text and "looking into it" not in text
    verification.disputed = [hour | {"account": "p26001-h100"}]
    verification.save()
    text = words(see(client, alice))
    assert "up to 10 Mar 2026, 10:00." in text and "report differs here" in text


# --- Live ---


def test_the_part_that_refreshes_is_the_pages_own(client, grant, alice):
    refresh(slurm(job(user="alice")))
    page, part = see(client, alice), see(client, alice, "project_usage")
    for anchor in ('id="project-figures"', 'id="project-now"', 'id="project-ended"'):
        assert page.count(anchor) == part.count(anchor) == 1
    assert "Alice Kim" in part  # who ran the job that ended, also while nothing runs
    assert 'id="course-h100"' in page and 'id="course-h100"' not in part
    assert f'hx-get="{reverse("project_usage", args=["p26001"])}"' in page
    assert "hx-swap-oob" in part and "hx-swap-oob" not in page
    assert "<html" not in part
    assert 'data-live-topics="project:p26001"' in page


def test_the_grants_and_the_news_come_with_the_part_after_an_event_alone(client, grant, alice):
    page, part = see(client, alice), see(client, alice, "project_usage")
    after = client.get(reverse("project_usage", args=["p26001"]), headers={"Live-Event": "1"}).content.decode()
    for anchor in ('id="project-grants"', 'id="project-news"'):
        assert page.count(anchor) == after.count(anchor) == 1 and anchor not in part
    assert after.count("hx-swap-oob") == 4 and after.count("hx-get=") == 1


# --- Files ---


def test_usage_as_a_file(client, grant, alice):
    alice.name_en = "=cmd|' /C calc'!A0"
    alice.save()
    refresh(slurm(job(user="alice", start=kst(2026, 3, 1, 23), hours=2, gpus=3), job(user="+evil", hours=0.5, gpus=1)))
    client.force_login(alice)
    answer = client.get(reverse("project_usage_csv", args=["p26001"]))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="p26001-usage.csv"'
    text = b"".join(answer).decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["Day", "Member", "User name", "Pool", "GPU kind", "GPU-hours", "GPU-seconds", "Jobs"]
    assert rows == [
        ["2026-03-01", "'=cmd|' /C calc'!A0", "alice", "H100 80GB", "h100", "3.00", "10800", "1"],
        ["2026-03-02", "", "'+evil", "H100 80GB", "h100", "0.50", "1800", "1"],
        ["2026-03-02", "'=cmd|' /C calc'!A0", "alice", "H100 80GB", "h100", "3.00", "10800", "0"],
    ]


def test_the_file_holds_exactly_what_the_page_says_was_used(client, grant, alice):
    refresh(slurm(*[job(user="bob", start=kst(2026, 3, 1 + n, 20), hours=7 + n / 7, gpus=n % 4) for n in range(8)]))
    client.force_login(alice)
    text = b"".join(client.get(reverse("project_usage_csv", args=["p26001"]))).decode("utf-8-sig")
    total = sum(int(row["GPU-seconds"]) for row in csv.DictReader(io.StringIO(text)))
    assert total == grant.lines.get().charged_gpu_seconds == sum(row.gpu_seconds for row in UsageDay.objects.all())


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_neutralised(text):
    assert neutral(text) == "'" + text
    assert neutral("kim") == "kim" and neutral(-5) == -5


# --- How many queries ---


@pytest.fixture
def busy(grant, project):
    """Two pools, two grants, six members, jobs and a queue."""
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100", position=1), hours=40)
    LedgerEntryFactory(line=grant.lines.first(), kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=36_000)
    GrantFactory(project=project, hours=60, starts_at=kst(2026, 3, 31), ends_at=kst(2026, 5, 1))
    for number in range(4):
        MembershipFactory(project=project, user__cluster_username=f"member{number}")
    found = slurm(*[job(user=f"member{n % 5}", start=kst(2026, 3, 2 + n // 6, n % 20), hours=1) for n in range(40)])
    found.waiting = [waiting(user="alice") for _ in range(12)]
    refresh(found)
    verified()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_takes_few_queries_however_much_it_shows(client, busy, alice, name, django_assert_max_num_queries):
    client.force_login(alice)
    address = reverse(name, args=["p26001"])
    list(client.get(address))
    with django_assert_max_num_queries(MOST_LIVE_QUERIES if name == "project_usage" else MOST_QUERIES):
        list(client.get(address))


def test_many_projects_have_their_figures_in_three_queries(busy, project, django_assert_num_queries):
    projects = [
        project,
        *(GrantFactory(project=ProjectFactory(code=f"p2700{n}")).project for n in range(3)),
        ProjectFactory(),
    ]
    with django_assert_num_queries(3):
        figures = figures_of_projects([project.pk for project in projects], AT)
    assert figures[project.pk].total.balance.granted == 150 * 3600
    assert figures[project.pk].total.days_left == 21
    assert figures[projects[-1].pk].total is None
