"""What changes in Slurm behind the portal's back: found at the next pass, taken back, given back, or left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from allocations.models import Account, Association, Cluster, Drift, Hold, MemberCap, OperationRecord, Suspension
from allocations.provisioning.sync import SyncReport, synchronise
from portal.events.models import Event
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.types import (
    AccountState,
    AddPerson,
    Operation,
    ParkAccount,
    PausePerson,
    PersonState,
    SetLimit,
    UnparkAccount,
)
from tests.factories import (
    HOUR,
    NOW,
    GrantFactory,
    MembershipFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
)
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db

LEAF = "p26001-h100"
LATER = NOW + timedelta(minutes=1)


def run(gateway: Stubborn, at: datetime = LATER, **options: Any) -> SyncReport:
    return synchronise(gateway, clock=lambda: at, **options)


@pytest.fixture
def settled(gateway: Stubborn, account: Account) -> Account:
    """p26001-h100 in force, with kim and lee in it."""
    MembershipFactory(project=account.project, user__cluster_username="lee")
    run(gateway, NOW)
    gateway.executed.clear()
    return account


def change(gateway: Stubborn, name: str = LEAF, **values: Any) -> None:
    gateway.accounts[name] = replace(gateway.accounts[name], **values)


def change_person(gateway: Stubborn, user: str, **values: Any) -> None:
    gateway.people[LEAF, user] = replace(gateway.people[LEAF, user], **values)


def ask_first() -> None:
    Cluster.objects.update(repairs_by_itself=False)


def drifts() -> list[tuple[str, str, str, str]]:
    return list(Drift.objects.order_by("pk").values_list("kind", "account", "person", "outcome"))


@pytest.mark.parametrize("by_itself", [True, False])
@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ({"gpu_minutes": None}, "limit", ""),
        ({"gpu_minutes": 99_999}, "limit", "99999"),
        ({"qos": frozenset({"h100", "a100"})}, "qos", "h100, a100"),
    ],
)
def test_what_gives_more_is_taken_back_at_once_always(
    gateway: Stubborn, settled: Account, values: dict[str, Any], kind: str, found: str, by_itself: bool
) -> None:
    Cluster.objects.update(repairs_by_itself=by_itself)
    before = gateway.accounts[LEAF]
    change(gateway, **values)
    run(gateway)
    assert gateway.accounts[LEAF] == before
    drift = Drift.objects.get()
    assert (drift.kind, drift.account, drift.found, drift.outcome) == (kind, LEAF, found, Drift.Outcome.REPAIRED)
    assert Event.objects.filter(action="drift.found").get().data == {"places": LEAF}
    assert "project:p26001" in Event.objects.get(action="drift.found").topics


def test_the_same_change_made_again_is_found_again(gateway: Stubborn, settled: Account) -> None:
    """Our own repair explains no later change of the same account, nor of a person in it."""
    change(gateway, gpu_minutes=99_999)
    run(gateway)
    change(gateway, gpu_minutes=99_999)
    gateway.people[LEAF, "stranger"] = PersonState(LEAF, "stranger")
    run(gateway)
    assert drifts() == [
        ("limit", LEAF, "", "repaired"),
        ("limit", LEAF, "", "repaired"),
        ("added", LEAF, "stranger", "repaired"),
    ]


def test_a_change_that_is_to_wait_waits_also_after_a_repair(gateway: Stubborn, settled: Account) -> None:
    ask_first()
    change(gateway, gpu_minutes=99_999)
    run(gateway)
    change(gateway, gpu_minutes=1)
    run(gateway)
    assert gateway.accounts[LEAF].gpu_minutes == 1
    assert drifts() == [("limit", LEAF, "", "repaired"), ("limit", LEAF, "", "")]


@pytest.mark.parametrize("by_itself", [True, False])
def test_a_stranger_is_paused_and_so_is_who_was_released(gateway: Stubborn, settled: Account, by_itself: bool) -> None:
    Cluster.objects.update(repairs_by_itself=by_itself)
    settled.project.memberships.filter(user__cluster_username="lee").update(status="removed")
    run(gateway)
    assert drifts() == []
    change_person(gateway, "lee", paused=False)
    gateway.people[LEAF, "mallory"] = PersonState(LEAF, "mallory")
    run(gateway)
    assert gateway.people[LEAF, "lee"].paused and gateway.people[LEAF, "mallory"].paused
    assert sorted(drifts()) == [("added", LEAF, "mallory", "repaired"), ("released", LEAF, "lee", "repaired")]


def test_a_name_that_slurm_would_not_take_from_us_is_shown_and_stops_no_other(
    gateway: Stubborn, settled: Account
) -> None:
    stranger = "somebody with blanks in the name, and a comma"
    gateway.people[LEAF, stranger] = PersonState(LEAF, stranger)
    GrantFactory(project=ProjectFactory(code="p26002"))
    run(gateway)
    assert drifts() == [("added", LEAF, stranger, "")]
    states = dict(Account.objects.values_list("name", "state"))
    assert states == {LEAF: Account.State.REFUSED, "p26002-h100": Account.State.IN_FORCE}


def test_an_account_that_was_released_is_parked_again(gateway: Stubborn, settled: Account) -> None:
    Suspension.objects.create(grant=settled.project.grants.get(), since=NOW, reason="-")
    run(gateway)
    change(gateway, group_jobs=None, group_submit_jobs=None)
    run(gateway)
    assert gateway.accounts[LEAF].parked
    assert drifts() == [("released", LEAF, "", "repaired")]


def test_a_cap_that_somebody_raised_is_lowered_again(gateway: Stubborn, settled: Account) -> None:
    lee = settled.project.memberships.get(user__cluster_username="lee")
    MemberCap.objects.create(
        membership=lee, pool=settled.pool, gpu_seconds=HOUR + 59, set_by=settled.project.pi, set_at=NOW
    )
    run(gateway)
    assert gateway.people[LEAF, "lee"].gpu_minutes == 60
    change_person(gateway, "lee", gpu_minutes=600, qos=frozenset({"a100"}), default_qos="a100")
    ask_first()
    run(gateway)
    assert gateway.people[LEAF, "lee"] == PersonState(LEAF, "lee", gpu_minutes=60)
    assert sorted(drifts()) == [("limit", LEAF, "lee", "repaired"), ("qos", LEAF, "lee", "repaired")]


def lower_the_limit(gateway: Stubborn) -> None:
    change(gateway, gpu_minutes=10)


def remove_a_person(gateway: Stubborn) -> None:
    del gateway.people[LEAF, "lee"]


def take_the_qos_away(gateway: Stubborn) -> None:
    change(gateway, qos=frozenset(), default_qos="")


def delete_the_account(gateway: Stubborn) -> None:
    del gateway.accounts[LEAF]
    for user in ("kim", "lee"):
        del gateway.people[LEAF, user]


TAKEN = [lower_the_limit, remove_a_person, take_the_qos_away, delete_the_account]


@pytest.mark.parametrize("take", TAKEN)
def test_what_somebody_took_away_is_given_back_by_itself(gateway: Stubborn, settled: Account, take: Any) -> None:
    before = gateway.snapshot()
    take(gateway)
    run(gateway)
    run(gateway)
    assert gateway.snapshot() == before
    assert {outcome for *_place, outcome in drifts()} == {"repaired"}


@pytest.mark.parametrize("take", TAKEN)
def test_or_waits_for_an_operators_word_where_that_is_asked_for(gateway: Stubborn, settled: Account, take: Any) -> None:
    ask_first()
    before = gateway.snapshot()
    take(gateway)
    for _pass in range(2):
        assert run(gateway).remaining == []
    assert gateway.executed == []
    assert len(drifts()) == 1 and Drift.objects.get().closed_at is None
    Drift.objects.update(repair_asked_at=LATER)
    run(gateway)
    run(gateway)
    assert gateway.snapshot() == before
    assert Drift.objects.get().outcome == Drift.Outcome.REPAIRED


def test_what_somebody_put_right_is_over(gateway: Stubborn, settled: Account) -> None:
    ask_first()
    change(gateway, gpu_minutes=10)
    run(gateway)
    change(gateway, gpu_minutes=20)
    run(gateway)
    assert Drift.objects.get().found == "20"
    change(gateway, gpu_minutes=30_000)
    run(gateway)
    assert drifts() == [("limit", LEAF, "", "vanished")]
    actions = Event.objects.filter(action__startswith="drift").values_list("action", flat=True)
    assert sorted(actions) == ["drift.closed", "drift.found"]


def test_a_limit_that_waits_is_lowered_all_the_same(gateway: Stubborn, settled: Account) -> None:
    ask_first()
    change(gateway, gpu_minutes=10)
    run(gateway)
    grant = settled.project.grants.get()
    run(gateway, grant.ends_at)
    assert (gateway.accounts[LEAF].gpu_minutes, gateway.accounts[LEAF].parked) == (0, True)


def test_a_deleted_account_opens_only_after_its_counter_was_read(gateway: Stubborn, settled: Account) -> None:
    """Delete and add again refills the budget in Slurm (slurm-facts 1.2): its usage is gone there only."""
    used = 100 * HOUR
    settled.project.grants.get().lines.update(charged_gpu_seconds=used)
    delete_the_account(gateway)

    def recount() -> None:
        assert gateway.accounts[LEAF].parked
        Account.objects.update(offset_gpu_seconds=-used)

    run(gateway, recount=recount)
    assert gateway.accounts[LEAF].parked
    run(gateway)
    assert (gateway.accounts[LEAF].parked, gateway.accounts[LEAF].gpu_minutes) == (False, 400 * 60)
    assert gateway.executed[-2:] == [SetLimit(LEAF, 24_000), UnparkAccount(LEAF)]


def test_a_deleted_account_stays_shut_while_its_counter_cannot_be_read(gateway: Stubborn, settled: Account) -> None:
    delete_the_account(gateway)

    def away() -> None:
        raise SlurmUnavailable("slurmctld does not answer")

    for _pass in range(2):
        with pytest.raises(SlurmUnavailable):
            run(gateway, recount=away)
        assert gateway.accounts[LEAF].parked
    run(gateway)
    run(gateway)
    assert not gateway.accounts[LEAF].parked


# --- Stopped by hand ---


def test_a_manual_pause_is_respected_and_shown(gateway: Stubborn, settled: Account) -> None:
    change(gateway, group_jobs=0, group_submit_jobs=0)
    change_person(gateway, "lee", paused=True)
    run(gateway)
    assert gateway.executed == []
    assert sorted(drifts()) == [("stopped", LEAF, "", ""), ("stopped", LEAF, "lee", "")]
    assert len(Cluster.current().remarks) == 2
    settled.refresh_from_db()
    assert (settled.state, settled.parked) == (Account.State.APPLYING, True)
    Drift.objects.update(repair_asked_at=LATER)
    run(gateway)
    assert not gateway.accounts[LEAF].parked and not gateway.people[LEAF, "lee"].paused
    assert {outcome for *_place, outcome in drifts()} == {"repaired"}
    assert Account.objects.get().state == Account.State.IN_FORCE


def test_an_operator_who_ends_their_own_pause_ends_the_drift(gateway: Stubborn, settled: Account) -> None:
    change(gateway, group_jobs=0)
    run(gateway)
    change(gateway, group_jobs=None)
    run(gateway)
    assert drifts() == [("stopped", LEAF, "", "vanished")]


def test_a_suspension_returns_to_exactly_the_former_state(gateway: Stubborn, settled: Account) -> None:
    """Also where an operator had stopped the account by hand before: it is stopped afterwards too."""
    grant = settled.project.grants.get()
    for stops in ({}, {"group_jobs": 0}, {"group_jobs": 0, "group_submit_jobs": 0}):
        change(gateway, **stops)
        run(gateway)
        was_stopped = bool(stops)
        suspension = Suspension.objects.create(grant=grant, since=LATER, reason="-")
        run(gateway)
        assert gateway.accounts[LEAF].parked
        Suspension.objects.filter(pk=suspension.pk).update(until=LATER)
        run(gateway)
        assert (gateway.accounts[LEAF].group_jobs == 0) == was_stopped


def test_a_member_paused_by_hand_who_leaves_and_returns_is_still_paused(gateway: Stubborn, settled: Account) -> None:
    change_person(gateway, "lee", paused=True)
    run(gateway)
    lee = settled.project.memberships.filter(user__cluster_username="lee")
    lee.update(status="removed")
    run(gateway)
    lee.update(status="active")
    run(gateway)
    assert gateway.executed == [] and gateway.people[LEAF, "lee"].paused


def test_holds_are_there_before_the_command_and_gone_after_the_release(gateway: Stubborn, settled: Account) -> None:
    assert not Hold.objects.exists()
    seen: list[bool] = []

    def look(operation: Operation) -> None:
        if isinstance(operation, ParkAccount | PausePerson):
            seen.append(Hold.objects.filter(account=LEAF, person=getattr(operation, "user", "")).exists())

    gateway.fails = look
    suspension = Suspension.objects.create(grant=settled.project.grants.get(), since=NOW, reason="-")
    lee = settled.project.memberships.filter(user__cluster_username="lee")
    lee.update(status="removed")
    run(gateway)
    assert seen == [True, True]
    Suspension.objects.filter(pk=suspension.pk).update(until=LATER)
    lee.update(status="active")
    run(gateway)
    assert not Hold.objects.exists()
    assert not gateway.accounts[LEAF].parked and not gateway.people[LEAF, "lee"].paused


# --- Not drift ---


def test_what_the_portal_itself_does_is_no_drift(gateway: Stubborn, settled: Account) -> None:
    grant = settled.project.grants.get()
    grant.lines.update(charged_gpu_seconds=20 * HOUR)
    settled.project.memberships.filter(user__cluster_username="lee").update(status="removed")
    run(gateway)
    run(gateway, grant.ends_at)
    GrantFactory(project=ProjectFactory(code="p26002"))
    run(gateway, LATER)
    assert drifts() == []


def test_what_a_killed_worker_did_is_no_drift(gateway: Stubborn, settled: Account) -> None:
    """It lowered a limit, and a decision raised it again before anybody read back."""
    gateway.accounts[LEAF] = replace(gateway.accounts[LEAF], gpu_minutes=100)
    OperationRecord.objects.create(at=LATER, operation="SetLimit", account=LEAF, succeeded=None)
    ask_first()
    run(gateway)
    assert gateway.accounts[LEAF].gpu_minutes == 30_000
    assert drifts() == []


def test_the_first_look_at_a_cluster_finds_no_drift(gateway: Stubborn, account: Account) -> None:
    gateway.accounts["paic"] = AccountState("paic", "root")
    gateway.accounts["physics"] = AccountState("physics", "paic", gpu_minutes=7)
    gateway.people["physics", "kim"] = PersonState("physics", "kim")
    run(gateway)
    assert drifts() == []
    assert Association.objects.filter(account="physics").count() == 2
    gateway.accounts["biology"] = AccountState("biology", "paic")
    run(gateway)
    assert drifts() == [("added", "biology", "", "")]
    assert gateway.accounts["biology"] == AccountState("biology", "paic")


def test_linked_accounts_are_no_strangers(gateway: Stubborn, settled: Account) -> None:
    gateway.accounts["biology"] = AccountState("biology", "paic")
    Account.objects.create(
        project=ProjectFactory(code="p26009"), pool=settled.pool, name="biology", parent="paic", managed=False
    )
    run(gateway)
    assert (gateway.executed, drifts(), Cluster.current().remarks) == ([], [], [])


def test_drift_is_found_where_the_portal_only_observes(gateway: Stubborn, settled: Account) -> None:
    Cluster.objects.update(writing_enabled=False)
    change(gateway, gpu_minutes=99_999)
    run(gateway)
    assert gateway.executed == []
    assert drifts() == [("limit", LEAF, "", "")]


def test_a_move_in_the_tree_is_shown_and_never_undone(gateway: Stubborn, settled: Account) -> None:
    change(gateway, parent="paic")
    change_person(gateway, "kim", lineage_ok=False)
    run(gateway)
    assert gateway.executed == []
    assert sorted(drifts()) == [("lineage", LEAF, "kim", ""), ("parent", LEAF, "", "")]
    drift = Drift.objects.get(kind="parent")
    assert (drift.expected, drift.found) == ("p26001", "paic")


def test_a_person_added_by_hand_who_has_a_right_is_welcome(gateway: Stubborn, settled: Account) -> None:
    gateway.people[LEAF, "park"] = PersonState(LEAF, "park")
    MembershipFactory(project=settled.project, user=UserFactory(cluster_username="park"))
    run(gateway)
    assert (drifts(), gateway.executed) == ([], [])


def test_nobody_joins_whose_name_is_not_on_the_cluster_yet(gateway: Stubborn, settled: Account) -> None:
    member = MembershipFactory(project=settled.project, user__cluster_username="new")
    member.user.cluster_username_found_at = None
    member.user.save()
    run(gateway)
    assert gateway.executed == []
    member.user.cluster_username_found_at = NOW
    member.user.save()
    run(gateway)
    assert gateway.executed == [AddPerson(LEAF, "new")]


def test_what_an_operator_gave_back_while_nothing_may_start_is_opened_with_the_next_grant(
    gateway: Stubborn, settled: Account
) -> None:
    change(gateway, group_jobs=0, group_submit_jobs=0)
    run(gateway)
    Drift.objects.filter(kind="stopped").update(repair_asked_at=NOW)
    suspension = SuspensionFactory(grant=settled.project.grants.get())
    run(gateway)
    assert gateway.accounts[LEAF].parked
    suspension.until = LATER
    suspension.save()
    run(gateway)
    assert not gateway.accounts[LEAF].parked
