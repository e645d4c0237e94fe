"""Where Slurm is otherwise than it should be, in the words of drift. Pure.

A difference is nobody's fault yet: a new grant is one until its account is made. Which of them were made behind the
portal's back follows from what was last read back (drift.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from allocations.models import Drift
from allocations.provisioning.tree import Key, is_leaf, is_root, is_stopped, without_right
from portal.slurm.types import AccountState, ClusterState, PersonState

Kind = Drift.Kind
# (kind, account, user)
DriftKey = tuple[str, str, str]
# The portal never moves anything in Slurm's tree.
MISPLACED = frozenset({Kind.PARENT, Kind.LINEAGE})


@dataclass(frozen=True, slots=True)
class Difference:
    """`expected` and `found` are values of the kind: GPU-minutes, names of QOS, a parent; empty for none."""

    kind: Drift.Kind
    account: str
    user: str = ""
    expected: str = ""
    found: str = ""

    @property
    def key(self) -> DriftKey:
        return self.kind, self.account, self.user

    @property
    def misplaces(self) -> bool:
        """Whether it lies in the tree, where the portal never puts anything right."""
        return self.kind in MISPLACED

    @property
    def is_left_to_a_person(self) -> bool:
        """Whether no operation of the portal puts it right by itself."""
        return self.misplaces or self.kind == Kind.STOPPED or (self.kind == Kind.ADDED and not self.user)


def differences(
    desired: ClusterState,
    observed: ClusterState,
    *,
    holds: Collection[Key] = frozenset(),
    linked: Collection[str] = frozenset(),
) -> Iterator[Difference]:
    """All of them. `holds`: what the portal has stopped itself; `linked`: accounts that are known and left alone."""
    for name, wanted in desired.accounts.items():
        found = observed.accounts.get(name)
        if found is None:
            yield Difference(Kind.REMOVED, name)
        else:
            yield from _of_account(wanted, found, holds)
    for name, found in observed.accounts.items():
        if name not in desired.accounts and name not in linked:
            yield Difference(Kind.ADDED, name, found=found.parent)
    for key, person in desired.people.items():
        there = observed.people.get(key)
        if there is not None:
            yield from _of_person(person, there, observed, holds)
        elif key[0] in observed.accounts:
            yield Difference(Kind.REMOVED, *key)
    for key, there in observed.people.items():
        if without_right(key, desired) and not there.paused:
            yield Difference(Kind.RELEASED, *key)
        if key[0] in desired.accounts and not there.lineage_ok:
            yield Difference(Kind.LINEAGE, *key)


def own_qos(person: PersonState, observed: ClusterState) -> bool:
    """Whether the person's row has QOS of its own, instead of following its account."""
    account = observed.accounts[person.account]
    return (person.qos, person.default_qos) != (account.qos, account.default_qos)


def _of_account(wanted: AccountState, found: AccountState, holds: Collection[Key]) -> Iterator[Difference]:
    name = wanted.name
    if not is_root(wanted) and found.parent != wanted.parent:
        yield Difference(Kind.PARENT, name, expected=wanted.parent, found=found.parent)
    if not wanted.parked and is_stopped(found) and (name, "") not in holds:
        yield Difference(Kind.STOPPED, name)
    if not is_leaf(wanted):
        return
    if wanted.parked and not found.parked:
        yield Difference(Kind.RELEASED, name)
    if wanted.gpu_minutes != found.gpu_minutes:
        yield Difference(Kind.LIMIT, name, expected=_minutes(wanted.gpu_minutes), found=_minutes(found.gpu_minutes))
    if (wanted.qos, wanted.default_qos) != (found.qos, found.default_qos):
        yield Difference(Kind.QOS, name, expected=_names(wanted), found=_names(found))


def _of_person(
    wanted: PersonState, found: PersonState, observed: ClusterState, holds: Collection[Key]
) -> Iterator[Difference]:
    key = wanted.account, wanted.user
    if found.paused and key not in holds:
        yield Difference(Kind.STOPPED, *key)
    if wanted.gpu_minutes != found.gpu_minutes:
        yield Difference(Kind.LIMIT, *key, expected=_minutes(wanted.gpu_minutes), found=_minutes(found.gpu_minutes))
    if own_qos(found, observed) and (wanted.qos, wanted.default_qos) != (found.qos, found.default_qos):
        yield Difference(Kind.QOS, *key, expected=_names(wanted), found=_names(found))


def _minutes(gpu_minutes: int | None) -> str:
    return "" if gpu_minutes is None else str(gpu_minutes)


def _names(state: AccountState | PersonState) -> str:
    """All QOS, the default one marked where there are several."""
    names = sorted(state.qos, key=lambda name: (name != state.default_qos, name))
    return ", ".join(names)[:300]
