"""Accounts that stand in Slurm and are not the portal's own, as the worker last read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings

from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, Association, Cluster, Membership, Project
from portal.slurm.names import ACCOUNT


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An account as Slurm has it. `account` is its row where it is linked to a project.

    `below_root`: below the portal's root account; only such a one can be handed over to the portal, and only while no
    further account hangs below it (`children`).
    """

    name: str
    parent: str
    below_root: bool
    people: tuple[str, ...]
    children: tuple[str, ...]
    gpu_minutes: int | None
    qos: tuple[str, ...]
    stopped: bool = False
    account: Account | None = None

    @property
    def limit_gpu_seconds(self) -> int | None:
        return None if self.gpu_minutes is None else self.gpu_minutes * SECONDS_A_MINUTE

    @property
    def usable_name(self) -> bool:
        """Whether the portal may ever speak of it to Slurm."""
        return ACCOUNT.fullmatch(self.name) is not None


def found_accounts() -> list[FoundAccount]:
    """All of them by name, those below our root first. Six queries, however many there are."""
    linked = {row.name: row for row in Account.objects.filter(managed=False).select_related("project", "pool")}
    rows = [*_below_root(linked), *_beside_root(linked)]
    return sorted(rows, key=lambda row: (not row.below_root, row.name))


def found_account(name: str) -> FoundAccount | None:
    return next((row for row in found_accounts() if row.name == name), None)


def strangers(rows: Iterable[FoundAccount]) -> dict[str, list[str]]:
    """By linked account the people in it who are no members of its project: for the PI or an operator to invite."""
    linked = [(row, row.account.project_id) for row in rows if row.account is not None]
    active = Membership.objects.filter(
        project__in=[project for _row, project in linked], status=Membership.Status.ACTIVE
    )
    members = set(active.values_list("project", "user__cluster_username"))
    return {row.name: [user for user in row.people if (project, user) not in members] for row, project in linked}


def _below_root(linked: dict[str, Account]) -> list[FoundAccount]:
    """What hangs below our root and is neither a project's account nor one that the portal looks after."""
    rows = list(Association.objects.all())
    people, children = defaultdict(list), defaultdict(list)
    for row in rows:
        if row.person:
            people[row.account].append(row.person)
        else:
            children[row.parent].append(row.account)
    ours = {settings.SLURM_ROOT_ACCOUNT, *Project.objects.values_list("code", flat=True)}
    ours.update(Account.objects.filter(managed=True).values_list("name", flat=True))
    return [
        FoundAccount(
            name=row.account,
            parent=row.parent,
            below_root=True,
            people=tuple(people[row.account]),
            children=tuple(children[row.account]),
            gpu_minutes=None if row.gpu_minutes is None else int(row.gpu_minutes),
            qos=tuple(row.qos),
            stopped=row.stopped,
            account=linked.get(row.account),
        )
        for row in rows
        if not row.person and row.account not in ours
    ]


def _beside_root(linked: dict[str, Account]) -> list[FoundAccount]:
    rows = Cluster.current().foreign_accounts
    children = defaultdict(list)
    for row in rows:
        children[row["parent"]].append(row["name"])
    return [
        FoundAccount(
            name=row["name"],
            parent=row["parent"],
            below_root=False,
            people=tuple(row["people"]),
            children=tuple(children[row["name"]]),
            gpu_minutes=row["gpu_minutes"],
            qos=tuple(row.get("qos", ())),
            account=linked.get(row["name"]),
        )
        for row in rows
    ]
