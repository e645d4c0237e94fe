"""Telling every Account how far Slurm has followed, by what was read back and by nothing else."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from allocations.models import Account
from allocations.provisioning.tree import lineage
from allocations.services.accounts import account_applying, account_in_force, account_refused
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import AccountState, ClusterState, Counter

# slurmctld hears of a change from slurmdbd within a second; it is asked again for so long.
HEARD_WITHIN_SECONDS = 3.0
ASK_AGAIN_SECONDS = 0.25


def mark_accounts(
    accounts: Iterable[Account],
    desired: ClusterState,
    observed: ClusterState,
    *,
    unsettled: Collection[str],
    refused: Mapping[str, str],
    heard: Collection[str],
    at: datetime,
) -> list[Account]:
    """Mark each account in force, refused or still being applied; returns those that changed.

    In force means that `observed`, read back from slurmdbd, holds exactly what is desired of the leaf, of the accounts
    above it and of its people (it is not `unsettled`), and that slurmctld enforces that limit (`heard`), where it is
    new. `refused`: Slurm's words by the account (a leaf or one above it) that it refused.
    """
    changed, unchanged = [], []
    for account in accounts:
        found = observed.accounts.get(account.name)
        words = _words(account.name, desired, refused)
        settled = account.name not in unsettled
        if _is_known(account, found, words, settled=settled):
            unchanged.append(account.pk)
            continue
        if _mark(account, found, words, settled=settled and account.name in heard, at=at):
            changed.append(account)
    Account.objects.filter(pk__in=unchanged).update(read_back_at=at)
    return changed


def newly_settled(accounts: Iterable[Account], observed: ClusterState, unsettled: Collection[str]) -> dict[str, int]:
    """Limits in GPU-minutes, by name, of the accounts that are as desired and are not known to be so yet. Pure."""
    limits: dict[str, int] = {}
    for account in accounts:
        found = observed.accounts.get(account.name)
        if found is None or found.gpu_minutes is None or account.name in unsettled:
            continue
        if not _is_known(account, found, "", settled=True):
            limits[account.name] = found.gpu_minutes
    return limits


def heard_by_slurmctld(gateway: SlurmGateway, limits: Mapping[str, int]) -> set[str]:
    """The accounts whose limit slurmctld itself enforces, asked again until all are or HEARD_WITHIN_SECONDS are over.

    Raises SlurmError where it does not answer.
    """
    until = time.monotonic() + HEARD_WITHIN_SECONDS
    while limits:
        counters = gateway.counters()
        heard = {name for name, limit in limits.items() if _enforces(counters, name, limit)}
        if len(heard) == len(limits) or time.monotonic() >= until:
            return heard
        time.sleep(ASK_AGAIN_SECONDS)
    return set()


def _enforces(counters: Mapping[str, Counter], name: str, limit: int) -> bool:
    return name in counters and counters[name].limit_gpu_minutes == limit


def _words(account: str, desired: ClusterState, refused: Mapping[str, str]) -> str:
    return next((refused[name] for name in lineage(account, desired) if name in refused), "")


def _is_known(account: Account, found: AccountState | None, words: str, *, settled: bool) -> bool:
    """Whether the row already says all this, so that only the time of reading is new."""
    if settled != (account.state == Account.State.IN_FORCE) or (words and words != account.slurm_words):
        return False
    return (account.limit_gpu_minutes, account.parked) == _as_read(found)


def _mark(account: Account, found: AccountState | None, words: str, *, settled: bool, at: datetime) -> bool:
    """Whether anything is new but the time of reading."""
    before = account.state, account.limit_gpu_minutes, account.parked, account.slurm_words
    gpu_minutes, parked = _as_read(found)
    if settled and gpu_minutes is not None:
        account_in_force(account=account, gpu_minutes=gpu_minutes, parked=parked, at=at)
    else:
        account_applying(account=account, gpu_minutes=gpu_minutes, parked=parked, at=at)
        if words:
            account_refused(account=account, words=words, at=at)
    return before != (account.state, account.limit_gpu_minutes, account.parked, account.slurm_words)


def _as_read(found: AccountState | None) -> tuple[int | None, bool]:
    """Limit and parked as Slurm has them; an account that is not there lets nobody start anything."""
    return (found.gpu_minutes, found.parked) if found else (None, True)
