"""Slurm's association tree as `sacctmgr show assoc` prints it, and the part of it below the portal's root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU, parse_tres
from portal.slurm.types import AccountState, ClusterState, PersonState

# Known to every version. `lineage` exists from 23.11 on; an unknown field makes the whole command fail.
FIELDS = "account,user,partition,parentname,grpjobs,grpsubmit,grptresmins,qos,defaultqos"
LINEAGE = ",lineage"


@dataclass(frozen=True, slots=True)
class AssociationRow:
    """One association: of an account (user empty) or of a person with an account."""

    account: str
    user: str
    parent: str
    group_jobs: int | None
    group_submit_jobs: int | None
    gpu_minutes: int | None
    qos: frozenset[str]
    default_qos: str
    lineage: str

    @property
    def stopped(self) -> bool:
        return self.group_jobs == 0 and self.group_submit_jobs == 0


def parse_associations(text: str, *, with_lineage: bool) -> list[AssociationRow]:
    """Rows of `sacctmgr -P -n show assoc format=FIELDS`.

    A row with another number of columns belongs to a name that holds a bar: never one of the portal's, so it is
    left out. Raises SlurmUnreadable where a number is none.
    """
    columns = len(FIELDS.split(",")) + with_lineage
    rows = (line.split("|") for line in text.splitlines())
    return [_row(parts) for parts in rows if len(parts) == columns]


def parse_parents(text: str) -> dict[str, str]:
    """Every account with the one above it, from rows of `format=account,parentname`; names may hold a bar."""
    return {account: parent for account, _bar, parent in (line.rpartition("|") for line in text.splitlines())}


def cluster_state(rows: Iterable[AssociationRow], root_account: str) -> ClusterState:
    """Accounts and people at and below the root account; empty where the root account does not exist."""
    rows = list(rows)
    below = accounts_below(rows, root_account)
    accounts = {row.account: row for row in rows if not row.user and row.account in below}
    people: dict[tuple[str, str], PersonState] = {}
    for row in rows:
        if row.user and row.account in below:
            key = (row.account, row.user)
            people[key] = _person(row, accounts[row.account].lineage, people.get(key))
    return ClusterState(
        accounts=MappingProxyType({name: _account(row) for name, row in accounts.items()}),
        people=MappingProxyType(people),
    )


def accounts_below(rows: Iterable[AssociationRow], root_account: str) -> frozenset[str]:
    """Names of the root account and of all accounts that hang below it."""
    parents = {row.account: row.parent for row in rows if not row.user}
    return frozenset(name for name in parents if is_below(name, root_account, parents))


def is_below(account: str, root_account: str, parents: Mapping[str, str]) -> bool:
    """Whether the account exists and is the root account or hangs below it."""
    seen: set[str] = set()
    name = account
    while name in parents and name not in seen:
        if name == root_account:
            return True
        seen.add(name)
        name = parents[name]
    return False


def _row(parts: list[str]) -> AssociationRow:
    account, user, _partition, parent, jobs, submit, tres, qos, default_qos, *lineage = parts
    try:
        return AssociationRow(
            account=account,
            user=user,
            parent=parent,
            group_jobs=int(jobs) if jobs else None,
            group_submit_jobs=int(submit) if submit else None,
            gpu_minutes=parse_tres(tres).get(GPU),
            qos=frozenset(qos.split(",")) if qos else frozenset(),
            default_qos=default_qos,
            lineage=lineage[0] if lineage else "",
        )
    except ValueError as error:
        raise SlurmUnreadable(
            _("An association of %(account)s is not understood: %(trouble)s"),
            account=account,
            trouble=error,
            words="|".join(parts),
        ) from error


def _account(row: AssociationRow) -> AccountState:
    return AccountState(
        name=row.account,
        parent=row.parent,
        gpu_minutes=row.gpu_minutes,
        group_jobs=row.group_jobs,
        group_submit_jobs=row.group_submit_jobs,
        qos=row.qos,
        default_qos=row.default_qos,
    )


def _person(row: AssociationRow, account_lineage: str, other: PersonState | None) -> PersonState:
    """A person may have one row per partition: paused only where all are, in order only where all are."""
    return PersonState(
        account=row.account,
        user=row.user,
        paused=row.stopped and (other is None or other.paused),
        lineage_ok=row.lineage.startswith(account_lineage) and (other is None or other.lineage_ok),
    )
