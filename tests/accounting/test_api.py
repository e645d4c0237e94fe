"""The API: who reads what, what it answers in which words, and that its description tells the truth."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.urls import reverse
from jsonschema import Draft202012Validator, FormatChecker

from accounting import live_queue
from accounting.api import access
from accounting.api.pages import endpoints
from accounting.api.v1 import api
from accounting.history.ingest import ingest
from accounting.models import QueueJob
from allocations.models import MemberCap
from allocations.services.tokens import token_create
from portal.slurm.types import CreateAccount
from tests.accounting.histories import gateway, job, waiting
from tests.factories import (
    GrantFactory,
    GrantLineFactory,
    InstitutionFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12)
MOST_QUERIES = 12
PATHS = ["me", "projects", "projects/p26001", "projects/p26001/usage", "projects/p26001/jobs", "queue"]


@pytest.fixture(autouse=True)
def now():
    cache.clear()
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def alice():
    postech = InstitutionFactory(name_ko="포항공과대학교", name_en="POSTECH")
    return UserFactory(name_ko="김서연", name_en="Alice Kim", institution=postech, cluster_username="alice")


@pytest.fixture
def project(alice):
    """Two pools, two people, 40 jobs, a queue."""
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    MembershipFactory(project=project, user=UserFactory(cluster_username="bob", name_en="Bob Lee"))
    grant = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 31))
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100", position=1), hours=40)
    found = gateway(
        *[job(user=("alice", "bob")[n % 2], start=kst(2026, 3, 2 + n // 6, n % 20), hours=1) for n in range(40)],
        job(user="bob", hours=0.5, state="FAILED", exit_code="1:0"),
    )
    for name, parent in (("paic", "root"), ("p26001", "paic")):
        found.execute(CreateAccount(name, parent))
    found.execute(CreateAccount("p26001-h100", "p26001", gpu_minutes=6000))
    found.waiting = [waiting(user="alice"), waiting(user="bob", state="RUNNING", start=AT, reason="None")]
    ingest(found, at=AT)
    live_queue.store(found, at=AT)
    return project


@pytest.fixture
def ask(client):
    """What the API answers to a person's token, in English."""

    def asked(user, path, /, **query):
        token, secret = token_create(name=path, days=1, by=user, at=AT)
        headers = {"Authorization": f"Bearer {secret}", "Accept-Language": "en-GB"}
        answer = client.get(f"/api/v1/{path}", query, headers=headers)
        token.delete()
        return answer

    return asked


# --- Who ---


@pytest.mark.parametrize("path", PATHS[2:5])
def test_a_token_reads_what_its_person_may_see_on_pages(ask, project, path):
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
        assert ask(reader, path).status_code == status, reader
        assert ask(reader, path.replace("p26001", "p26999")).status_code == 404
    project.memberships.filter(user=bob).update(status="removed")
    assert ask(bob, path).status_code == 404


def test_lists_are_of_ones_own_projects_also_for_operators(ask, project):
    operator = UserFactory(roles=["operator"])
    assert ask(operator, "projects").json()["projects"] == ask(operator, "queue").json()["jobs"] == []
    assert ask(UserFactory(), "queue", project="p26001").status_code == 404
    assert len(ask(operator, "queue", project="p26001").json()["jobs"]) == 2


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_a_valid_token_opens(client, alice, project, path):
    client.force_login(alice)
    for headers in ({}, {"Authorization": "Bearer gpuh_wrong"}, {"Authorization": "Basic YTpi"}):
        answer = client.get(f"/api/v1/{path}", headers=headers)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer gpuh_…" in answer.json()["detail"]
        assert answer["Content-Type"] == "application/problem+json"


def test_somebody_who_is_no_longer_active_reads_nothing(client, alice, project):
    _, secret = token_create(name="x", days=1, by=alice, at=AT)
    alice.is_active = False
    alice.save()
    assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_nothing_can_be_written(client, project, method):
    answer = getattr(client, method)("/api/v1/projects")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert answer["Content-Type"] == "application/problem+json"


def test_head_is_answered_as_get_without_a_body(client, alice, project):
    _, secret = token_create(name="x", days=1, by=alice, at=AT)
    answer = client.head("/api/v1/projects", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_a_script_that_asks_without_pause_is_held_back(client, alice, monkeypatch):
    monkeypatch.setattr(access, "MOST_A_MINUTE", 3)
    _, secret = token_create(name="x", days=1, by=alice, at=AT)
    answers = [client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[3]["Retry-After"] == "60"
    with time_machine.travel(AT + timedelta(minutes=1), tick=False):
        assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


# --- What ---


def test_how_a_project_stands(ask, alice, project):
    answer = ask(alice, "projects/p26001").json()
    assert answer["figures"]["read_until"]
    [h100, a100] = answer["project"]["pools"]
    assert h100["used"] == {"gpu_seconds": 81 * 3600, "gpu_hours": "81.00"}
    assert (h100["left"]["gpu_hours"], h100["used_percent"], h100["days_left"]) == ("19.00", 81, 21)
    assert (h100["account"], h100["partitions"], h100["standing"]) == ("p26001-h100", ["h100"], "open")
    assert h100["startable"]["gpu_seconds"] == h100["left"]["gpu_seconds"]
    assert (a100["used"]["gpu_seconds"], a100["startable"], a100["projection"]) == (0, None, None)
    assert answer["project"]["total"]["granted"]["gpu_hours"] == "140.00"
    assert (answer["project"]["pi"], answer["project"]["institution"]) == ("Alice Kim", "POSTECH")


def test_a_project_without_a_grant_has_no_pools(ask):
    project = ProjectFactory(code="p26009")
    [row] = ask(project.pi, "projects").json()["projects"]
    assert (row["total"], row["pools"]) == (None, [])


def test_usage_by_what_is_asked_for(ask, alice, project):
    answer = ask(alice, "projects/p26001/usage", by="person,state").json()
    assert (answer["first"], answer["last"]) == ("2026-02-11", "2026-03-10")
    shown = [(row["person"], row["person_name"], row["state"], row["used"]["gpu_hours"]) for row in answer["rows"]]
    assert shown == [
        ("alice", "Alice Kim", "COMPLETED", "40.00"),
        ("bob", "Bob Lee", "COMPLETED", "40.00"),
        ("bob", "Bob Lee", "FAILED", "1.00"),
    ]
    assert set(answer["rows"][0]) == {"person", "person_name", "state", "used", "cpu_seconds", "jobs"}
    assert answer["total"] == {
        "used": {"gpu_seconds": 81 * 3600, "gpu_hours": "81.00"}, "cpu_seconds": 8 * 3600 * 81 // 2, "jobs": 41,
    }  # fmt: skip
    days = ask(alice, "projects/p26001/usage", **{"from": "2026-03-02", "to": "2026-03-02"}).json()
    assert [(row["day"], row["jobs"]) for row in days["rows"]] == [("2026-03-02", 7)]
    months = ask(alice, "projects/p26001/usage", by="month,pool,kind", **{"from": "2025-01-01"}).json()
    [month] = months["rows"]
    assert (month["month"], month["pool"], month["kind"], month["jobs"]) == ("2026-03-01", "h100", "h100", 41)


def test_jobs_come_in_parts_without_a_gap_or_a_double(ask, alice, project):
    cursor, seen = None, []
    while cursor is not False:
        query = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        answer = ask(alice, "projects/p26001/jobs", **query).json()
        seen += answer["jobs"]
        cursor = answer["next"] or False
    assert len(seen) == len({row["job"] for row in seen}) == 41
    assert [row["ended_at"] for row in seen] == sorted((row["ended_at"] for row in seen), reverse=True)
    [failed] = ask(alice, "projects/p26001/jobs", state="failed", user="bob").json()["jobs"]
    assert (failed["state_words"], failed["exit_code"], failed["used"]["gpu_hours"]) == (
        "Ended with an error", "1:0", "1.00",
    )  # fmt: skip
    one_day = ask(alice, "projects/p26001/jobs", **{"from": "2026-03-02", "to": "2026-03-02"}).json()
    assert len(one_day["jobs"]) == 7 and one_day["next"] is None


def test_the_queue_says_why_a_job_waits_and_what_helps(ask, alice, project):
    running, held = ask(alice, "queue").json()["jobs"]
    assert (running["running"], running["reason"]) == (True, "")
    assert (held["reason"], held["cure"][:19]) == ("AssocGrpGRESMinutes", "Ask for fewer GPUs ")


def test_the_queue_says_whose_limit_a_job_meets(ask, alice, project):
    QueueJob.objects.update(time_limit_minutes=60)
    pool = project.accounts.get(name="p26001-h100").pool
    member = project.memberships.get(user=alice)
    MemberCap.objects.create(membership=member, pool=pool, gpu_seconds=60, set_by=alice, set_at=AT)
    [_, held] = ask(alice, "queue").json()["jobs"]
    assert held["reason_words"].startswith("It would pass the member's own cap")


# --- What cannot be answered ---


@pytest.mark.parametrize(
    ("path", "query", "sentence"),
    [
        ("usage", {"from": "yesterday"}, "from: Write a day as 2026-03-01."),
        ("usage", {"by": "people"}, "by: Write one or several of day, month"),
        ("usage", {"form": "2026-03-01"}, "form: There is no such parameter here."),
        ("usage", {"from": "2026-03-02", "to": "2026-03-01"}, "from: The first day lies after the last one."),
        ("usage", {"from": "2024-03-02"}, "from: By day, ask for a year at most"),
        ("usage", {"to": "9999-12-31", "by": "month"}, "to: Write a day as 2026-03-01."),
        ("jobs", {"to": "9999-12-31"}, "to: Write a day as 2026-03-01."),
        ("jobs", {"limit": "1000000"}, "limit: Write a number from 1 to 500."),
        ("jobs", {"user": "\0"}, "user: Write a user name of the cluster."),
        ("jobs", {"cursor": "가"}, "cursor: Write `next` of the answer before"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_to_write(ask, alice, project, path, query, sentence):
    answer = ask(alice, f"projects/p26001/{path}", **query)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["detail"].startswith(sentence)
    assert answer.json()["parameter"] == next(iter(query))


@pytest.mark.parametrize("path", ["", "nothing", "projects/", "projects/p26001/ledger"])
def test_an_address_that_is_not_there_is_a_problem_too(ask, alice, path):
    answer = ask(alice, path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_sentences_are_korean_unless_another_language_is_asked_for(client, alice):
    answer = client.get("/api/v1/me")
    assert answer["Content-Language"] == "ko" and "접근 토큰" in answer.json()["detail"]
    assert "Accept-Language" in answer["Vary"] and "no-store" in answer["Cache-Control"]
    assert client.get("/api/v1/me", headers={"Accept-Language": "en"})["Content-Language"] == "en"


# --- The description ---


def test_the_description_is_public_and_names_a_schema_for_every_answer(client):
    described = client.get("/api/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    operations = {path: methods["get"] for path, methods in described["paths"].items()}
    assert [path.removeprefix("/api/v1") for path in operations] == [path for path, _ in endpoints()]
    for path, methods in described["paths"].items():
        assert list(methods) == ["get"], path
        assert methods["get"]["security"] == [{"Token": []}]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", [{}, {"by": "day,month,person,pool,partition,kind,state"}])
def test_answers_are_as_described(ask, alice, project, path, query):
    described = api.get_openapi_schema()
    operation = described["paths"][f"/api/v1/{path.replace('p26001', '{code}')}"]["get"]
    schema = operation["responses"][200]["content"]["application/json"]["schema"]
    answer = ask(alice, path, **(query if path.endswith("usage") else {})).json()
    whole = {"components": described["components"], **schema}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(answer)


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_takes_few_queries(ask, alice, project, client, path, django_assert_max_num_queries):
    for number in range(3):
        GrantFactory(project=ProjectFactory(code=f"p2700{number}", pi=alice))
    _, secret = token_create(name="x", days=1, by=alice, at=AT)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


# --- The pages about it ---


def test_everybody_may_read_how_to_ask_and_download_the_command(client, settings):
    settings.PORTAL_URL = "https://portal.example"
    page = client.get(reverse("api")).content.decode()
    assert "https://portal.example" in page and "/projects/{code}/usage" in page
    answer = client.get(reverse("gpuh"))
    assert answer["Content-Disposition"] == 'attachment; filename="gpuh"'
    text = answer.content.decode()
    assert text.startswith("#!/usr/bin/env python3\n") and "ADDRESS = 'https://portal.example'" in text
    compile(text, "gpuh", "exec")
