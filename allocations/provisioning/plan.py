"""The difference between what should stand in Slurm and what does, as operations in an order safe at every step.

Pure: `plan(d, d) == []`, and doing `plan(d, o)` to `o` leaves nothing more to plan. Nothing is ever removed, moved or
cleared; what stands otherwise than it should and can only be put right in those ways is a Conflict for the operator.

The order, so that no moment gives more than before or after (design.md section 7, "Order of writes"):
people without a right are paused, leaves parked and limits lowered; then QOS; then accounts are created, leaves limited
and parked in the same command; then people; then limits are raised; and last leaves are un-parked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from portal.slurm.types import (
    AccountState,
    AddPerson,
    ClusterState,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    ResumePerson,
    SetLimit,
    SetQos,
    UnparkAccount,
)

# (account, user): who has a place where.
Key = tuple[str, str]


def plan(desired: ClusterState, observed: ClusterState, waiting: Collection[Key] = frozenset()) -> list[Operation]:
    """The fewest operations that make `observed` what is desired, in the order in which they may be done.

    `waiting`: people who have waiting jobs; who among them has no right is paused even where they are paused already,
    since pausing also cancels.

    Accounts and people of which `desired` knows nothing are left alone, except people in our own project and leaf
    accounts: they are paused. Where an account or a person hangs in the wrong place nothing is loosened.
    """
    misplaced = {conflict.account for conflict in conflicts(desired, observed) if conflict.kind.is_place}
    return [
        operation
        for operation in _all_operations(desired, observed, waiting)
        if tightens(operation, observed) or not misplaced.intersection(lineage(account_of(operation), desired))
    ]


def account_of(operation: Operation) -> str:
    return operation.name if isinstance(operation, CreateAccount) else operation.account


def person_of(operation: Operation) -> str:
    return operation.user if isinstance(operation, AddPerson | PausePerson | ResumePerson) else ""


def tightens(operation: Operation, observed: ClusterState) -> bool:
    """Whether the operation can only take rights away: such a one is never held back by trouble elsewhere."""
    if isinstance(operation, SetLimit):
        return _lowers(observed.accounts.get(operation.account), operation.gpu_minutes)
    return isinstance(operation, ParkAccount | PausePerson)


def lineage(account: str, state: ClusterState) -> list[str]:
    """The account and those above it, up to the portal's root account."""
    names = []
    while account in state.accounts and account not in names:
        names.append(account)
        account = state.accounts[account].parent
    return names


def is_leaf(account: AccountState) -> bool:
    """Only leaves have a limit; accounts of projects and the root never do."""
    return account.gpu_minutes is not None


def unsettled(desired: ClusterState, observed: ClusterState) -> set[str]:
    """Accounts that are not as desired, their people included, and all that hang below such an account."""
    named = {account_of(operation) for operation in plan(desired, observed)}
    named.update(conflict.account for conflict in conflicts(desired, observed) if conflict.kind.is_place)
    return {name for name in desired.accounts if named.intersection(lineage(name, desired))}


# --- What the portal sees and leaves to a person ---


class ConflictKind(StrEnum):
    ACCOUNT_MISPLACED = "account_misplaced"
    PERSON_MISPLACED = "person_misplaced"
    STOPPED_BY_HAND = "stopped_by_hand"
    UNKNOWN_ACCOUNT = "unknown_account"

    @property
    def is_place(self) -> bool:
        return self in {ConflictKind.ACCOUNT_MISPLACED, ConflictKind.PERSON_MISPLACED}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Something at or below our root account that the portal reports and never changes.

    `expected` and `found` are parents of a misplaced account, else empty.
    """

    kind: ConflictKind
    account: str
    user: str = ""
    expected: str = ""
    found: str = ""


def conflicts(desired: ClusterState, observed: ClusterState) -> list[Conflict]:
    """Accounts and people in the wrong place of the tree, accounts stopped by hand, accounts that nobody knows."""
    return [*_conflicts_of_accounts(desired, observed), *_conflicts_of_people(desired, observed)]


def _conflicts_of_accounts(desired: ClusterState, observed: ClusterState) -> Iterator[Conflict]:
    for found in observed.accounts.values():
        wanted = desired.accounts.get(found.name)
        if wanted is None:
            yield Conflict(ConflictKind.UNKNOWN_ACCOUNT, found.name)
            continue
        if wanted.parent in desired.accounts and found.parent != wanted.parent:
            yield Conflict(ConflictKind.ACCOUNT_MISPLACED, found.name, expected=wanted.parent, found=found.parent)
        if not is_leaf(wanted) and _stopped(found):
            yield Conflict(ConflictKind.STOPPED_BY_HAND, found.name)


def _conflicts_of_people(desired: ClusterState, observed: ClusterState) -> Iterator[Conflict]:
    for person in observed.people.values():
        if person.account in desired.accounts and not person.lineage_ok:
            yield Conflict(ConflictKind.PERSON_MISPLACED, person.account, user=person.user)


# --- The steps, in their order ---


def _all_operations(desired: ClusterState, observed: ClusterState, waiting: Collection[Key]) -> Iterator[Operation]:
    present = [
        (wanted, observed.accounts[name]) for name, wanted in desired.accounts.items() if name in observed.accounts
    ]
    leaves = [(wanted, found) for wanted, found in present if is_leaf(wanted)]
    yield from _pauses(desired, observed, waiting)
    yield from (ParkAccount(wanted.name) for wanted, found in leaves if wanted.parked and not found.parked)
    yield from (_limit(wanted) for wanted, found in leaves if _lowers(found, wanted.gpu_minutes))
    yield from (
        SetQos(wanted.name, wanted.qos, wanted.default_qos)
        for wanted, found in leaves
        if (wanted.qos, wanted.default_qos) != (found.qos, found.default_qos)
    )
    yield from _creations(desired, observed)
    yield from _arrivals(desired, observed)
    yield from (_limit(wanted) for wanted, found in leaves if _raises(found, wanted.gpu_minutes))
    yield from (
        UnparkAccount(wanted.name)
        for wanted in desired.accounts.values()
        if is_leaf(wanted) and not wanted.parked and _stopped(observed.accounts.get(wanted.name))
    )


def _pauses(desired: ClusterState, observed: ClusterState, waiting: Collection[Key]) -> Iterator[Operation]:
    for key, person in sorted(observed.people.items()):
        if without_right(key, desired) and (not person.paused or key in waiting):
            yield PausePerson(*key)


def _creations(desired: ClusterState, observed: ClusterState) -> Iterator[Operation]:
    missing = [wanted for name, wanted in desired.accounts.items() if name not in observed.accounts]
    for wanted in sorted(missing, key=lambda account: len(lineage(account.name, desired))):
        yield CreateAccount(
            name=wanted.name,
            parent=wanted.parent,
            gpu_minutes=wanted.gpu_minutes,
            parked=is_leaf(wanted),
            qos=wanted.qos,
            default_qos=wanted.default_qos,
        )


def _arrivals(desired: ClusterState, observed: ClusterState) -> Iterator[Operation]:
    for key, wanted in desired.people.items():
        found = observed.people.get(key)
        if wanted.paused:
            continue
        if found is None:
            yield AddPerson(*key)
        elif found.paused:
            yield ResumePerson(*key)


def without_right(key: Key, desired: ClusterState) -> bool:
    """Whether the account is a project's or a leaf of ours and the person has no right in it.

    The root account's own people are the operator's business.
    """
    account, _user = key
    is_ours = account in desired.accounts and desired.accounts[account].parent in desired.accounts
    wanted = desired.people.get(key)
    return is_ours and (wanted is None or wanted.paused)


def _limit(wanted: AccountState) -> SetLimit:
    assert wanted.gpu_minutes is not None  # only leaves come here
    return SetLimit(wanted.name, wanted.gpu_minutes)


def _lowers(found: AccountState | None, gpu_minutes: int | None) -> bool:
    if found is None or gpu_minutes is None:
        return False
    return found.gpu_minutes is None or gpu_minutes < found.gpu_minutes


def _raises(found: AccountState, gpu_minutes: int | None) -> bool:
    return found.gpu_minutes is not None and gpu_minutes is not None and gpu_minutes > found.gpu_minutes


def _stopped(found: AccountState | None) -> bool:
    """Nothing starts or nothing is accepted. An account that is not there yet will be created parked."""
    return found is None or found.group_jobs == 0 or found.group_submit_jobs == 0
