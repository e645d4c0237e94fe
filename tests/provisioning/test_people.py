"""People in Slurm: who may run where follows from membership, name on the cluster and login, and from nothing else."""

from __future__ import annotations

import pytest

from allocations.models import Account, Membership, Project
from allocations.provisioning.names import look_for_new_names
from allocations.provisioning.sync import synchronise
from allocations.services.caps import cap_set
from allocations.services.changes import change_grant, pi_change_ask
from allocations.services.default_accounts import default_account_choose
from allocations.services.members import member_invite, member_join, member_remove
from allocations.services.usernames import username_approve, username_ask, username_refuse, usernames_missed
from portal.people.models import User
from portal.slurm.types import CancelJobs, PausePerson, QueueEntry, SetDefaultAccount
from tests.factories import HOUR, NOW, GrantFactory, MembershipFactory, ProjectFactory, UserFactory, kst
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db


def run(gateway: Stubborn, at=NOW) -> None:
    synchronise(gateway, clock=lambda: at)


def rights(gateway: Stubborn, user: str) -> dict[str, str]:
    """By account: "may" or "paused"."""
    run(gateway)
    people = gateway.snapshot().people
    return {account: "paused" if row.paused else "may" for (account, name), row in people.items() if name == user}


@pytest.fixture
def operator() -> User:
    return UserFactory(roles=["operator"])


@pytest.fixture
def lee() -> User:
    return UserFactory(cluster_username="lee")


@pytest.fixture
def five(writable, lee: User) -> list[Project]:
    """Five projects of five PIs with lee in each."""
    projects = [ProjectFactory(code=f"p2600{number}") for number in range(1, 6)]
    for project in projects:
        GrantFactory(project=project)
        MembershipFactory(project=project, user=lee)
    return projects


def everywhere(word: str) -> dict[str, str]:
    return {f"p2600{number}-h100": word for number in range(1, 6)}


# --- In five projects ---


def test_a_person_in_five_projects_leaves_one_and_keeps_four(gateway: Stubborn, five: list[Project], lee: User) -> None:
    assert rights(gateway, "lee") == everywhere("may")
    waits = QueueEntry(7, "7", "lee", "p26002-h100", "h100", "PENDING", "Priority", 1, NOW, None, 60)
    gateway.waiting = [waits, QueueEntry(8, "8", "lee", "p26003-h100", "h100", "PENDING", "Priority", 1, NOW, None, 60)]
    member_remove(membership=five[1].memberships.get(user=lee), by=five[1].pi, at=NOW)
    assert rights(gateway, "lee") == everywhere("may") | {"p26002-h100": "paused"}
    assert [entry.job_id for entry in gateway.waiting] == [8]
    assert not [operation for operation in gateway.executed if isinstance(operation, CancelJobs)]


def test_a_login_that_is_blocked_is_paused_everywhere_and_comes_back(
    gateway: Stubborn, five: list[Project], lee: User
) -> None:
    run(gateway)
    User.objects.filter(pk=lee.pk).update(is_active=False)
    assert rights(gateway, "lee") == everywhere("paused")
    User.objects.filter(pk=lee.pk).update(is_active=True)
    assert rights(gateway, "lee") == everywhere("may")


def test_who_comes_back_has_the_same_row_and_no_cap(gateway: Stubborn, five: list[Project], lee: User) -> None:
    project, pi = five[0], five[0].pi
    membership = project.memberships.get(user=lee)
    pool = project.accounts.get().pool
    cap_set(membership=membership, pool=pool, gpu_seconds=HOUR, by=pi, at=NOW)
    run(gateway)
    assert gateway.people["p26001-h100", "lee"].gpu_minutes == 60
    member_remove(membership=membership, by=pi, at=NOW)
    assert rights(gateway, "lee")["p26001-h100"] == "paused"
    again = member_invite(project=project, email=lee.email, by=pi, at=NOW)
    member_join(membership=again, cluster_username="", by=lee, at=NOW)
    assert rights(gateway, "lee")["p26001-h100"] == "may"
    assert gateway.people["p26001-h100", "lee"].gpu_minutes is None


def test_a_name_missed_on_the_cluster_takes_nothing(gateway: Stubborn, five: list[Project]) -> None:
    run(gateway)
    usernames_missed(missed=["lee"], at=NOW)
    done = list(gateway.executed)
    assert rights(gateway, "lee") == everywhere("may")
    assert gateway.executed == done


# --- The PI ---


def test_a_change_of_pi_leaves_both_in_until_the_former_one_is_removed(gateway: Stubborn, account: Account) -> None:
    project = account.project
    lee = MembershipFactory(project=project, user__cluster_username="lee").user
    kim = project.pi
    change = pi_change_ask(project=project, new_pi=lee, reason="퇴직", by=kim, at=NOW)
    change_grant(change=change, by=UserFactory(roles=["decider"]), at=NOW)
    run(gateway)
    assert (rights(gateway, "kim"), rights(gateway, "lee")) == ({"p26001-h100": "may"}, {"p26001-h100": "may"})
    project.refresh_from_db()
    former = project.memberships.filter(user=kim, status=Membership.Status.ACTIVE).first()
    if former is not None:
        member_remove(membership=former, by=lee, at=NOW)
    assert rights(gateway, "kim") == {"p26001-h100": "paused"}


# --- The name ---


def test_a_name_reaches_slurm_once_it_is_approved_and_found(
    gateway: Stubborn, account: Account, operator: User
) -> None:
    gateway.unix_users = {"kim"}
    new = MembershipFactory(project=account.project, user=UserFactory(cluster_username=None)).user
    username_ask(user=new, name="eve", by=new, at=NOW)
    assert rights(gateway, "eve") == {}
    username_approve(user=new, by=operator, at=NOW)
    look_for_new_names(gateway, at=NOW)
    assert rights(gateway, "eve") == {}
    gateway.unix_users = {"kim", "eve"}
    look_for_new_names(gateway, at=NOW)
    assert rights(gateway, "eve") == {"p26001-h100": "may"}


def test_a_refused_name_never_reaches_slurm(gateway: Stubborn, account: Account, operator: User) -> None:
    new = MembershipFactory(project=account.project, user=UserFactory(cluster_username=None)).user
    username_ask(user=new, name="eve", by=new, at=NOW)
    look_for_new_names(gateway, at=NOW)
    username_refuse(user=new, reason="belongs to somebody else", by=operator, at=NOW)
    username_ask(user=new, name="evelyn", by=new, at=NOW)
    look_for_new_names(gateway, at=NOW)
    assert rights(gateway, "evelyn") == {}
    username_approve(user=new, by=operator, at=NOW)
    assert (rights(gateway, "eve"), rights(gateway, "evelyn")) == ({}, {"p26001-h100": "may"})


# --- Caps ---


def test_a_cap_is_set_changed_and_taken_away_in_whole_minutes(gateway: Stubborn, account: Account) -> None:
    lee = MembershipFactory(project=account.project, user__cluster_username="lee")
    pi = account.project.pi
    for seconds, minutes in ((HOUR + 59, 60), (0, 0), (2 * HOUR, 120), (None, None)):
        cap_set(membership=lee, pool=account.pool, gpu_seconds=seconds, by=pi, at=NOW)
        run(gateway)
        assert gateway.people[account.name, "lee"].gpu_minutes == minutes
        assert gateway.people[account.name, "kim"].gpu_minutes is None
    done = len(gateway.executed)
    run(gateway)
    assert len(gateway.executed) == done


# --- The default account ---


def defaults(gateway: Stubborn) -> list[SetDefaultAccount]:
    return [operation for operation in gateway.executed if isinstance(operation, SetDefaultAccount)]


def test_a_default_that_works_is_never_changed_and_a_choice_counts_where_it_does_not(
    gateway: Stubborn, five: list[Project], lee: User
) -> None:
    run(gateway)
    first = gateway.snapshot().defaults["lee"]
    run(gateway)  # what was made in the first pass is in force after it
    chosen = Account.objects.exclude(name=first).order_by("-name")[0]
    default_account_choose(user=lee, account=chosen, by=lee, at=NOW)
    run(gateway)
    assert defaults(gateway) == []
    lee.refresh_from_db()
    assert lee.slurm_default_account == first
    project = Account.objects.get(name=first).project
    member_remove(membership=project.memberships.get(user=lee), by=project.pi, at=NOW)
    run(gateway)
    assert defaults(gateway) == [SetDefaultAccount(chosen.name, "lee")]
    assert gateway.snapshot().defaults["lee"] == chosen.name
    lee.refresh_from_db()
    assert lee.slurm_default_account == chosen.name


def test_a_default_whose_grant_has_ended_gives_way_to_one_that_works(gateway: Stubborn, writable, lee: User) -> None:
    for code, ends_at in (("p26001", kst(2026, 9, 1)), ("p26002", kst(2027, 9, 1))):
        project = ProjectFactory(code=code)
        GrantFactory(project=project, ends_at=ends_at)
        MembershipFactory(project=project, user=lee)
    run(gateway)
    assert gateway.snapshot().defaults["lee"] == "p26001-h100"
    run(gateway, kst(2026, 10, 1))
    assert gateway.snapshot().defaults["lee"] == "p26002-h100"


def test_leaving_the_last_project_leaves_the_default_alone(gateway: Stubborn, account: Account) -> None:
    lee = MembershipFactory(project=account.project, user__cluster_username="lee")
    run(gateway)
    member_remove(membership=lee, by=account.project.pi, at=NOW)
    run(gateway)
    assert [operation for operation in gateway.executed if isinstance(operation, PausePerson)]
    assert defaults(gateway) == []
