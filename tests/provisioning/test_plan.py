"""The plan is minimal, converges in one pass, leaves alone what is not ours, and never opens a window."""

from __future__ import annotations

import math
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from allocations.budget import LeafBudget
from allocations.provisioning.desired import Leaf, build
from allocations.provisioning.differences import Difference, Kind, differences
from allocations.provisioning.plan import plan, unsettled
from allocations.provisioning.tree import account_of
from portal.slurm.types import (
    AccountState,
    AddPerson,
    ClusterState,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    PersonState,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
    UnparkAccount,
)
from tests.provisioning.strategies import ROOT, desired_states, everything, fake_with, observed_states

NOTHING = ClusterState()


def state_of(*leaves: Leaf) -> ClusterState:
    return build(ROOT, leaves)


def leaf(project: str = "p26001", hours: int = 10, people: str = "kim", *, parked: bool = False, **caps: int) -> Leaf:
    team = {user: caps.get(user) for user in people.split()}
    return Leaf(f"{project}-h100", project, project, "h100", LeafBudget(hours * 60, parked), team)


def member(user: str = "kim", account: str = "p26001-h100", **state: Any) -> PersonState:
    """As the portal makes one: with the account's QOS."""
    return PersonState(account, user, **{"qos": frozenset({"h100"}), "default_qos": "h100", **state})


def left_to_a_person(desired: ClusterState, observed: ClusterState) -> list[Difference]:
    return [found for found in differences(desired, observed) if found.is_left_to_a_person]


def changed(state: ClusterState, *accounts: AccountState, people: tuple[PersonState, ...] = ()) -> ClusterState:
    return ClusterState(
        MappingProxyType({**state.accounts, **{account.name: account for account in accounts}}),
        MappingProxyType({**state.people, **{(person.account, person.user): person for person in people}}),
        state.defaults,
    )


def test_a_new_grant_is_created_limited_and_parked_and_opened_last() -> None:
    assert plan(state_of(leaf(people="kim lee")), NOTHING) == [
        CreateAccount("paic", "root"),
        CreateAccount("p26001", "paic"),
        CreateAccount("p26001-h100", "p26001", 600, True, frozenset({"h100"}), "h100"),
        AddPerson("p26001-h100", "kim"),
        AddPerson("p26001-h100", "lee"),
        UnparkAccount("p26001-h100"),
    ]


def test_a_grant_that_has_not_begun_stays_parked() -> None:
    operations = plan(state_of(leaf(hours=0, parked=True)), NOTHING)
    assert not any(isinstance(operation, UnparkAccount) for operation in operations)


def test_in_a_transfer_the_giver_is_lowered_before_the_receiver_is_raised() -> None:
    before = state_of(leaf("p26001", 10), leaf("p26002", 10))
    after = state_of(leaf("p26001", 15), leaf("p26002", 5))
    assert plan(after, before) == [SetLimit("p26002-h100", 300), SetLimit("p26001-h100", 900)]


def test_an_ended_grant_is_parked_and_its_limit_lowered_and_kept() -> None:
    operations = plan(state_of(leaf(hours=7, parked=True)), state_of(leaf(hours=10)))
    assert operations == [ParkAccount("p26001-h100"), SetLimit("p26001-h100", 420)]


def test_a_removed_member_is_paused_and_never_removed() -> None:
    assert plan(state_of(leaf(people="kim")), state_of(leaf(people="kim lee"))) == [PausePerson("p26001-h100", "lee")]


def test_a_member_who_returns_is_resumed() -> None:
    observed = changed(state_of(leaf()), people=(member(paused=True),))
    holds = {("p26001-h100", "kim")}
    assert plan(state_of(leaf()), observed, holds=holds) == [ResumePerson("p26001-h100", "kim")]


def test_a_pause_that_was_cut_short_is_done_again_while_jobs_wait() -> None:
    desired, key = state_of(leaf(people="kim")), ("p26001-h100", "lee")
    observed = changed(desired, people=(PersonState(*key, paused=True),))
    assert plan(desired, observed) == []
    assert plan(desired, observed, waiting={key, ("p26001-h100", "kim")}) == [PausePerson(*key)]


def test_people_in_a_project_account_are_paused_since_it_has_no_limit() -> None:
    observed = changed(state_of(leaf()), people=(PersonState("p26001", "kim"),))
    assert plan(state_of(leaf()), observed) == [PausePerson("p26001", "kim")]


def test_the_root_accounts_own_people_are_left_alone() -> None:
    observed = changed(state_of(leaf()), people=(PersonState(ROOT, "operator"),))
    assert plan(state_of(leaf()), observed) == []


def test_a_limit_that_somebody_cleared_is_set_before_anything_else_is_given() -> None:
    observed = changed(state_of(leaf(people="")), replace(state_of(leaf()).accounts["p26001-h100"], gpu_minutes=None))
    assert plan(state_of(leaf()), observed) == [SetLimit("p26001-h100", 600), AddPerson("p26001-h100", "kim")]


def test_a_leaf_with_another_pools_qos_gets_its_own_back() -> None:
    mixed = replace(state_of(leaf()).accounts["p26001-h100"], qos=frozenset({"h100", "a100"}))
    assert plan(state_of(leaf()), changed(state_of(leaf()), mixed)) == [
        SetQos("p26001-h100", frozenset({"h100"}), "h100")
    ]


def test_a_project_account_may_inherit_any_qos() -> None:
    inherits = replace(state_of(leaf()).accounts["p26001"], qos=frozenset({"normal"}), default_qos="normal")
    assert plan(state_of(leaf()), changed(state_of(leaf()), inherits)) == []


def test_a_half_parked_leaf_is_parked_or_opened_as_it_should_be() -> None:
    half = replace(state_of(leaf()).accounts["p26001-h100"], group_jobs=0)
    holds = {("p26001-h100", "")}
    assert plan(state_of(leaf()), changed(state_of(leaf()), half), holds=holds) == [UnparkAccount("p26001-h100")]
    parked = state_of(leaf(parked=True))
    assert plan(parked, changed(parked, half)) == [ParkAccount("p26001-h100")]


def test_an_account_that_was_moved_is_a_conflict_and_gets_nothing_more() -> None:
    elsewhere = replace(state_of(leaf()).accounts["p26001-h100"], parent="paic")
    observed = changed(state_of(leaf()), elsewhere)
    assert left_to_a_person(state_of(leaf()), observed) == [
        Difference(Kind.PARENT, "p26001-h100", expected="p26001", found="paic")
    ]
    assert plan(state_of(leaf(hours=20, people="kim lee")), observed) == []
    assert plan(state_of(leaf(hours=5, people="")), observed) == [
        PausePerson("p26001-h100", "kim"),
        SetLimit("p26001-h100", 300),
    ]
    assert unsettled(state_of(leaf()), observed) == {"p26001-h100"}


def test_a_person_whose_row_hangs_elsewhere_is_a_conflict() -> None:
    observed = changed(state_of(leaf()), people=(member(lineage_ok=False),))
    assert left_to_a_person(state_of(leaf()), observed) == [Difference(Kind.LINEAGE, "p26001-h100", "kim")]
    assert plan(state_of(leaf(hours=20)), observed) == []
    assert unsettled(state_of(leaf()), observed) == {"p26001-h100"}


def test_a_project_stopped_by_hand_is_reported_and_left_so() -> None:
    stopped = replace(state_of(leaf()).accounts["p26001"], group_jobs=0, group_submit_jobs=0)
    observed = changed(state_of(leaf()), stopped)
    assert plan(state_of(leaf()), observed) == []
    assert left_to_a_person(state_of(leaf()), observed) == [Difference(Kind.STOPPED, "p26001")]
    assert unsettled(state_of(leaf()), observed) == {"p26001", "p26001-h100"}
    assert plan(state_of(leaf()), observed, holds={("p26001", "")}) == [UnparkAccount("p26001")]


def test_trouble_with_a_project_account_unsettles_its_leaves() -> None:
    observed = ClusterState(MappingProxyType({ROOT: AccountState(ROOT, "root")}))
    assert unsettled(state_of(leaf("p26001"), leaf("p26002")), observed) == {
        "p26001",
        "p26001-h100",
        "p26002",
        "p26002-h100",
    }


def test_what_was_stopped_by_hand_stays_so_and_the_account_is_not_in_force() -> None:
    parked = replace(state_of(leaf()).accounts["p26001-h100"], group_jobs=0, group_submit_jobs=0)
    observed = changed(state_of(leaf(hours=5)), parked, people=(member(paused=True),))
    assert plan(state_of(leaf()), observed) == []
    assert [found.key for found in differences(state_of(leaf()), observed)] == [
        (Kind.STOPPED, "p26001-h100", ""),
        (Kind.STOPPED, "p26001-h100", "kim"),
    ]
    assert unsettled(state_of(leaf()), observed) == {"p26001-h100"}


def test_a_person_paused_by_hand_leaves_the_account_in_force_for_the_others() -> None:
    observed = changed(state_of(leaf()), people=(member(paused=True),))
    assert unsettled(state_of(leaf()), observed) == set()


def test_a_cap_is_lowered_first_and_raised_last() -> None:
    desired = state_of(leaf(people="kim lee park", hours=20, kim=30, lee=90))
    observed = state_of(leaf(people="kim lee park", kim=60, lee=60, park=60))
    assert plan(desired, observed) == [
        SetPersonLimit("p26001-h100", "kim", 30),
        SetLimit("p26001-h100", 1200),
        SetPersonLimit("p26001-h100", "lee", 90),
        SetPersonLimit("p26001-h100", "park", None),
    ]


def test_a_newcomer_comes_with_the_cap() -> None:
    operations = plan(state_of(leaf(kim=30)), NOTHING)
    assert operations[-2:] == [AddPerson("p26001-h100", "kim", 30), UnparkAccount("p26001-h100")]


def test_a_member_who_returns_has_the_cap_before_working_again() -> None:
    observed = changed(state_of(leaf()), people=(member(paused=True),))
    assert plan(state_of(leaf(kim=30)), observed, holds=everything(observed)) == [
        SetPersonLimit("p26001-h100", "kim", 30),
        ResumePerson("p26001-h100", "kim"),
    ]


def test_a_person_with_another_pools_qos_gets_the_accounts() -> None:
    observed = changed(state_of(leaf()), people=(member(qos=frozenset({"a100", "h100"})),))
    assert plan(state_of(leaf()), observed) == [SetPersonQos("p26001-h100", "kim", frozenset({"h100"}), "h100")]


def test_a_person_follows_the_account_to_its_qos() -> None:
    wide = frozenset({"a100", "h100"})
    account = replace(state_of(leaf()).accounts["p26001-h100"], qos=wide)
    observed = changed(state_of(leaf()), account, people=(member(qos=wide),))
    assert plan(state_of(leaf()), observed) == [SetQos("p26001-h100", frozenset({"h100"}), "h100")]


def test_what_somebody_took_away_waits_where_an_operator_shall_say() -> None:
    desired = state_of(leaf(people="kim lee"))
    poorer = replace(state_of(leaf()).accounts["p26001-h100"], gpu_minutes=60, qos=frozenset(), default_qos="")
    observed = changed(state_of(leaf()), poorer)
    waits = {found.key for found in differences(desired, observed)}
    assert {kind for kind, _account, _user in waits} == {Kind.LIMIT, Kind.QOS, Kind.REMOVED}
    assert plan(desired, observed, waits=waits) == []
    richer = changed(observed, replace(poorer, gpu_minutes=None, qos=frozenset({"h100", "a100"})))
    assert plan(desired, richer, waits=waits) == [
        SetLimit("p26001-h100", 600),
        SetQos("p26001-h100", frozenset({"h100"}), "h100"),
    ]


def test_an_account_that_somebody_deleted_waits_with_all_that_is_in_it() -> None:
    desired = state_of(leaf("p26001"), leaf("p26002"))
    observed = state_of(leaf("p26002"))
    waits = {(Kind.REMOVED, "p26001", ""), (Kind.REMOVED, "p26001-h100", "")}
    assert plan(desired, observed, waits=waits) == []


def test_a_default_account_that_works_is_never_changed() -> None:
    both = [leaf("p26001"), leaf("p26002")]
    desired = build(ROOT, both, {"kim": "p26001-h100"})
    for place in ("p26002-h100", "physics", "stray"):
        observed = replace(desired, defaults=MappingProxyType({"kim": place}))
        assert plan(desired, observed) == [], place


def test_a_default_account_that_does_not_work_gives_way_to_the_persons_choice() -> None:
    leaves = [leaf("p26001"), leaf("p26002"), leaf("p26003", parked=True), leaf("p26004", people="lee")]
    desired = build(ROOT, leaves, {"kim": "p26002-h100"})
    for place in ("p26003-h100", "p26004-h100", "p26001", ROOT, ""):
        observed = replace(desired, defaults=MappingProxyType({"kim": place}))
        assert plan(desired, observed) == [SetDefaultAccount("p26002-h100", "kim")], place


def test_a_choice_that_does_not_work_gives_way_to_one_that_does() -> None:
    leaves = [leaf("p26001", parked=True), leaf("p26002"), leaf("p26003")]
    assert build(ROOT, leaves, {"kim": "p26001-h100"}).defaults == {"kim": "p26002-h100"}
    assert build(ROOT, leaves[:1], {"kim": "p26001-h100"}).defaults == {}


def test_a_newcomer_comes_first_into_what_shall_be_their_default() -> None:
    desired = build(ROOT, [leaf("p26001"), leaf("p26002")], {"kim": "p26002-h100"})
    arrivals = [operation for operation in plan(desired, NOTHING) if isinstance(operation, AddPerson)]
    assert arrivals == [AddPerson("p26002-h100", "kim"), AddPerson("p26001-h100", "kim")]


def test_an_account_below_a_leaf_is_shown_and_left_alone() -> None:
    stray = AccountState("stray", "p26001-h100", gpu_minutes=5)
    observed = changed(state_of(leaf()), stray, people=(PersonState("stray", "stranger"),))
    assert plan(state_of(leaf()), observed) == []
    assert left_to_a_person(state_of(leaf()), observed) == [Difference(Kind.ADDED, "stray", found="p26001-h100")]
    assert list(differences(state_of(leaf()), observed, linked={"stray"})) == []


def test_an_adopted_account_stays_where_it_hangs() -> None:
    adopted = Leaf("steel-gpu", "p26001", "steel", "h100", LeafBudget(60, parked=False), {"kim": None})
    desired = build(ROOT, [adopted])
    assert list(desired.accounts) == [ROOT, "steel-gpu"]
    observed = changed(desired, AccountState("steel", ROOT))
    assert plan(desired, observed) == []
    stranger = PersonState("steel-gpu", "stranger")
    assert plan(desired, changed(observed, people=(stranger,))) == [PausePerson("steel-gpu", "stranger")]


# --- For any cluster ---


@given(desired_states)
def test_what_is_as_desired_needs_no_plan(desired: ClusterState) -> None:
    assert plan(desired, desired) == []
    assert list(differences(desired, desired)) == []
    assert unsettled(desired, desired) == set()


@given(desired_states, observed_states())
def test_one_pass_makes_it_so(desired: ClusterState, observed: ClusterState) -> None:
    gateway = fake_with(observed)
    holds = everything(observed)
    for operation in plan(desired, observed, holds=holds):
        gateway.execute(operation)
    after = gateway.snapshot()
    assert plan(desired, after, holds=holds) == []
    assert unsettled(desired, after, holds=holds) == set()


@given(desired_states, observed_states())
def test_what_is_not_ours_is_left_alone(desired: ClusterState, observed: ClusterState) -> None:
    gateway = fake_with(observed)
    gateway.accounts["physics"] = AccountState("physics", "root", gpu_minutes=7)
    gateway.people["physics", "kim"] = PersonState("physics", "kim")
    before = dict(gateway.accounts), dict(gateway.people)
    for operation in plan(desired, gateway.snapshot(), holds=everything(observed)):
        gateway.execute(operation)
    for name in before[0].keys() - desired.accounts.keys():
        assert gateway.accounts[name] == before[0][name]
    for key in before[1].keys() - desired.people.keys():
        assert key in gateway.people
        if key[0] not in desired.accounts:
            assert gateway.people[key] == before[1][key]
    assert before[0].keys() <= gateway.accounts.keys()


@given(desired_states, observed_states(), st.data())
def test_what_is_stopped_by_hand_is_never_opened(
    desired: ClusterState, observed: ClusterState, data: st.DataObject
) -> None:
    holds = data.draw(st.frozensets(st.sampled_from(sorted(everything(observed)) or [("", "")])))
    for operation in plan(desired, observed, holds=holds):
        if isinstance(operation, UnparkAccount) and operation.account in observed.accounts:
            assert (operation.account, "") in holds
        if isinstance(operation, ResumePerson):
            assert (operation.account, operation.user) in holds


@given(desired_states, observed_states())
def test_no_step_opens_a_window(desired: ClusterState, observed: ClusterState) -> None:
    """At every step nobody may start more than they could before, or may in the end."""
    gateway = fake_with(observed)
    first, last = _rights(observed), _rights(desired)
    total = max(_total(observed, desired), _total(desired, desired))
    for operation in plan(desired, observed, holds=everything(observed)):
        gateway.execute(operation)
        now = gateway.snapshot()
        for key, minutes in _rights(now).items():
            if key[0] in desired.accounts:
                assert minutes <= max(first.get(key, 0), last.get(key, 0)), operation
        assert _total(now, desired) <= total, operation


@given(desired_states, observed_states(), st.data())
def test_a_pass_that_was_cut_short_is_finished_by_the_next(
    desired: ClusterState, observed: ClusterState, data: st.DataObject
) -> None:
    gateway = fake_with(observed)
    holds = everything(observed) | everything(desired)
    operations = plan(desired, observed, holds=holds)
    for operation in operations[: data.draw(st.integers(0, len(operations)))]:
        gateway.execute(operation)
    rest = plan(desired, gateway.snapshot(), holds=holds)
    for operation in rest:
        gateway.execute(operation)
    assert plan(desired, gateway.snapshot(), holds=holds) == []
    assert _kinds(rest) <= _kinds(operations)


def _kinds(operations: list[Operation]) -> set[tuple[str, str]]:
    """An account that was created parked may still need to be opened, and nothing else is new."""
    return {(type(operation).__name__, account_of(operation)) for operation in operations}


def _rights(state: ClusterState) -> dict[tuple[str, str], float]:
    """What each person could start in each account, were nothing used yet."""
    return {
        key: _open_minutes(state.accounts[key[0]])
        for key, person in state.people.items()
        if not person.paused and key[0] != ROOT
    }


def _total(state: ClusterState, desired: ClusterState) -> float:
    """Minutes that are open in all leaves of ours together."""
    leaves = [account for name, account in state.accounts.items() if desired.accounts.get(name, _NO_LEAF).gpu_minutes]
    return sum(_open_minutes(account) for account in leaves)


_NO_LEAF = AccountState("", "")


def _open_minutes(account: AccountState) -> float:
    if account.group_jobs == 0 or account.group_submit_jobs == 0:
        return 0
    return math.inf if account.gpu_minutes is None else account.gpu_minutes
