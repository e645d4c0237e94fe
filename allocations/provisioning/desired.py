"""What should stand in Slurm at a moment, from grants, members and pools.

Below the portal's root account one account per project, without limits; below it one leaf per pool, always, with the
limit and the pool's QOS. People are in leaves only (design.md section 7). An account that was there before and was
handed over to the portal is a leaf where it hangs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import Coalesce

from allocations.budget import SECONDS_A_MINUTE, LeafBudget, LineBudget, leaf_budget
from allocations.models import Account, GrantLine, Membership, Suspension
from allocations.provisioning.tree import works_as_default
from portal.slurm.names import SLURM_ROOT
from portal.slurm.types import AccountState, ClusterState, PersonState

ProjectAndPool = tuple[int, int]
NO_CHOICES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf account as it should be. `people`: cluster user name of each person with a right -> the person's own cap
    there in GPU-minutes, None for none."""

    name: str
    project: str
    parent: str
    qos: str
    budget: LeafBudget
    people: Mapping[str, int | None]


@dataclass(slots=True)
class Team:
    """Who is in a project: user name -> cap in GPU-seconds by pool, for those who have one."""

    caps: dict[str, dict[int, int]] = field(default_factory=dict)

    def people(self, pool: int) -> dict[str, int | None]:
        return {user: _whole_minutes(caps.get(pool)) for user, caps in self.caps.items()}


def build(root_account: str, leaves: Iterable[Leaf], choices: Mapping[str, str] = NO_CHOICES) -> ClusterState:
    """The tree that holds exactly these leaves. Who is not named in a leaf has no right there.

    `choices`: the account that a person wants as their default, where they chose one.
    """
    accounts = {root_account: AccountState(root_account, SLURM_ROOT)}
    people = {}
    for leaf in leaves:
        if leaf.parent == leaf.project:
            accounts[leaf.project] = AccountState(leaf.project, root_account)
        accounts[leaf.name] = account = _leaf_account(leaf)
        for user, cap in sorted(leaf.people.items()):
            people[leaf.name, user] = PersonState(
                leaf.name, user, gpu_minutes=cap, qos=account.qos, default_qos=account.default_qos
            )
    state = ClusterState(MappingProxyType(accounts), MappingProxyType(people))
    return replace(state, defaults=_defaults(state, choices))


def _leaf_account(leaf: Leaf) -> AccountState:
    held = 0 if leaf.budget.parked else None
    return AccountState(
        name=leaf.name,
        parent=leaf.parent,
        gpu_minutes=leaf.budget.gpu_minutes,
        group_jobs=held,
        group_submit_jobs=held,
        qos=frozenset({leaf.qos}),
        default_qos=leaf.qos,
    )


def _defaults(state: ClusterState, choices: Mapping[str, str]) -> Mapping[str, str]:
    """What a person chose if it works, else the first account by name that does; nothing for whom none works."""
    defaults: dict[str, str] = {}
    for account, user in sorted(state.people):
        if works_as_default(account, user, state) and (user not in defaults or choices.get(user) == account):
            defaults[user] = account
    return MappingProxyType(defaults)


def managed_accounts() -> list[Account]:
    """The accounts that the portal looks after, with what `desired_state` reads of them."""
    return list(Account.objects.filter(managed=True).select_related("project", "pool"))


def desired_state(root_account: str, *, at: datetime, accounts: Iterable[Account] | None = None) -> ClusterState:
    """What should stand in Slurm at `at`, read from the database in three queries, however many projects there are.

    `accounts`: the managed ones, where the caller has just read them.
    """
    teams, choices = _teams()
    return build(root_account, _leaves(accounts if accounts is not None else managed_accounts(), teams, at), choices)


def desired_leaves(*, at: datetime) -> list[Leaf]:
    return _leaves(managed_accounts(), _teams()[0], at)


def _leaves(accounts: Iterable[Account], teams: Mapping[int, Team], at: datetime) -> list[Leaf]:
    lines = _lines()
    return [
        Leaf(
            name=account.name,
            project=account.project.code,
            parent=account.parent or account.project.code,
            qos=account.pool.qos,
            budget=leaf_budget(
                lines[account.project_id, account.pool_id], offset_gpu_seconds=account.offset_gpu_seconds, at=at
            ),
            people=teams[account.project_id].people(account.pool_id),
        )
        for account in accounts
    ]


def _lines() -> Mapping[ProjectAndPool, Collection[LineBudget]]:
    lasting = Suspension.objects.filter(grant=OuterRef("grant"), until=None)
    granted = Coalesce(Sum("entries__gpu_seconds"), 0)
    rows = GrantLine.objects.annotate(granted=granted, suspended=Exists(lasting)).values_list(
        "grant__project_id",
        "pool_id",
        "grant__starts_at",
        "grant__ends_at",
        "suspended",
        "granted",
        "charged_gpu_seconds",
    )
    lines: dict[ProjectAndPool, list[LineBudget]] = defaultdict(list)
    for project, pool, starts_at, ends_at, suspended, awarded, charged in rows.order_by():
        line = LineBudget(starts_at, ends_at, suspended, awarded, charged)
        lines[project, pool].append(line)
    return lines


def _teams() -> tuple[Mapping[int, Team], Mapping[str, str]]:
    """By project: active members whose login is active and whose name on the cluster is approved and was found there.
    And what each of them chose as the default account."""
    rows = Membership.objects.filter(
        status=Membership.Status.ACTIVE,
        user__is_active=True,
        user__cluster_username__isnull=False,
        user__cluster_username_approved_at__isnull=False,
        user__cluster_username_found_at__isnull=False,
    ).values_list(
        "project_id",
        "user__cluster_username",
        "user__default_account__account__name",
        "caps__pool_id",
        "caps__gpu_seconds",
    )
    teams: dict[int, Team] = defaultdict(Team)
    choices: dict[str, str] = {}
    for project, user, choice, pool, cap in rows.order_by():
        name = str(user)
        caps = teams[project].caps.setdefault(name, {})
        if pool is not None:
            caps[pool] = cap
        if choice is not None:
            choices[name] = choice
    return teams, choices


def _whole_minutes(gpu_seconds: int | None) -> int | None:
    return None if gpu_seconds is None else gpu_seconds // SECONDS_A_MINUTE
