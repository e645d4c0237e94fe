"""The difference between what should stand in Slurm and what does, as operations in an order safe at every step.

Pure: `plan(d, d) == []`, and doing `plan(d, o)` to `o` leaves nothing more to plan. Nothing is ever removed, moved or
cleared but a person's own cap; what stands otherwise than it should and can only be put right in those ways, or only
by a person's word, is a Difference for the operator (differences.py).

The order, so that no moment gives more than before or after (design.md section 7, "Order of writes"):
people without a right are paused, leaves parked, limits and caps lowered; then QOS; then accounts are created, leaves
limited and parked in the same command; then people, their caps in the same command; then limits and caps are raised;
then leaves are un-parked; and last default accounts are set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from allocations.models import Drift
from allocations.provisioning.differences import DriftKey, differences, own_qos
from allocations.provisioning.tree import (
    Key,
    account_of,
    is_leaf,
    is_stopped,
    lineage,
    person_of,
    without_right,
    works_as_default,
)
from portal.slurm.types import (
    AccountState,
    AddPerson,
    CancelJobs,
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

# What kind of drift an operation puts right where it gives back what somebody took away.
GIVES_BACK: dict[type[Operation], Drift.Kind] = {
    SetLimit: Drift.Kind.LIMIT,
    SetPersonLimit: Drift.Kind.LIMIT,
    SetQos: Drift.Kind.QOS,
    SetPersonQos: Drift.Kind.QOS,
    CreateAccount: Drift.Kind.REMOVED,
    AddPerson: Drift.Kind.REMOVED,
}


def plan(
    desired: ClusterState,
    observed: ClusterState,
    *,
    holds: Collection[Key] = frozenset(),
    waits: Collection[DriftKey] = frozenset(),
    waiting: Collection[Key] = frozenset(),
) -> list[Operation]:
    """The fewest operations that make `observed` what is desired, in the order in which they may be done.

    `holds`: what the portal itself has stopped, or may release by an operator's word; what else is stopped was stopped
    by hand and stays so. `waits`: what somebody took away and an operator has not yet let the portal give back.
    `waiting`: people who have waiting jobs; who among them has no right is paused even where they are paused already,
    since pausing also cancels.

    Accounts and people of which `desired` knows nothing are left alone, except people in our own project and leaf
    accounts: they are paused. Where an account or a person hangs in the wrong place nothing is loosened.
    """
    steps = Steps(desired, observed, holds=holds, waiting=waiting)
    blocked = {found.account for found in differences(desired, observed) if found.misplaces}
    blocked.update(account for kind, account, user in waits if (kind, user) == (Drift.Kind.REMOVED, ""))
    return [
        operation
        for operation in steps.all()
        if tightens(operation, observed)
        or not (_waits(operation, observed, waits) or _is_blocked(operation, desired, blocked))
    ]


def tightens(operation: Operation, observed: ClusterState) -> bool:
    """Whether the operation can only take rights away: such a one is never held back by trouble elsewhere."""
    account = observed.accounts.get(account_of(operation))
    person = observed.people.get((account_of(operation), person_of(operation)))
    match operation:
        case SetLimit():
            return account is not None and _is_lower(operation.gpu_minutes, account.gpu_minutes)
        case SetPersonLimit():
            return person is not None and _is_lower(operation.gpu_minutes, person.gpu_minutes)
        case SetQos():
            return account is not None and operation.qos <= account.qos
        case SetPersonQos():
            return person is not None and operation.qos <= person.qos
        case ParkAccount() | PausePerson() | CancelJobs():
            return True
    return False


def unsettled(
    desired: ClusterState,
    observed: ClusterState,
    *,
    holds: Collection[Key] = frozenset(),
    waits: Collection[DriftKey] = frozenset(),
) -> set[str]:
    """Accounts that are not as desired, their people included, and all that hang below such an account.

    Not for what waits for a word about one person, nor for default accounts: there the account itself works.
    """
    planned = plan(desired, observed, holds=holds, waits=waits)
    named = {account_of(operation) for operation in planned if not isinstance(operation, SetDefaultAccount)}
    open_differences = differences(desired, observed, holds=holds)
    named.update(found.account for found in open_differences if not found.user or found.misplaces)
    return {name for name in desired.accounts if not named.isdisjoint(lineage(name, desired))}


def _waits(operation: Operation, observed: ClusterState, waits: Collection[DriftKey]) -> bool:
    if isinstance(operation, SetQos | SetPersonQos) and not _found_qos(operation, observed) <= operation.qos:
        return False  # another pool's QOS is there, and goes at once
    kind = GIVES_BACK.get(type(operation))
    if isinstance(operation, SetDefaultAccount):
        kind = Drift.Kind.REMOVED
    return (kind, account_of(operation), person_of(operation)) in waits


def _found_qos(operation: SetQos | SetPersonQos, observed: ClusterState) -> frozenset[str]:
    if isinstance(operation, SetPersonQos):
        return observed.people[operation.account, operation.user].qos
    return observed.accounts[operation.account].qos


def _is_blocked(operation: Operation, desired: ClusterState, blocked: Collection[str]) -> bool:
    return bool(blocked) and any(name in blocked for name in lineage(account_of(operation), desired))


class Steps:
    """The steps of a plan, in their order."""

    def __init__(
        self, desired: ClusterState, observed: ClusterState, *, holds: Collection[Key], waiting: Collection[Key]
    ) -> None:
        self.desired = desired
        self.observed = observed
        self.holds = holds
        self.waiting = waiting
        self.leaves = [
            (wanted, observed.accounts[name])
            for name, wanted in desired.accounts.items()
            if is_leaf(wanted) and name in observed.accounts
        ]
        self.people = [
            (wanted, observed.people[key]) for key, wanted in desired.people.items() if key in observed.people
        ]

    def all(self) -> Iterator[Operation]:
        yield from self._pauses()
        yield from (ParkAccount(wanted.name) for wanted, found in self.leaves if wanted.parked and not found.parked)
        yield from self._limits(lower=True)
        yield from self._caps(lower=True)
        yield from self._qos()
        yield from self._creations()
        yield from self._arrivals()
        yield from self._limits(lower=False)
        yield from self._caps(lower=False)
        yield from self._openings()
        yield from self._defaults()

    def _pauses(self) -> Iterator[Operation]:
        for key, person in sorted(self.observed.people.items()):
            if without_right(key, self.desired) and (not person.paused or key in self.waiting):
                yield PausePerson(*key)

    def _limits(self, *, lower: bool) -> Iterator[Operation]:
        for wanted, found in self.leaves:
            differs = wanted.gpu_minutes != found.gpu_minutes
            if wanted.gpu_minutes is not None and differs and _is_lower(wanted.gpu_minutes, found.gpu_minutes) == lower:
                yield SetLimit(wanted.name, wanted.gpu_minutes)

    def _caps(self, *, lower: bool) -> Iterator[Operation]:
        for wanted, found in self.people:
            differs = wanted.gpu_minutes != found.gpu_minutes
            if differs and _is_lower(wanted.gpu_minutes, found.gpu_minutes) == lower:
                yield SetPersonLimit(wanted.account, wanted.user, wanted.gpu_minutes)

    def _qos(self) -> Iterator[Operation]:
        """Accounts first: a person whose row has none of its own follows the account."""
        for wanted, found in self.leaves:
            if _qos_of(wanted) != _qos_of(found):
                yield SetQos(wanted.name, wanted.qos, wanted.default_qos)
        for person, there in self.people:
            if own_qos(there, self.observed) and _qos_of(person) != _qos_of(there):
                yield SetPersonQos(person.account, person.user, person.qos, person.default_qos)

    def _creations(self) -> Iterator[Operation]:
        missing = [wanted for name, wanted in self.desired.accounts.items() if name not in self.observed.accounts]
        for wanted in sorted(missing, key=lambda account: len(lineage(account.name, self.desired))):
            yield CreateAccount(
                name=wanted.name,
                parent=wanted.parent,
                gpu_minutes=wanted.gpu_minutes,
                parked=is_leaf(wanted),
                qos=wanted.qos,
                default_qos=wanted.default_qos,
            )

    def _arrivals(self) -> Iterator[Operation]:
        """Slurm makes a newcomer's first account their default, so the one that shall be it comes first."""
        for key in sorted(self.desired.people, key=lambda key: self.desired.defaults.get(key[1]) != key[0]):
            wanted, found = self.desired.people[key], self.observed.people.get(key)
            if found is None:
                yield AddPerson(*key, wanted.gpu_minutes)
            elif found.paused and key in self.holds:
                yield ResumePerson(*key)

    def _openings(self) -> Iterator[Operation]:
        for name, wanted in self.desired.accounts.items():
            found = self.observed.accounts.get(name)
            if found is None and is_leaf(wanted) and not wanted.parked:
                yield UnparkAccount(name)
            if found is not None and not wanted.parked and is_stopped(found) and (name, "") in self.holds:
                yield UnparkAccount(name)

    def _defaults(self) -> Iterator[Operation]:
        """Only where the present one is ours and does not work, or there is none."""
        for user, account in sorted(self.desired.defaults.items()):
            present = self.observed.defaults.get(user)
            is_ours = present in self.desired.accounts or present == ""
            if present is not None and is_ours and not works_as_default(present, user, self.desired):
                yield SetDefaultAccount(account, user)


def _is_lower(gpu_minutes: int | None, than: int | None) -> bool:
    """None is no limit at all."""
    return gpu_minutes is not None and (than is None or gpu_minutes < than)


def _qos_of(state: AccountState | PersonState) -> tuple[frozenset[str], str]:
    return state.qos, state.default_qos
