"""What should stand in Slurm at a moment, from grants, members and pools.

Below the portal's root account one account per project, without limits; below it one leaf per pool, always, with the
limit and the pool's QOS. People are in leaves only (design.md section 7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from django.db.models import Sum
from django.db.models.functions import Coalesce

from allocations.budget import LeafBudget, LineBudget, leaf_budget
from allocations.models import Account, GrantLine, Membership
from portal.slurm.types import AccountState, ClusterState, PersonState

# The parent of the portal's own root account: Slurm's root of all.
TREE_ROOT = "root"

ProjectAndPool = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf account as it should be. `people` are cluster user names of active members."""

    name: str
    project: str
    qos: str
    budget: LeafBudget
    people: frozenset[str]


def build(root_account: str, leaves: Iterable[Leaf]) -> ClusterState:
    """The tree that holds exactly these leaves. Who is not named in a leaf has no right there."""
    accounts = {root_account: AccountState(root_account, TREE_ROOT)}
    people = {}
    for leaf in leaves:
        accounts[leaf.project] = AccountState(leaf.project, root_account)
        accounts[leaf.name] = _leaf_account(leaf)
        for user in sorted(leaf.people):
            people[leaf.name, user] = PersonState(leaf.name, user)
    return ClusterState(MappingProxyType(accounts), MappingProxyType(people))


def _leaf_account(leaf: Leaf) -> AccountState:
    held = 0 if leaf.budget.parked else None
    return AccountState(
        name=leaf.name,
        parent=leaf.project,
        gpu_minutes=leaf.budget.gpu_minutes,
        group_jobs=held,
        group_submit_jobs=held,
        qos=frozenset({leaf.qos}),
        default_qos=leaf.qos,
    )


def desired_state(root_account: str, *, at: datetime) -> ClusterState:
    """What should stand in Slurm at `at`, read from the database in three queries, however many projects there are."""
    return build(root_account, desired_leaves(at=at))


def desired_leaves(*, at: datetime) -> list[Leaf]:
    lines = _lines()
    people = _people()
    return [
        Leaf(
            name=account.name,
            project=account.project.code,
            qos=account.pool.qos,
            budget=leaf_budget(
                lines[account.project_id, account.pool_id], offset_gpu_seconds=account.offset_gpu_seconds, at=at
            ),
            people=frozenset(people[account.project_id]),
        )
        for account in Account.objects.select_related("project", "pool")
    ]


def _lines() -> Mapping[ProjectAndPool, list[LineBudget]]:
    rows = GrantLine.objects.annotate(granted=Coalesce(Sum("entries__gpu_seconds"), 0)).values_list(
        "grant__project_id",
        "pool_id",
        "grant__starts_at",
        "grant__ends_at",
        "grant__suspended_at",
        "granted",
        "charged_gpu_seconds",
    )
    lines: dict[ProjectAndPool, list[LineBudget]] = defaultdict(list)
    for project, pool, starts_at, ends_at, suspended_at, granted, charged in rows.order_by():
        line = LineBudget(starts_at, ends_at, suspended_at is not None, granted, charged)
        lines[project, pool].append(line)
    return lines


def _people() -> Mapping[int, list[str]]:
    """Cluster user names by project: active members whose login is active and who have a name on the cluster."""
    rows = Membership.objects.filter(
        status=Membership.Status.ACTIVE, user__is_active=True, user__cluster_username__isnull=False
    ).values_list("project_id", "user__cluster_username")
    people: dict[int, list[str]] = defaultdict(list)
    for project, username in rows.order_by():
        people[project].append(str(username))
    return people
