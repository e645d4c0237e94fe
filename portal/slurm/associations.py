"""Slurm's association tree as `sacctmgr show assoc` prints it, and the part of it below the portal's root."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.names import SLURM_ROOT
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU, parse_tres
from portal.slurm.types import AccountState, ClusterState, OtherAccount, PersonState

# Known to every version. `lineage` exists from 23.11 on; an unknown field makes the whole command fail.
# The cluster comes first, so that the second half of a name with a line break is no row.
FIELDS = "cluster,account,user,partition,parentname,grpjobs,grpsubmit,grptresmins,qos,defaultqos"
LINEAGE = ",lineage"
# What is always there comes first, for the same reason.
DEFAULTS_FIELDS = "adminlevel,user,defaultaccount"
OTHERS_FIELDS = "cluster,grptresmins,qos,user,account,parentname"


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


class OtherRow(NamedTuple):
    """What is read of any association of the cluster: of an account (user empty) or of a person with one."""

    account: str
    user: str
    parent: str
    gpu_minutes: int | None
    qos: frozenset[str]


def parse_associations(text: str, *, with_lineage: bool) -> list[AssociationRow]:
    """Rows of `sacctmgr -P -n show assoc format=FIELDS`.

    A row with another number of columns belongs to a name that holds a bar or a line break: never one of the portal's,
    so it is left out. Raises SlurmUnreadable where a number is none.
    """
    columns = len(FIELDS.split(",")) + with_lineage
    rows = (line.split("|") for line in text.splitlines())
    return [_row(parts) for parts in rows if len(parts) == columns]


def parse_defaults(text: str) -> dict[str, str]:
    """Everybody's default account, from rows of `show user format=DEFAULTS_FIELDS`; torn rows are left out."""
    rows = (line.split("|") for line in text.splitlines())
    return {parts[1]: parts[2] for parts in rows if len(parts) == len(DEFAULTS_FIELDS.split(","))}


def cluster_state(
    rows: Iterable[AssociationRow], root_account: str, defaults: Mapping[str, str] = MappingProxyType({})
) -> ClusterState:
    """Accounts and people at and below the root account; empty where the root account does not exist.

    `defaults`: of everybody on the cluster; those of the people here are taken.
    """
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
        defaults=MappingProxyType({user: defaults.get(user, "") for _account, user in people}),
    )


def parse_others(text: str, root_account: str) -> list[OtherAccount]:
    """Accounts of others, from rows of `format=OTHERS_FIELDS`.

    Here an account may have a bar in its name: its row has no user, and only the parent follows it. A row that is
    broken all the same (a name with a line break) is left out. Raises SlurmUnreadable where a limit is none.
    """
    return other_accounts(_others_rows(text), root_account)


def other_accounts(rows: Iterable[OtherRow], root_account: str) -> list[OtherAccount]:
    """Accounts that are not below the root, by name; Slurm's own root is none of them."""
    accounts: dict[str, OtherRow] = {}
    people: dict[str, set[str]] = {}
    for row in rows:
        if row.user:
            people.setdefault(row.account, set()).add(row.user)
        else:
            accounts[row.account] = row
    parents = {name: row.parent for name, row in accounts.items()}
    return [
        OtherAccount(name, row.parent, tuple(sorted(people.get(name, ()))), row.gpu_minutes, tuple(sorted(row.qos)))
        for name, row in sorted(accounts.items())
        if name != SLURM_ROOT and not is_below(name, root_account, parents)
    ]


def _others_rows(text: str) -> Iterator[OtherRow]:
    for line in text.splitlines():
        parts = line.split("|", 4)
        place = parts[-1].rpartition("|")
        if len(parts) == len(OTHERS_FIELDS.split(",")) - 1 and place[1]:
            _cluster, limit, qos, user, _place = parts
            account, _bar, parent = place
            yield OtherRow(account, user, parent, _gpu_minutes(account, limit, line), frozenset(_words(qos)))


def _words(text: str) -> list[str]:
    return text.split(",") if text else []


def _gpu_minutes(account: str, tres: str, line: str) -> int | None:
    try:
        return parse_tres(tres).get(GPU)
    except ValueError as error:
        raise _unreadable(account, error, line) from error


def _unreadable(account: str, error: ValueError, line: str) -> SlurmUnreadable:
    message = _("An association of %(account)s is not understood: %(trouble)s")
    return SlurmUnreadable(message, account=account, trouble=error, words=line)


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
    _cluster, account, user, _partition, parent, jobs, submit, tres, qos, default_qos, *lineage = parts
    try:
        return AssociationRow(
            account=account,
            user=user,
            parent=parent,
            group_jobs=int(jobs) if jobs else None,
            group_submit_jobs=int(submit) if submit else None,
            gpu_minutes=parse_tres(tres).get(GPU),
            qos=frozenset(_words(qos)),
            default_qos=default_qos,
            lineage=lineage[0] if lineage else "",
        )
    except ValueError as error:
        raise _unreadable(account, error, "|".join(parts)) from error


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
    """A person may have one row per partition: together they are what the person may do in the account."""
    person = PersonState(
        account=row.account,
        user=row.user,
        paused=row.stopped,
        gpu_minutes=row.gpu_minutes,
        qos=row.qos,
        default_qos=row.default_qos,
        lineage_ok=row.lineage.startswith(account_lineage),
    )
    if other is None:
        return person
    limits = (other.gpu_minutes, person.gpu_minutes)
    return replace(
        person,
        paused=person.paused and other.paused,
        gpu_minutes=None if None in limits else sum(filter(None, limits)),
        qos=person.qos | other.qos,
        default_qos=other.default_qos,
        lineage_ok=person.lineage_ok and other.lineage_ok,
    )
