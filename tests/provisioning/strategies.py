"""Clusters out of nothing, for Hypothesis: what should stand in Slurm, and what somebody made of it."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from hypothesis import strategies as st

from allocations.budget import LeafBudget
from allocations.provisioning.desired import Leaf, build
from portal.slurm.fake import FakeGateway
from portal.slurm.types import AccountState, ClusterState, PersonState

ROOT = "paic"
PROJECTS = ("p26001", "p26002", "p26003")
POOLS = ("h100", "a100")
USERS = ("kim", "lee", "park", "choi")

budgets = st.builds(LeafBudget, gpu_minutes=st.integers(0, 5000), parked=st.booleans())
teams = st.dictionaries(st.sampled_from(USERS), st.one_of(st.none(), st.integers(0, 500)), max_size=4)
choices = st.dictionaries(st.sampled_from(USERS), st.sampled_from([f"{p}-{q}" for p in PROJECTS for q in POOLS]))


@st.composite
def leaves(draw: st.DrawFn) -> list[Leaf]:
    places = draw(st.lists(st.sampled_from([(p, q) for p in PROJECTS for q in POOLS]), unique=True))
    return [Leaf(f"{project}-{pool}", project, project, pool, draw(budgets), draw(teams)) for project, pool in places]


desired_states = st.builds(build, st.just(ROOT), leaves(), choices)


@st.composite
def observed_states(draw: st.DrawFn) -> ClusterState:
    """A cluster that was once as some grants said, and that time and people then changed."""
    state = draw(desired_states)
    accounts = {name: _drifted(draw, account) for name, account in state.accounts.items() if draw(st.booleans())}
    accounts = {name: account for name, account in accounts.items() if _hangs_on(name, accounts)}
    people = {
        key: _drifted_person(draw, person, accounts[key[0]])
        for key, person in state.people.items()
        if key[0] in accounts and draw(st.booleans())
    }
    for name in draw(st.lists(st.sampled_from([*accounts, "stray"]), unique=True, max_size=2)):
        if name == "stray" and ROOT in accounts:
            accounts["stray"] = AccountState("stray", ROOT, gpu_minutes=5)
        if name in accounts:
            people[name, "stranger"] = PersonState(name, "stranger", paused=draw(st.booleans()))
    users = sorted({user for _account, user in people})
    places = st.sampled_from(["", "physics", *accounts]) if accounts else st.just("physics")
    defaults = {user: draw(places) for user in users}
    return ClusterState(MappingProxyType(accounts), MappingProxyType(people), MappingProxyType(defaults))


def _drifted(draw: st.DrawFn, account: AccountState) -> AccountState:
    if account.gpu_minutes is None:
        return replace(account, qos=frozenset({"normal"}))
    stops = draw(st.sampled_from([(None, None), (0, 0), (0, None), (None, 0), (5, None)]))
    return replace(
        account,
        gpu_minutes=draw(st.one_of(st.none(), st.integers(0, 5000))),
        group_jobs=stops[0],
        group_submit_jobs=stops[1],
        qos=draw(st.sampled_from([account.qos, frozenset({"normal"}), frozenset(POOLS)])),
    )


def _drifted_person(draw: st.DrawFn, person: PersonState, account: AccountState) -> PersonState:
    """With QOS of their own, or with the account's as it is now."""
    own = draw(st.sampled_from([None, None, frozenset(POOLS), frozenset({"normal"})]))
    return replace(
        person,
        paused=draw(st.booleans()),
        gpu_minutes=draw(st.one_of(st.just(person.gpu_minutes), st.none(), st.integers(0, 500))),
        qos=account.qos if own is None else own,
        default_qos=account.default_qos if own is None else min(own),
    )


def _hangs_on(name: str, accounts: dict[str, AccountState]) -> bool:
    while name in accounts:
        if name == ROOT:
            return True
        name = accounts[name].parent
    return False


def fake_with(state: ClusterState) -> FakeGateway:
    """A cluster in memory that stands so; in it a person without QOS of their own follows the account."""
    gateway = FakeGateway(root_account=ROOT)
    gateway.accounts |= state.accounts
    for key, person in state.people.items():
        account = state.accounts[key[0]]
        follows = (person.qos, person.default_qos) == (account.qos, account.default_qos)
        gateway.people[key] = replace(person, qos=frozenset(), default_qos="") if follows else person
    gateway.defaults |= state.defaults
    return gateway


def everything(state: ClusterState) -> frozenset[tuple[str, str]]:
    """As though the portal itself had stopped whatever is stopped."""
    return frozenset({(name, "") for name in state.accounts} | set(state.people))
