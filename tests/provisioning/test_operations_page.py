"""The operator's page says what the cluster is and what stands in the way; two switches, each asked for twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from allocations.models import Account, Cluster, OperationRecord
from allocations.provisioning.sync import synchronise
from portal.events.models import Event
from portal.people.models import User
from portal.post.models import MOST_TRIES, Mail
from portal.slurm.errors import SlurmRefused
from portal.slurm.types import AddPerson
from tests.factories import NOW, UserFactory
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db
ADDRESSES = [
    "/operations/",
    "/operations/writing/",
    "/operations/pausing/",
    "/operations/repairs/",
    "/operations/backup/",
    "/operations/drift/",
    "/operations/drift/1/repair/",
    "/operations/drift/1/adopt/",
    "/operations/counters/",
    "/operations/counters/1/rebase/",
    "/operations/counters/1/noted/",
]


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory(roles=["operator"])


@pytest.fixture
def page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


def text_of(client: Client, address: str = "/operations/") -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("role", [None, "reviewer", "decider", "observer"])
def test_others_are_turned_away(role: str | None, address: str) -> None:
    client = Client()
    client.force_login(UserFactory(roles=[role] if role else []))
    assert client.get(address).status_code == 403
    assert client.post(address).status_code == 403
    assert Client().get(address).status_code == 302


def test_without_a_worker_it_says_since_when_and_why(page: Client, settings: Any) -> None:
    settings.SLURM_ABSENT_REASON = "This machine cannot run the sandbox."
    assert "No cluster is attached." in text_of(page)
    assert "This machine cannot run the sandbox." in text_of(page)
    settings.SLURM_ABSENT_REASON = ""
    assert "No worker has connected yet." in text_of(page)
    Cluster.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=31))
    assert "No worker is connected since" in text_of(page)
    Cluster.objects.update(heartbeat_at=timezone.now())
    assert "No worker" not in text_of(page)


def test_it_shows_driver_version_dangers_and_what_to_set(page: Client) -> None:
    Cluster.current()
    Cluster.objects.update(
        driver="commands",
        driver_note={"message": "Slurm's commands (version %(version)s).", "params": {"version": "26.05"}},
        slurm_version="26.05.5",
        findings=[
            {
                "level": "danger",
                "code": "enforce",
                "message": "Slurm does not enforce %(missing)s.",
                "params": {"missing": "safe"},
                "file": "slurm.conf",
                "line": "AccountingStorageEnforce=safe",
            }
        ],
        foreign_accounts=[{"name": "physics", "parent": "root", "people": [], "gpu_minutes": None}],
        capacity=[{"partition": "h100", "gpu_kind": "h100", "nodes": 1, "gpus": 4, "gpus_in_use": 2, "gpus_down": 0}],
        last_error="usage: slurmdbd does not answer",
    )
    text = text_of(page)
    for words in (
        "Slurm&#x27;s commands (version 26.05).",
        "26.05.5",
        "Limits may not hold.",
        "Slurm does not enforce safe.",
        "AccountingStorageEnforce=safe",
        "physics",
        "usage: slurmdbd does not answer",
    ):
        assert words in text


def test_it_shows_the_plan_the_refusals_and_slurms_words(page: Client, gateway: Stubborn, account: Account) -> None:
    gateway.fails = lambda operation: (
        SlurmRefused("no", words="Access <denied>") if isinstance(operation, AddPerson) else None
    )
    synchronise(gateway, clock=lambda: NOW)
    text = text_of(page)
    assert "Add kim to p26001-h100" in text
    assert "Access &lt;denied&gt;" in text
    assert "Refused by Slurm" in text
    assert "Create account p26001-h100 below p26001 with 30,000 GPU-minutes, parked" in text


def test_it_takes_few_queries_however_much_was_done(
    page: Client, gateway: Stubborn, account: Account, django_assert_max_num_queries: Any
) -> None:
    synchronise(gateway, clock=lambda: NOW)
    text_of(page)
    with django_assert_max_num_queries(30):
        text_of(page)


def test_it_shows_how_mails_fare(page: Client) -> None:
    assert "In order" in text_of(page)
    ago = timezone.now() - timedelta(hours=1)
    mail = Mail.objects.create(
        kind="step", to="a@b.example", language="ko", subject="x", body="x", created_at=ago, due_at=ago
    )
    assert "is a worker running?" in text_of(page)
    Mail.objects.update(due_at=None, tries=MOST_TRIES, error="SMTPServerDisconnected: away")
    assert "Failing" in text_of(page)
    assert "SMTPServerDisconnected: away" in text_of(page)
    mail.delete()
    assert "Failing" not in text_of(page)


def test_writing_is_switched_on_and_off_after_asking(page: Client, operator: User) -> None:
    assert "Observe-only." in text_of(page)
    assert "Switch writing on?" in text_of(page, "/operations/writing/")
    page.post("/operations/writing/", {"writing": "on"})
    cluster = Cluster.current()
    assert (cluster.writing_enabled, cluster.writing_changed_by) == (True, operator)
    assert "Switch writing off?" in text_of(page, "/operations/writing/")
    page.post("/operations/writing/", {"writing": "off"})
    assert not Cluster.current().writing_enabled
    assert list(Event.objects.order_by("pk").values_list("action", "by")) == [
        ("cluster.writing_enabled", operator.pk),
        ("cluster.writing_disabled", operator.pk),
    ]


def test_a_button_pressed_twice_does_not_turn_it_back(page: Client) -> None:
    for _time in range(2):
        response = page.post("/operations/writing/", {"writing": "on"}, follow=True)
    assert Cluster.current().writing_enabled
    assert "Somebody else was faster" in response.content.decode()


def test_a_plan_that_pauses_many_is_confirmed_after_asking(page: Client) -> None:
    Cluster.current()
    Cluster.objects.update(pausing_waits=True)
    assert "The plan waits for you." in text_of(page)
    assert "Pause all these people?" in text_of(page, "/operations/pausing/")
    page.post("/operations/pausing/")
    assert Cluster.current().pausing_confirmed_at is not None
    response = page.post("/operations/pausing/", follow=True)
    assert "Nothing waits for a confirmation any more." in response.content.decode()


def test_an_operation_whose_end_nobody_saw_is_shown_as_such(page: Client) -> None:
    OperationRecord.objects.create(
        at=NOW, operation="ParkAccount", account="x", sentence={"message": "Park it", "params": {}}
    )
    assert "Unknown, compared again" in text_of(page)


def test_a_restored_backup_is_explained_and_accepted_once(page: Client) -> None:
    cluster = Cluster.current()
    assert "There is nothing to accept." in text_of(page, "/operations/backup/")
    Cluster.objects.update(sequence=4, ahead_in_slurm=16, writing_enabled=False)
    assert "The database is older than Slurm." in text_of(page)
    assert "Observe-only." not in text_of(page)
    assert "Slurm is 12 passes ahead" in text_of(page, "/operations/backup/")
    response = page.post("/operations/writing/", {"writing": "on"}, follow=True)
    assert "accept it first" in response.content.decode()
    page.post("/operations/backup/")
    cluster.refresh_from_db()
    assert (cluster.sequence, cluster.ahead_in_slurm, cluster.writing_enabled) == (16, None, False)
    response = page.post("/operations/backup/", follow=True)
    assert "There is nothing to accept any more." in response.content.decode()
    assert Event.objects.filter(action="cluster.backup_accepted").count() == 1


def test_putting_right_by_itself_is_switched_after_asking(page: Client) -> None:
    assert "Ask before putting right?" in text_of(page, "/operations/repairs/")
    for _time in range(2):
        page.post("/operations/repairs/", {"repairs": "ask"})
    assert not Cluster.current().repairs_by_itself
    assert "waits below until an operator decides." in text_of(page, "/operations/drift/")
    page.post("/operations/repairs/", {"repairs": "by_itself"})
    assert Cluster.current().repairs_by_itself
    assert list(Event.objects.order_by("pk").values_list("action", flat=True)) == [
        "cluster.repairs_asked",
        "cluster.repairs_by_itself",
    ]
