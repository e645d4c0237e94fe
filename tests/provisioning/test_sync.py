"""A pass over a cluster: what is done, recorded, marked and told, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from allocations.models import Account, Cluster, Membership, OperationRecord
from allocations.provisioning import sync
from allocations.provisioning.sentences import in_words
from allocations.provisioning.sync import SyncReport, preview, synchronise
from allocations.services.accounts import (
    cluster_pausing_confirm,
    cluster_writing_disable,
    cluster_writing_enable,
)
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.slurm.errors import SlurmRefused, SlurmUnavailable
from portal.slurm.fake import FakeGateway
from portal.slurm.types import (
    AccountState,
    AddPerson,
    Operation,
    PausePerson,
    PersonState,
    QueueEntry,
    SetLimit,
    UnparkAccount,
)
from tests.factories import (
    HOUR,
    NOW,
    GrantFactory,
    LedgerEntryFactory,
    MembershipFactory,
    ProjectFactory,
    UserFactory,
)
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db


def run(gateway: FakeGateway, at: datetime = NOW, **options: Any) -> SyncReport:
    return synchronise(gateway, clock=lambda: at, **options)


def events(action: str) -> list[dict[str, Any]]:
    return list(Event.objects.filter(action=action).order_by("pk").values_list("data", flat=True))


def test_a_grant_is_in_force_once_slurm_says_so(gateway: Stubborn, account: Account) -> None:
    report = run(gateway)
    account.refresh_from_db()
    assert (account.state, account.limit_gpu_minutes, account.parked) == (Account.State.IN_FORCE, 30_000, False)
    assert account.in_force_since == account.read_back_at == NOW
    assert events("account.in_force") == [{"account": "p26001-h100", "gpu_hours": "500"}]
    assert (report.remaining, Cluster.current().pending_plan) == ([], [])


def test_every_operation_is_recorded_with_slurms_words(gateway: Stubborn, account: Account) -> None:
    report = run(gateway)
    records = list(OperationRecord.objects.order_by("pk"))
    assert len(records) == len(report.planned) == 5
    assert [record.operation for record in records] == [type(operation).__name__ for operation in gateway.executed]
    assert records[2].slurm_words == "done" and records[2].succeeded
    assert in_words(records[2].sentence) == "Create account p26001-h100 below p26001 with 30,000 GPU-minutes, parked"


def test_a_second_pass_does_and_says_nothing(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    before = Event.objects.count(), OperationRecord.objects.count()
    run(gateway, at=NOW + timedelta(minutes=1))
    assert (Event.objects.count(), OperationRecord.objects.count()) == before
    account.refresh_from_db()
    assert account.in_force_since == NOW
    assert account.read_back_at == NOW + timedelta(minutes=1)


def test_slurm_is_never_called_inside_a_transaction(transactional_db: None, gateway: Stubborn) -> None:
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=NOW)
    GrantFactory(project=ProjectFactory(code="p26001"))
    inside: list[bool] = []
    gateway.fails = lambda operation: inside.append(connection.in_atomic_block)
    run(gateway)
    assert inside and not any(inside)


def test_in_observe_only_nothing_is_written_and_the_plan_is_shown(gateway: Stubborn, account: Account) -> None:
    cluster_writing_disable(cluster=Cluster.current(), by=UserFactory(roles=["operator"]), at=NOW)
    assert run(gateway).waits_for == "writing"
    assert gateway.executed == []
    account.refresh_from_db()
    assert account.state == Account.State.APPLYING
    assert in_words(Cluster.current().pending_plan[0]) == "Create account paic below root"


def test_switching_writing_off_stops_a_pass_before_its_next_operation(gateway: Stubborn, account: Account) -> None:
    operator = UserFactory(roles=["operator"])

    def switch_off(operation: Operation) -> None:
        if len(gateway.executed) == 2:
            cluster_writing_disable(cluster=Cluster.current(), by=operator, at=NOW)

    gateway.fails = switch_off
    report = run(gateway)
    assert len(gateway.executed) == 3
    assert len(report.remaining) == 2


def test_the_switch_is_turned_once(writable: Cluster) -> None:
    with pytest.raises(LostRace):
        cluster_writing_enable(cluster=writable, by=None, at=NOW)
    assert len(events("cluster.writing_enabled")) == 1


def test_what_is_found_as_it_should_be_is_marked_without_an_operation(gateway: Stubborn, account: Account) -> None:
    """As after a worker that was killed between doing and marking."""
    run(gateway)
    Account.objects.update(state=Account.State.APPLYING, limit_gpu_minutes=None, in_force_since=None)
    gateway.executed.clear()
    run(gateway)
    assert gateway.executed == []
    assert Account.objects.get().state == Account.State.IN_FORCE


def test_a_supplement_raises_the_limit_and_is_told(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=100 * HOUR)
    run(gateway, at=NOW + timedelta(days=1))
    account.refresh_from_db()
    assert (account.limit_gpu_minutes, account.in_force_since) == (36_000, NOW)
    assert [event["gpu_hours"] for event in events("account.in_force")] == ["500", "600"]


def test_a_grant_that_ends_is_parked_and_keeps_a_limit(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    grant = account.project.grants.get()
    grant.lines.update(charged_gpu_seconds=20 * HOUR)
    run(gateway, at=grant.ends_at)
    account.refresh_from_db()
    assert (account.state, account.parked, account.limit_gpu_minutes) == (Account.State.IN_FORCE, True, 1200)
    assert len(events("account.parked")) == 1
    grant.lines.update(charged_gpu_seconds=21 * HOUR)
    run(gateway, at=grant.ends_at + timedelta(minutes=1))
    assert (len(events("account.parked")), len(events("account.in_force"))) == (1, 1)


def test_a_removed_member_is_paused_and_their_waiting_jobs_go(gateway: Stubborn, account: Account) -> None:
    lee = MembershipFactory(project=account.project, user__cluster_username="lee")
    run(gateway)
    gateway.waiting = [waiting_job("lee"), waiting_job("kim")]
    Membership.objects.filter(pk=lee.pk).update(status=Membership.Status.REMOVED)
    run(gateway)
    assert gateway.people["p26001-h100", "lee"].paused
    assert [entry.user for entry in gateway.waiting] == ["kim"]
    assert Account.objects.get().state == Account.State.IN_FORCE


def test_a_pause_that_left_jobs_waiting_is_done_again(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.people["p26001-h100", "lee"] = PersonState("p26001-h100", "lee", paused=True)
    gateway.waiting = [waiting_job("lee"), waiting_job("kim")]
    run(gateway, waiting={("p26001-h100", "lee"), ("p26001-h100", "kim")})
    assert [entry.user for entry in gateway.waiting] == ["kim"]
    run(gateway, waiting={("p26001-h100", "lee"), ("p26001-h100", "kim")})
    assert OperationRecord.objects.filter(operation="PausePerson").count() == 1


def test_a_limit_changed_behind_the_portals_back_is_put_right(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.execute(SetLimit("p26001-h100", 99_999))
    run(gateway)
    assert gateway.accounts["p26001-h100"].gpu_minutes == 30_000


# --- Refused ---


def refuse(*kinds: type[Operation], account: str = "p26001-h100") -> Callable[[Operation], Exception | None]:
    def fails(operation: Operation) -> Exception | None:
        if isinstance(operation, kinds) and getattr(operation, "account", "") == account:
            return SlurmRefused("not done", words="Access denied")
        return None

    return fails


def test_a_refusal_stops_one_account_and_no_other(gateway: Stubborn, account: Account) -> None:
    GrantFactory(project=ProjectFactory(code="p26002"))
    gateway.fails = refuse(AddPerson)
    report = run(gateway)
    states = dict(Account.objects.values_list("name", "state"))
    assert states == {"p26001-h100": Account.State.REFUSED, "p26002-h100": Account.State.IN_FORCE}
    assert gateway.accounts["p26001-h100"].parked
    assert Account.objects.get(name="p26001-h100").slurm_words == "Access denied"
    assert events("account.refused") == [{"account": "p26001-h100", "words": "Access denied"}]
    assert report.outcome.skipped == [UnparkAccount("p26001-h100")]


def test_a_refusal_is_told_once_and_tried_again_later(gateway: Stubborn, account: Account) -> None:
    gateway.fails = refuse(AddPerson)
    for minutes in (0, 1, 5, 11):
        run(gateway, at=NOW + timedelta(minutes=minutes))
    assert OperationRecord.objects.filter(succeeded=False, permanent=True).count() == 2
    assert len(events("account.refused")) == 1
    gateway.fails = lambda operation: None
    run(gateway, at=NOW + timedelta(minutes=12))
    assert Account.objects.get().state == Account.State.REFUSED
    run(gateway, at=NOW + timedelta(minutes=12), retry_refused=True)
    account.refresh_from_db()
    assert (account.state, account.slurm_words) == (Account.State.IN_FORCE, "")


def test_a_refused_project_account_refuses_its_leaves(gateway: Stubborn, account: Account) -> None:
    gateway.accounts["p26001"] = AccountState("p26001", "root")
    run(gateway)
    account.refresh_from_db()
    assert account.state == Account.State.REFUSED
    assert "p26001 exists below root" in account.slurm_words
    assert "p26001-h100" not in gateway.accounts
    assert gateway.accounts["p26001"].parent == "root"


def test_what_takes_rights_away_is_tried_although_the_account_is_refused(gateway: Stubborn, account: Account) -> None:
    lee = MembershipFactory(project=account.project, user__cluster_username="lee")
    run(gateway)
    Membership.objects.filter(pk=lee.pk).update(status=Membership.Status.REMOVED)
    grant = account.project.grants.get()
    gateway.fails = refuse(PausePerson)
    run(gateway, at=grant.ends_at)
    assert gateway.accounts["p26001-h100"].parked
    assert gateway.accounts["p26001-h100"].gpu_minutes == 0


def test_a_moved_account_is_shown_and_not_in_force(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.accounts["p26001-h100"] = replace(gateway.accounts["p26001-h100"], parent="paic")
    run(gateway)
    assert Account.objects.get().state == Account.State.APPLYING
    assert "p26001-h100 is below paic and belongs below p26001" in in_words(Cluster.current().remarks[0])


# --- Slurm away ---


def test_slurm_away_changes_nothing_and_is_raised(gateway: Stubborn, account: Account) -> None:
    gateway.broken = SlurmUnavailable("slurmdbd does not answer")
    with pytest.raises(SlurmUnavailable):
        run(gateway)
    assert Account.objects.get().state == Account.State.APPLYING


def test_one_call_that_runs_out_of_time_does_not_keep_the_others_waiting(gateway: Stubborn, account: Account) -> None:
    GrantFactory(project=ProjectFactory(code="p26002"))
    gateway.fails = lambda operation: (
        SlurmUnavailable("too slow") if operation == UnparkAccount("p26001-h100") else None
    )
    with pytest.raises(SlurmUnavailable):
        run(gateway)
    states = dict(Account.objects.values_list("name", "state"))
    assert states == {"p26001-h100": Account.State.APPLYING, "p26002-h100": Account.State.IN_FORCE}
    gateway.fails = lambda operation: None
    run(gateway)
    assert set(Account.objects.values_list("state", flat=True)) == {Account.State.IN_FORCE}


def test_two_failures_in_a_row_end_the_pass(gateway: Stubborn, account: Account) -> None:
    for _number in range(3):
        GrantFactory()
    gateway.fails = lambda operation: SlurmUnavailable("away") if isinstance(operation, AddPerson) else None
    with pytest.raises(SlurmUnavailable):
        run(gateway)
    assert OperationRecord.objects.filter(succeeded=False).count() == 2


# --- Very many pauses ---


def test_pausing_very_many_people_waits_for_an_operator(
    gateway: Stubborn, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(gateway)
    monkeypatch.setattr(sync, "MOST_PAUSES", 2)
    for user in ("one", "two", "three"):
        gateway.people["p26001-h100", user] = PersonState("p26001-h100", user)
    gateway.executed.clear()
    assert run(gateway).waits_for == "confirmation"
    assert gateway.executed == [] and Cluster.current().pausing_waits
    cluster_pausing_confirm(cluster=Cluster.current(), by=UserFactory(roles=["operator"]), at=NOW)
    run(gateway)
    assert len(gateway.executed) == 3
    cluster = Cluster.current()
    assert (cluster.pausing_waits, cluster.pausing_confirmed_at) == (False, None)


def test_a_long_plan_is_done_in_several_passes(
    gateway: Stubborn, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "MOST_A_PASS", 3)
    assert run(gateway).goes_on
    assert len(gateway.executed) == 3
    assert not run(gateway).goes_on
    assert Account.objects.get().state == Account.State.IN_FORCE


def test_a_preview_changes_nothing(gateway: Stubborn, account: Account) -> None:
    report = preview(gateway, clock=lambda: NOW)
    assert len(report.remaining) == 5
    assert gateway.executed == [] and Cluster.current().pending_plan == []


def test_a_pass_takes_the_same_few_queries_for_many_projects(
    gateway: Stubborn, writable: Cluster, django_assert_max_num_queries: Any
) -> None:
    for _number in range(6):
        GrantFactory()
    run(gateway)
    with django_assert_max_num_queries(10):
        run(gateway)


def waiting_job(user: str) -> QueueEntry:
    return QueueEntry(
        job_id=1,
        display_id="1",
        user=user,
        account="p26001-h100",
        partition="h100",
        state="PENDING",
        reason="Priority",
        gpus=1,
        submit=NOW,
        start=None,
        time_limit_minutes=60,
    )
