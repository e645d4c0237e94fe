"""A cluster that was running before the portal: everything is listed, nothing touched; accounts are linked to projects
and go on as they are; handed over, they keep what is left and get nothing back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounting import balance, live_queue
from accounting.history import ingest
from accounting.models import Counter, UsageDay
from allocations.models import Account, Cluster, Drift, GrantLine, Project, Rebase
from allocations.provisioning.sync import synchronise
from allocations.selectors.slurm_accounts import found_account
from allocations.services.accounts import cluster_writing_enable
from portal.events.models import Event
from portal.people.models import User
from portal.schedule import read_capacity
from portal.slurm.types import AccountState, JobRecord, PersonState
from tests.factories import NOW, GrantFactory, MembershipFactory, PoolFactory, ProjectFactory, UserFactory, kst
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db
MINUTE = 60
HOUR = 3600


@pytest.fixture(autouse=True)
def on_that_day() -> Iterator[None]:
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def running(gateway: Stubborn) -> Stubborn:
    """Below the portal's root: `vision` of kim and lee, used for 3 GPU-hours, and `old` above `older`. Beside it:
    `physics` of lee."""
    for name, parent in [("paic", "root"), ("vision", "paic"), ("old", "paic"), ("older", "old"), ("physics", "root")]:
        gateway.accounts[name] = AccountState(name, parent, qos=frozenset({"normal"}), default_qos="normal")
    for name, user in [("vision", "kim"), ("vision", "lee"), ("physics", "lee")]:
        gateway.people[name, user] = PersonState(name, user)
    start = kst(2026, 2, 10)
    gateway.history = [
        _job(1, "vision", "kim", start, start + timedelta(hours=1), gpus=2),
        _job(2, "vision", "kim", kst(2026, 3, 1, 12), kst(2026, 3, 1, 13), gpus=1),
        _job(3, "physics", "lee", start, start + timedelta(hours=1), gpus=1),
    ]
    return gateway


@pytest.fixture
def project(db: None) -> Project:
    """Of kim, with 500 GPU-hours of H100 from 1 March 2026; its own account is planned only."""
    project = ProjectFactory(code="p26001", pi__cluster_username="kim", created_at=kst(2026, 2, 1))
    GrantFactory(project=project, hours=500)
    return project


@pytest.fixture
def operator(db: None) -> User:
    return UserFactory(roles=["operator"], cluster_username=None)


@pytest.fixture
def page(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def look(running: Stubborn) -> Iterator[Any]:
    """The worker's round: what is in Slurm, its jobs, its counters; and whatever may be written."""

    def go() -> Any:
        at = timezone.now()
        report = synchronise(running, clock=timezone.now)
        read_capacity(running, lambda: True)
        live_queue.store(running, at=at)
        ingest.ingest(running, at=at)
        balance.update_line_charges(at=at)
        return report

    return go


def _job(number: int, account: str, user: str, start: datetime, end: datetime, *, gpus: int) -> JobRecord:
    return JobRecord(
        cluster="pohang",
        db_index=number,
        job_id=number,
        display_id=str(number),
        user=user,
        account=account,
        partition="h100",
        qos="h100",
        state="COMPLETED",
        submit=start,
        eligible=start,
        start=start,
        end=end,
        gpus=gpus,
        gpu_kinds={"h100": gpus},
        cpus=4,
        exit_code="0:0",
        time_limit_minutes=60,
    )


def text_of(client: Client, address: str = "/operations/accounts/") -> str:
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def link(page: Client, name: str, project: Project) -> Any:
    pool = PoolFactory()
    address = f"/operations/accounts/{name}/link/"
    return page.post(address, {"project": project.pk, "pool": pool.pk}, follow=True)


def writing_on() -> None:
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=timezone.now())


# --- observe-only ---


def test_a_new_installation_lists_everything_and_writes_nothing(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    before = dict(running.accounts), dict(running.people)
    report = look()
    assert report.waits_for == "writing"
    assert running.executed == []
    assert (running.accounts, running.people) == before
    text = text_of(page)
    for name in ("vision", "old", "older", "physics"):
        assert f"<code>{name}</code>" in text
    assert "2 people" in text
    below, beside = text.split("Outside it")
    assert "<code>older</code>" in below and "below old" in below
    assert "<code>physics</code>" in beside and "below root" in beside


def test_use_of_others_is_shown_with_its_share(running: Stubborn, look: Any, project: Project, page: Client) -> None:
    now = timezone.now()
    running.history = [
        _job(1, "vision", "kim", now - timedelta(hours=4), now - timedelta(hours=1), gpus=1),
        _job(2, "p26001-h100", "kim", now - timedelta(hours=2), now - timedelta(hours=1), gpus=1),
        _job(3, "deleted", "kim", now - timedelta(hours=2), now - timedelta(hours=1), gpus=1),
    ]
    look()
    text = text_of(page)
    assert "20 %" in text and "80 %" in text
    assert "60 %" in text  # vision: 3 of 5 hours
    assert "No longer in Slurm" in text and "<code>deleted</code>" in text


def test_the_list_takes_as_many_queries_for_many_accounts_as_for_one(
    running: Stubborn, look: Any, project: Project, page: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        running.accounts[f"lab{number}"] = AccountState(f"lab{number}", "paic" if number % 2 else "root")
    look()
    text_of(page)
    with django_assert_max_num_queries(14):
        text_of(page)


# --- linking ---


def test_a_linked_account_is_charged_to_the_project_and_goes_on_as_it_was(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    before = dict(running.accounts), dict(running.people)
    assert "Linked." in link(page, "vision", project).content.decode()
    account = Account.objects.get(project=project)
    assert (account.name, account.parent, account.managed) == ("vision", "paic", False)
    # Of its three GPU-hours one was used since the grant began.
    assert GrantLine.objects.get().charged_gpu_seconds == HOUR
    assert not UsageDay.objects.filter(account_name="vision", account=None).exists()
    assert "1 person is no member of the project yet: lee" in text_of(page)
    writing_on()
    look()
    assert "vision" not in {getattr(operation, "account", "") for operation in running.executed}
    assert {name: running.accounts[name] for name in before[0]} == before[0]
    assert running.people == before[1]
    assert Event.objects.filter(action="account.linked").get().data == {"account": "vision", "code": "p26001"}


def test_an_account_outside_our_root_can_be_linked_and_is_never_handed_over(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    link(page, "physics", project)
    account = Account.objects.get(name="physics")
    assert f"/operations/accounts/{account.pk}/hand-over/" not in text_of(page)
    response = page.post(f"/operations/accounts/{account.pk}/hand-over/", follow=True)
    assert "Slurm&#x27;s counter of this account has not been read yet" in response.content.decode()
    Counter.objects.create(
        account=account, used_gpu_seconds=0, reserved_gpu_seconds=0, exact=True, read_at=timezone.now()
    )
    response = page.post(f"/operations/accounts/{account.pk}/hand-over/", follow=True)
    assert "physics is not below the portal&#x27;s root account." in response.content.decode()
    assert not Account.objects.get(pk=account.pk).managed


def test_an_account_is_linked_once_and_a_project_has_one_in_a_pool(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    other = ProjectFactory(code="p26002")
    link(page, "vision", project)
    assert "linked already" in link(page, "vision", other).content.decode()
    assert "has the account vision in this pool already" in link(page, "physics", project).content.decode()
    assert "is no longer in Slurm" in link(page, "nowhere", other).content.decode()


def test_two_who_link_an_account_at_once_link_it_once(
    running: Stubborn, look: Any, project: Project, page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    look()
    seen = found_account("vision")
    link(page, "vision", ProjectFactory(code="p26002"))
    monkeypatch.setattr("allocations.services.adoption.found_account", lambda name: seen)
    monkeypatch.setattr("portal.operations.accounts.found_account", lambda name: seen)
    assert "Somebody else was faster" in link(page, "vision", project).content.decode()
    assert Account.objects.get(name="vision").project.code == "p26002"


def test_what_slurm_refused_of_the_planned_account_is_no_trouble_of_the_linked_one(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    Account.objects.update(state=Account.State.REFUSED, slurm_words="no parent")
    link(page, "vision", project)
    account = Account.objects.get()
    assert (account.name, account.state, account.slurm_words) == ("vision", Account.State.APPLYING, "")


def test_an_account_that_slurm_knows_is_not_replaced_by_a_linked_one(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    writing_on()
    look()
    assert "p26001-h100" in running.accounts
    assert "has the account p26001-h100 in this pool already" in link(page, "vision", project).content.decode()


def test_nobody_links_for_a_project_of_their_own(running: Stubborn, look: Any, page: Client, operator: User) -> None:
    look()
    own = ProjectFactory(code="p26003", pi=operator)
    assert "a project of their own" in link(page, "vision", own).content.decode()
    assert not Account.objects.filter(name="vision").exists()


def test_unlinking_takes_the_use_off_the_project_again(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    link(page, "vision", project)
    look()
    account = Account.objects.get(name="vision")
    assert "Unlink vision from p26001?" in text_of(page, f"/operations/accounts/{account.pk}/unlink/")
    page.post(f"/operations/accounts/{account.pk}/unlink/")
    account.refresh_from_db()
    assert (account.name, account.managed, account.parent) == ("p26001-h100", True, "")
    assert GrantLine.objects.get().charged_gpu_seconds == 0
    assert not Counter.objects.filter(account=account).exists()
    assert UsageDay.objects.filter(account_name="vision", account=None).exists()
    again = page.post(f"/operations/accounts/{account.pk}/unlink/", follow=True)
    assert "it is so already" in again.content.decode()


def test_unlinking_where_nothing_was_granted_leaves_nothing(running: Stubborn, look: Any, page: Client) -> None:
    look()
    link(page, "vision", ProjectFactory(code="p26004"))
    look()
    page.post(f"/operations/accounts/{Account.objects.get().pk}/unlink/")
    assert not Account.objects.exists()


# --- handing over ---


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_handed_over_account_keeps_what_is_left_and_gets_nothing_back(
    running: Stubborn, look: Any, project: Project, page: Client, by_itself: bool
) -> None:
    """It was used for 3 GPU-hours, one of them since the grant of 500 began: 499 are left."""
    Cluster.current()
    Cluster.objects.update(repairs_by_itself=by_itself)
    running.accounts["vision"] = replace(running.accounts["vision"], gpu_minutes=10_000_000)
    look()
    link(page, "vision", project)
    look()
    account = Account.objects.get(name="vision")
    text = text_of(page, f"/operations/accounts/{account.pk}/hand-over/")
    assert "166,666 GPU-hours → <strong>502 GPU-hours</strong>" in text
    assert "1 person will be paused" in text and "lee. Invite them first" in text
    assert "499 GPU-hours" in text
    assert "Nothing new will start." not in text
    page.post(f"/operations/accounts/{account.pk}/hand-over/")
    account.refresh_from_db()
    assert (account.managed, account.parent, account.offset_gpu_seconds) == (True, "paic", 2 * HOUR)
    rebase = Rebase.objects.get()
    assert (rebase.cause, rebase.counter_gpu_seconds, rebase.ledger_gpu_seconds) == ("adoption", 3 * HOUR, HOUR)
    writing_on()
    look()
    slurm = running.accounts["vision"]
    assert (slurm.parent, slurm.gpu_minutes, slurm.parked) == ("paic", 502 * 60, False)
    assert (slurm.qos, slurm.default_qos) == (frozenset({"h100"}), "h100")
    counter = running.counters()["vision"]
    assert slurm.gpu_minutes * MINUTE - counter.used_gpu_seconds == 499 * HOUR
    assert running.people["vision", "lee"].paused
    assert not running.people["vision", "kim"].paused
    executed = list(running.executed)
    assert look().planned == []
    assert running.executed == executed
    assert Account.objects.get(name="vision").state == Account.State.IN_FORCE
    assert "vision" not in text_of(page)
    assert not Drift.objects.filter(account="vision", closed_at=None).exists()


def test_a_smaller_limit_of_before_is_raised_to_what_was_granted(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    running.accounts["vision"] = replace(running.accounts["vision"], gpu_minutes=200)
    look()
    link(page, "vision", project)
    look()
    page.post(f"/operations/accounts/{Account.objects.get(name='vision').pk}/hand-over/")
    writing_on()
    look()
    assert running.accounts["vision"].gpu_minutes == 502 * 60


def test_without_an_open_grant_it_is_parked_and_the_page_says_so_before(
    running: Stubborn, look: Any, page: Client
) -> None:
    look()
    link(page, "vision", ProjectFactory(code="p26005", pi__cluster_username="kim"))
    look()
    account = Account.objects.get(name="vision")
    assert "Nothing new will start." in text_of(page, f"/operations/accounts/{account.pk}/hand-over/")
    page.post(f"/operations/accounts/{account.pk}/hand-over/")
    writing_on()
    look()
    slurm = running.accounts["vision"]
    assert (slurm.parked, slurm.gpu_minutes) == (True, 180)


def test_an_account_with_others_below_it_is_not_handed_over(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    link(page, "old", project)
    look()
    account = Account.objects.get(name="old")
    response = page.post(f"/operations/accounts/{account.pk}/hand-over/", follow=True)
    assert "Accounts hang below old: only a leaf can be handed over." in response.content.decode()


def test_a_leaf_below_an_account_of_the_site_is_looked_after_where_it_hangs(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    link(page, "older", project)
    look()
    page.post(f"/operations/accounts/{Account.objects.get(name='older').pk}/hand-over/")
    writing_on()
    look()
    slurm = running.accounts["older"]
    assert (slurm.parent, slurm.gpu_minutes) == ("old", 500 * 60)
    assert ("older", "kim") in running.people
    assert running.accounts["old"] == AccountState("old", "paic", qos=frozenset({"normal"}), default_qos="normal")
    assert look().planned == []


def test_a_member_joins_a_handed_over_account_like_any_other(
    running: Stubborn, look: Any, project: Project, page: Client
) -> None:
    look()
    link(page, "vision", project)
    look()
    page.post(f"/operations/accounts/{Account.objects.get(name='vision').pk}/hand-over/")
    writing_on()
    look()
    MembershipFactory(project=project, user__cluster_username="lee")
    look()
    assert not running.people["vision", "lee"].paused


def test_a_second_press_changes_nothing(running: Stubborn, look: Any, project: Project, page: Client) -> None:
    look()
    link(page, "vision", project)
    look()
    address = f"/operations/accounts/{Account.objects.get(name='vision').pk}/hand-over/"
    page.post(address)
    assert "it is so already" in page.post(address, follow=True).content.decode()
    assert Rebase.objects.count() == 1
