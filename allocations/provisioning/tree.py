"""Words that desired state, plan and drift share about Slurm's tree of accounts. Pure."""

from __future__ import annotations

from portal.slurm.names import SLURM_ROOT
from portal.slurm.types import AccountState, ClusterState, CreateAccount, Operation

# (account, user): who has a place where; the user is empty for the account itself.
Key = tuple[str, str]


def account_of(operation: Operation) -> str:
    return operation.name if isinstance(operation, CreateAccount) else operation.account


def person_of(operation: Operation) -> str:
    return str(getattr(operation, "user", ""))


def lineage(account: str, state: ClusterState) -> list[str]:
    """The account and those above it that the state knows, up to the portal's root account."""
    names: list[str] = []
    while account in state.accounts and account not in names:
        names.append(account)
        account = state.accounts[account].parent
    return names


def is_leaf(account: AccountState) -> bool:
    """Only leaves have a limit; accounts of projects and the root never do."""
    return account.gpu_minutes is not None


def is_root(account: AccountState) -> bool:
    """Whether it is the portal's own root account: where it hangs, and who is in it, is the operator's business."""
    return account.parent == SLURM_ROOT


def is_stopped(account: AccountState) -> bool:
    """Nothing starts, or nothing is accepted: half of being parked is enough to keep people from working."""
    return account.group_jobs == 0 or account.group_submit_jobs == 0


def without_right(key: Key, desired: ClusterState) -> bool:
    """Whether the account is a project's or a leaf of ours and the person has no right in it."""
    account = desired.accounts.get(key[0])
    return account is not None and not is_root(account) and key not in desired.people


def works_as_default(account: str, user: str, desired: ClusterState) -> bool:
    """Whether the person's jobs that name no account can start there."""
    wanted = desired.accounts.get(account)
    return wanted is not None and not wanted.parked and (account, user) in desired.people
