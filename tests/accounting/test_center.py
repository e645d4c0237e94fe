"""The center's pages: who sees them, what they say, that tables, files and totals agree, and in how many queries."""

from __future__ import annotations

import csv
import io
import re
from datetime import date, timedelta

import pytest
import time_machine
from django.urls import reverse

from accounting import live_queue
from accounting.center.sheets import SHEETS
from accounting.center.use import center_use
from accounting.dashboard.period import Period
from accounting.history.ingest import ingest
from accounting.models import ClusterDay, UsageDay
from allocations.models import Call, Cluster
from portal.slurm.types import CreateAccount
from tests.accounting.histories import gateway, job, summed, waiting
from tests.factories import (
    GrantFactory,
    GrantLineFactory,
    InstitutionFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12)
HOUR = 3600
MOST_QUERIES = 12
PAGES = ("center", "operations_center", "operations_center_now")


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
def grant(alice):
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    return GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 31))


@pytest.fixture
def firm_grant():
    firm = InstitutionFactory(name_ko="포항제철", name_en="Steel", kind="firm")
    project = ProjectFactory(code="p26002", pi=UserFactory(institution=firm), created_at=kst(2026, 3, 1))
    grant = GrantFactory(project=project, hours=900, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 4, 1))
    Call.objects.filter(pk=grant.application.call_id).update(track=Call.Track.FIRM)
    return grant


def used(*rows, queue=()):
    """What the worker does with these jobs."""
    found = gateway(*rows)
    for name, parent in [
        ("paic", "root"), ("p26001", "paic"), ("p26001-h100", "p26001"), ("p26002", "paic"), ("p26002-h100", "p26002"),
    ]:  # fmt: skip
        found.execute(CreateAccount(name, parent))
    found.waiting = list(queue)
    ingest(found, at=AT)
    live_queue.store(found, at=AT)


def cluster_day(day, kind="", installed=192, allocated=96, down=0, planned_down=0):
    """In GPU-hours."""
    amounts = {"installed": installed, "allocated": allocated, "down": down, "planned_down": planned_down}
    seconds = {name: hours * HOUR for name, hours in amounts.items()}
    return ClusterDay.objects.create(day=day, gpu_kind=kind, read_at=AT, **seconds)


def see(client, name="center", role="observer", query=""):
    client.force_login(UserFactory(roles=[role]))
    return client.get(reverse(name) + query)


def words(answer):
    """The page's text without its mark-up, on one line."""
    text = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(text.replace("&#x27;", "'").split())


# --- Who ---


@pytest.mark.parametrize("name", PAGES)
def test_only_roles_with_the_permission_see_them(client, name):
    may = {"observer", "decider", "operator"} if name == "center" else {"operator"}
    for role in ("observer", "decider", "operator", "reviewer", "technical"):
        assert see(client, name, role).status_code == (200 if role in may else 403), role
    client.logout()
    assert client.get(reverse(name)).status_code == 302


@pytest.mark.parametrize("table", SHEETS)
def test_files_are_for_who_sees_the_page(client, table):
    client.force_login(UserFactory(roles=["reviewer"]))
    assert client.get(reverse("center_csv", args=[table])).status_code == 403
    client.force_login(UserFactory(roles=["observer"]))
    assert client.get(reverse("center_csv", args=[table])).status_code == 200
    assert client.get(reverse("center_csv", args=["people"])).status_code == 404


# --- What they say ---


def test_use_and_awards_by_sector_track_and_institution_without_names(client, grant, firm_grant):
    used(
        job(user="alice", hours=5, gpus=4),
        job(account="p26002-h100", user="bob", start=kst(2026, 3, 3), hours=60, gpus=1),
    )
    GrantFactory(project=ProjectFactory(code="p26003"), hours=7000, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    answer = see(client)
    text = words(answer)
    assert "Used by projects 80 GPU-hours projects: 2, institutions: 2" in text
    assert "Awarded in open grants 1,000 GPU-hours 8 % of it used so far" in text
    assert "University 1 20 25 % 100 20 %" in text
    assert "Firm 1 60 75 % 900 6 %" in text
    assert "Academic 1 20 25 % 100 20 %" in text
    assert "Firms 1 60 75 % 900 6 %" in text
    assert "POSTECH 1 20 25 % 100 20 %" in text
    for secret in ("Alice", "김서연", "alice", "p26001", "p26002", "steel"):
        assert secret not in answer.content.decode()


def test_what_slurm_says_of_its_gpus(client, grant):
    cluster_day(date(2026, 3, 8), installed=200, allocated=100, down=10, planned_down=20)
    cluster_day(date(2026, 3, 8), "h100", installed=100, allocated=80)
    cluster_day(date(2026, 3, 9), installed=200, allocated=50)
    text = words(see(client))
    assert "Allocation rate 37.5 % 150 of 400 GPU-hours installed" in text
    assert "Availability 92.5 % down 10, in maintenance 20 GPU-hours" in text
    assert "37.5 % were allocated and 55.0 % stood free; 92.5 % were available. Slurm has figures from" in text
    assert "200 100 70 20 10 50.0 % 85.0 %" in text
    assert "H100 80GB 4 100 80 80.0 % 100.0 % 0 100 0 %" in text


def test_until_slurm_has_reported_it_is_said_so(client, grant):
    cluster_day(date(2026, 3, 8), installed=0, allocated=0)
    text = words(see(client))
    assert "Allocation rate – Slurm has reported nothing of this period yet." in text
    assert "data-chart" not in see(client).content.decode()


def test_an_empty_center_is_no_error(client):
    assert "No project used anything, and no grant is open at present." in words(see(client))


def test_a_period_that_cannot_be_keeps_what_was_typed(client, grant):
    used(job(user="alice", hours=5, gpus=4))
    answer = see(client, query="?period=dates&first=2026-03-09&last=2026-03-01")
    assert "The period ends before it begins." in words(answer)
    assert 'value="2026-03-09"' in answer.content.decode()
    assert "Used by projects 20 GPU-hours" in words(answer)
    client.get(reverse("center"))
    answer = client.get(reverse("center_csv", args=["sectors"]) + "?period=dates&first=2026-03-09&last=2026-03-01")
    assert answer.status_code == 302


def test_use_of_a_project_goes_to_the_track_of_the_grant_that_was_open(english, grant):
    """Two grants one after the other, applied for in calls of different tracks; and use before any of them."""
    project = grant.project
    later = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 31), ends_at=kst(2026, 4, 30))
    Call.objects.filter(pk=later.application.call_id).update(track=Call.Track.URGENT)
    pool = grant.lines.get().pool
    account = project.accounts.get()
    for day, hours in ((date(2026, 2, 27), 1), (date(2026, 3, 30), 2), (date(2026, 3, 31), 4), (date(2026, 5, 2), 8)):
        UsageDay.objects.create(
            day=day, account=account, account_name=account.name, user_name="alice", gpu_kind=pool.gpu_kind,
            partition="h100", state="COMPLETED", provisional=False, gpu_seconds=hours * HOUR, jobs=1,
        )  # fmt: skip
    summed()
    found = center_use(Period(date(2026, 2, 10), date(2026, 5, 9)), kst(2026, 5, 10))
    assert {group.label: group.used // HOUR for group in found.by_track} == {"Academic": 3, "Urgent": 12}
    assert found.total.used == 15 * HOUR


def test_every_table_and_file_adds_up_to_the_same(client, grant, firm_grant):
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100", position=1), hours=40)
    used(
        *[job(user="alice", start=kst(2026, 3, 1 + n, 20), hours=7 + n / 7, gpus=n % 4) for n in range(8)],
        job(account="p26002-h100", user="bob", start=kst(2026, 3, 3), hours=11),
        job(account="strangers", user="eve", start=kst(2026, 3, 3), hours=3, gpus=1),
    )
    found = center_use(Period(date(2026, 2, 11), date(2026, 3, 10)), AT)
    ours = sum(row.gpu_seconds for row in UsageDay.objects.filter(account__isnull=False))
    assert found.total.used == ours
    for groups in (found.by_sector, found.by_track, found.by_institution, [group for _pool, group in found.by_pool]):
        assert sum(group.used for group in groups) == ours
        assert sum(group.granted for group in groups) == found.total.granted == 1040 * HOUR
    assert found.others == [("strangers", 3 * HOUR)]
    assert found.used_by_all == sum(row.gpu_seconds for row in UsageDay.objects.all())
    client.force_login(UserFactory(roles=["observer"]))
    for table in ("institutions", "sectors", "tracks"):
        text = client.get(reverse("center_csv", args=[table])).content.decode("utf-8-sig")
        assert sum(int(row["GPU-seconds"]) for row in csv.DictReader(io.StringIO(text))) == ours


# --- For operators ---


def test_operators_see_the_queue_who_is_far_from_the_plan_and_what_is_promised(client, grant, firm_grant):
    Cluster.objects.filter(pk=Cluster.current().pk).update(
        capacity=[
            {"partition": "h100", "gpu_kind": "h100", "nodes": 1, "gpus": 4, "gpus_in_use": 3, "gpus_down": 1},
            {"partition": "mixed", "gpu_kind": "h100", "nodes": 1, "gpus": 4, "gpus_in_use": 2, "gpus_down": 0},
        ],
        foreign_accounts=[{"name": "strangers", "people": ["eve"]}, {"name": "asleep", "people": []}],
    )
    used(
        job(user="alice", start=kst(2026, 3, 2), hours=20, gpus=4),
        job(account="strangers", user="eve", start=kst(2026, 3, 3), hours=20, gpus=1),
        queue=[waiting(user="alice", gpus=2)],
    )
    text = words(see(client, "operations_center", "operator"))
    assert "H100 80GB 3 / 4 1 0 1 2" in text
    assert "p26001 Finding defects on steel H100 80GB 80 31 100 +48" in text
    assert "p26002" not in text.partition("Promised for the months ahead")[0]
    assert "strangers 1 20 There asleep 0 0 There" in text
    assert "In this period they used 20 GPU-hours, 20 % of all use." in text


def test_a_month_that_is_promised_twice_is_said_in_front(client, grant):
    assert "% of a pool's GPU time is promised" not in words(see(client, "operations_center", "operator"))
    GrantFactory(project=ProjectFactory(code="p26003"), hours=7000, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 5, 1))
    text = words(see(client, "operations_center", "operator"))
    assert "In one month ahead more than 90 % of a pool's GPU time is promised." in text
    assert "April 2026 7,000 / 2,880 243 % too much" in text


# --- How many queries ---


@pytest.mark.parametrize("name", PAGES)
def test_they_take_few_queries_however_much_they_show(client, grant, firm_grant, name, django_assert_max_num_queries):
    later = GrantFactory(project=grant.project, hours=60, starts_at=kst(2026, 3, 9), ends_at=kst(2026, 5, 1))
    Call.objects.filter(pk=later.application.call_id).update(track=Call.Track.URGENT)
    for number in range(5):
        GrantFactory(project=ProjectFactory(code=f"p2700{number}"))
    for number in range(20):
        cluster_day(date(2026, 2, 15) + timedelta(days=number))
    used(*[job(user=f"u{n}", start=kst(2026, 3, 2 + n // 6, n % 20), hours=1, gpus=4) for n in range(40)])
    see(client, name, "operator")
    with django_assert_max_num_queries(MOST_QUERIES):
        client.get(reverse(name) + "?period=dates&first=2026-03-01&last=2026-04-09")
