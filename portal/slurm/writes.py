"""Each operation as one sacctmgr command, and the test whether reading back shows it done.

Exit codes prove nothing (slurm-facts 1.1): 1 may mean "already so", 0 may mean that nothing happened.
"""

from __future__ import annotations

from collections.abc import Mapping

from portal.slurm.associations import is_below
from portal.slurm.errors import SlurmRefused
from portal.slurm.names import checked_account, checked_listed_person, checked_person, checked_qos
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU
from portal.slurm.types import (
    AccountState,
    AddPerson,
    CancelJobs,
    ClusterState,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
    UnparkAccount,
)

LIMIT_END = 2**63
STOPPED = ("GrpJobs=0", "GrpSubmitJobs=0")
RELEASED = ("GrpJobs=-1", "GrpSubmitJobs=-1")
# Back to the account's: only both in one command, as a default outside the list is refused (24.11, 26.05).
INHERITED_QOS = ("qos=", "DefaultQOS=-1")
NO_LIMIT = -1
NOT_BELOW = _("%(account)s is no account below %(root)s.")


# What sacctmgr does. Jobs are cancelled by scancel.
SacctmgrOperation = (
    CreateAccount
    | SetLimit
    | ParkAccount
    | UnparkAccount
    | SetQos
    | AddPerson
    | PausePerson
    | ResumePerson
    | SetPersonLimit
    | SetPersonQos
    | SetDefaultAccount
)


def account_of(operation: Operation) -> str:
    return operation.name if isinstance(operation, CreateAccount) else operation.account


def check(operation: Operation) -> None:
    """Raises BadName or SlurmRefused for what must not reach Slurm: sacctmgr guesses where it should refuse."""
    checked_account(account_of(operation))
    match operation:
        case CreateAccount():
            checked_account(operation.parent)
            _check_qos(operation.qos, operation.default_qos)
            if operation.gpu_minutes is not None:
                _check_limit(operation.gpu_minutes)
        case SetLimit():
            _check_limit(operation.gpu_minutes)
        case SetQos():
            _check_some_qos(operation.account, operation.qos, operation.default_qos)
        case AddPerson() | SetPersonLimit():
            checked_person(operation.user)
            if operation.gpu_minutes is not None:
                _check_limit(operation.gpu_minutes)
        case SetPersonQos():
            checked_person(operation.user)
            _check_some_qos(operation.account, operation.qos, operation.default_qos)
        case CancelJobs():
            if operation.user:
                checked_listed_person(operation.user)
        case PausePerson():
            checked_listed_person(operation.user)
        case ResumePerson() | SetDefaultAccount():
            checked_person(operation.user)


def check_place(operation: Operation, root_account: str, parents: Mapping[str, str]) -> None:
    """Raises SlurmRefused for an account outside the portal's tree, and for what would move one.

    `parents`: account -> the one above it, for the accounts concerned and all above them.
    """
    account = account_of(operation)
    if not isinstance(operation, CreateAccount):
        if not is_below(account, root_account, parents):
            raise SlurmRefused(NOT_BELOW, account=account, root=root_account)
        return
    if account in parents and parents[account] != operation.parent:
        message = _("%(account)s exists below %(parent)s; accounts are never moved.")
        raise SlurmRefused(message, account=account, parent=parents[account])
    if account != root_account and not is_below(operation.parent, root_account, parents):
        raise SlurmRefused(NOT_BELOW, account=operation.parent, root=root_account)


def command(operation: SacctmgrOperation, cluster: str, *, exists: bool) -> tuple[str, ...]:
    """The sacctmgr command. `exists`: the account is there already, so that creating it means making it as asked."""
    match operation:
        case CreateAccount() if exists:
            return _modify_account(operation.name, cluster, *_settings(operation))
        case CreateAccount():
            place = (f"name={operation.name}", f"cluster={cluster}", f"parent={operation.parent}")
            return _sacctmgr("add", "account", *place, *_settings(operation))
        case SetLimit():
            return _modify_account(operation.account, cluster, _limit(operation.gpu_minutes))
        case ParkAccount():
            return _modify_account(operation.account, cluster, *STOPPED)
        case UnparkAccount():
            return _modify_account(operation.account, cluster, *RELEASED)
        case SetQos():
            return _modify_account(operation.account, cluster, *_qos(operation.qos, operation.default_qos))
        case AddPerson():
            place = (f"name={operation.user}", f"cluster={cluster}", f"account={operation.account}")
            cap = () if operation.gpu_minutes is None else (_limit(operation.gpu_minutes),)
            return _sacctmgr("add", "user", *place, *cap)
        case PausePerson():
            return _modify_person(operation.account, operation.user, cluster, *STOPPED)
        case ResumePerson():
            return _modify_person(operation.account, operation.user, cluster, *RELEASED)
        case SetPersonLimit():
            minutes = NO_LIMIT if operation.gpu_minutes is None else operation.gpu_minutes
            return _modify_person(operation.account, operation.user, cluster, _limit(minutes))
        case SetPersonQos():
            return _modify_person(operation.account, operation.user, cluster, *INHERITED_QOS)
        case SetDefaultAccount():
            default = f"DefaultAccount={operation.account}"
            return _sacctmgr("modify", "user", "where", f"name={operation.user}", f"cluster={cluster}", "set", default)


def is_done(operation: SacctmgrOperation, state: ClusterState) -> bool:
    """Whether the account and its people, as read back, are what the operation asked for."""
    account = state.accounts.get(account_of(operation))
    if account is None:
        return False
    match operation:
        case CreateAccount():
            return _created(operation, account)
        case SetLimit():
            return account.gpu_minutes == operation.gpu_minutes
        case ParkAccount():
            return account.parked
        case UnparkAccount():
            return account.group_jobs is None and account.group_submit_jobs is None
        case SetQos():
            return account.qos == operation.qos and account.default_qos == operation.default_qos
    person = state.people.get((operation.account, operation.user))
    if person is None:
        return False
    match operation:
        case AddPerson():
            return operation.gpu_minutes in (None, person.gpu_minutes)
        case PausePerson():
            return person.paused
        case ResumePerson():
            return not person.paused
        case SetPersonLimit():
            return person.gpu_minutes == operation.gpu_minutes
        case SetPersonQos():
            return person.qos == operation.qos and person.default_qos == operation.default_qos
        case SetDefaultAccount():
            return state.defaults.get(operation.user) == operation.account


def _created(operation: CreateAccount, account: AccountState) -> bool:
    return (
        account.parent == operation.parent
        and operation.gpu_minutes in (None, account.gpu_minutes)
        and (account.parked or not operation.parked)
        and (not operation.qos or account.qos == operation.qos)
        and (not operation.default_qos or account.default_qos == operation.default_qos)
    )


def _check_limit(gpu_minutes: int) -> None:
    if not (isinstance(gpu_minutes, int) and 0 <= gpu_minutes < LIMIT_END):
        raise SlurmRefused(_("%(minutes)s GPU-minutes are no limit."), minutes=gpu_minutes)


def _check_some_qos(account: str, qos: frozenset[str], default_qos: str) -> None:
    if not qos:
        raise SlurmRefused(_("%(account)s must keep at least one QOS."), account=account)
    _check_qos(qos, default_qos)


def _check_qos(qos: frozenset[str], default_qos: str) -> None:
    for name in qos:
        checked_qos(name)
    if default_qos and default_qos not in qos:
        raise SlurmRefused(
            _("The default QOS %(default)s is not among %(qos)s."), default=default_qos, qos=", ".join(sorted(qos))
        )


def _settings(operation: CreateAccount) -> tuple[str, ...]:
    """All in one command, so that the account is never open without its limit."""
    limit = () if operation.gpu_minutes is None else (_limit(operation.gpu_minutes),)
    return ((*STOPPED,) if operation.parked else ()) + limit + _qos(operation.qos, operation.default_qos)


def _limit(gpu_minutes: int) -> str:
    return f"GrpTRESMins={GPU}={gpu_minutes}"


def _qos(qos: frozenset[str], default_qos: str) -> tuple[str, ...]:
    names = (f"qos={','.join(sorted(qos))}",) if qos else ()
    return names + ((f"DefaultQOS={default_qos}",) if default_qos else ())


def _modify_account(account: str, cluster: str, *settings: str) -> tuple[str, ...]:
    return _sacctmgr("modify", "account", "where", f"name={account}", f"cluster={cluster}", "set", *settings)


def _modify_person(account: str, user: str, cluster: str, *settings: str) -> tuple[str, ...]:
    place = (f"name={user}", f"account={account}", f"cluster={cluster}")
    return _sacctmgr("modify", "user", "where", *place, "set", *settings)


def _sacctmgr(*words: str) -> tuple[str, ...]:
    return ("sacctmgr", "-i", *words)
