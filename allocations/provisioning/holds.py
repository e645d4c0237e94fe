"""What the portal itself has stopped. Written before the command, so that no crash makes a pause of ours look like
somebody else's; what is stopped without a hold was stopped by hand and stays so."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from allocations.models import Hold
from allocations.provisioning.tree import Key, is_stopped, without_right
from portal.slurm.types import ClusterState, CreateAccount, Operation, ParkAccount, PausePerson


def held() -> set[Key]:
    return set(Hold.objects.values_list("account", "person"))


def hold_of(operation: Operation, observed: ClusterState) -> Key | None:
    """What the operation stops, None where it stops nothing or where that was stopped before: whoever did that keeps
    the say over it."""
    match operation:
        case CreateAccount(name=name, parked=True):
            return name, ""
        case ParkAccount(account=account):
            found = observed.accounts.get(account)
            return None if found is not None and is_stopped(found) else (account, "")
        case PausePerson(account=account, user=user):
            person = observed.people.get((account, user))
            return None if person is not None and person.paused else (account, user)
    return None


def take_hold(key: Key) -> None:
    Hold.objects.bulk_create([Hold(account=key[0], person=key[1])], ignore_conflicts=True)


def let_go(holds: Collection[Key], desired: ClusterState, observed: ClusterState) -> None:
    """Remove the holds of what may work and, as read back, can."""
    over = [key for key in holds if _may_work(key, desired) and _is_open(key, observed)]
    if over:
        which = Q()
        for account, person in over:
            which |= Q(account=account, person=person)
        Hold.objects.filter(which).delete()


def _may_work(key: Key, desired: ClusterState) -> bool:
    account, user = key
    if user:
        return not without_right(key, desired)
    return account not in desired.accounts or not desired.accounts[account].parked


def _is_open(key: Key, observed: ClusterState) -> bool:
    account, user = key
    if user:
        return key in observed.people and not observed.people[key].paused
    return account in observed.accounts and not is_stopped(observed.accounts[account])
