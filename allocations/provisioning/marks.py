"""Telling every Account how far Slurm has followed, by what was read back and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from allocations.models import Account
from allocations.provisioning.plan import lineage, unsettled
from allocations.services.accounts import account_applying, account_in_force, account_refused
from portal.slurm.types import AccountState, ClusterState


def mark_accounts(
    desired: ClusterState, observed: ClusterState, refused: Mapping[str, str], *, at: datetime
) -> list[Account]:
    """Mark each account in force, refused or still being applied; returns those that changed.

    In force means that `observed`, read back from Slurm, holds exactly what is desired of the leaf, of the accounts
    above it and of its people. `refused`: Slurm's words by the account (a leaf or one above it) that it refused.
    """
    behind = unsettled(desired, observed)
    changed, unchanged = [], []
    for account in Account.objects.select_related("project").filter(name__in=desired.accounts):
        found = observed.accounts.get(account.name)
        words = _words(account.name, desired, refused)
        if _is_known(account, found, words, settled=account.name not in behind):
            unchanged.append(account.pk)
            continue
        _mark(account, found, words, settled=account.name not in behind, at=at)
        changed.append(account)
    Account.objects.filter(pk__in=unchanged).update(read_back_at=at)
    return changed


def _words(account: str, desired: ClusterState, refused: Mapping[str, str]) -> str:
    return next((refused[name] for name in lineage(account, desired) if name in refused), "")


def _is_known(account: Account, found: AccountState | None, words: str, *, settled: bool) -> bool:
    """Whether the row already says all this, so that only the time of reading is new."""
    if settled != (account.state == Account.State.IN_FORCE) or (words and words != account.slurm_words):
        return False
    return (account.limit_gpu_minutes, account.parked) == _as_read(found)


def _mark(account: Account, found: AccountState | None, words: str, *, settled: bool, at: datetime) -> None:
    gpu_minutes, parked = _as_read(found)
    if settled and gpu_minutes is not None:
        account_in_force(account=account, gpu_minutes=gpu_minutes, parked=parked, at=at)
        return
    account_applying(account=account, gpu_minutes=gpu_minutes, parked=parked, at=at)
    if words:
        account_refused(account=account, words=words, at=at)


def _as_read(found: AccountState | None) -> tuple[int | None, bool]:
    """Limit and parked as Slurm has them; an account that is not there lets nobody start anything."""
    return (found.gpu_minutes, found.parked) if found else (None, True)
