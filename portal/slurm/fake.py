"""A cluster in memory, for tests that need no Slurm. Held to the same contract as the drivers.

It enforces nothing and runs nothing: jobs are what the test puts into `history` and `waiting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from portal.slurm import writes
from portal.slurm.associations import is_below
from portal.slurm.errors import SlurmError, SlurmRefused
from portal.slurm.names import SLURM_ROOT, checked_root
from portal.slurm.queue import WAITING
from portal.slurm.sacct import in_window
from portal.slurm.types import (
    AccountState,
    AddPerson,
    ClusterState,
    Counter,
    CreateAccount,
    JobRecord,
    NodeGroup,
    Operation,
    ParkAccount,
    PartitionConfig,
    PausePerson,
    PersonState,
    QueueEntry,
    ResumePerson,
    SetLimit,
    SetQos,
    SlurmConfig,
    UnparkAccount,
    UnreadableRow,
)

POOLS = ("h100", "a100")
CONFIG = SlurmConfig(
    cluster="pohang",
    version="fake",
    enforce=frozenset({"associations", "limits", "qos", "safe"}),
    tracked_tres=frozenset({"cpu", "gres/gpu", "gres/gpu:h100", "gres/gpu:a100"}),
    priority_type="priority/multifactor",
    decay_half_life="00:00:00",
    usage_reset_period="NONE",
    enforce_part_limits="ALL",
    partitions=tuple(PartitionConfig(name, frozenset({name}), 60, 1440) for name in POOLS),
    qos=frozenset({"normal", *POOLS}),
)
CAPACITY = [NodeGroup(name, name, nodes=1, gpus=4, gpus_in_use=0, gpus_down=0) for name in POOLS]


class FakeGateway:
    """`broken` is raised by every call while it is set; `executed` lists what was carried out, in order."""

    driver = "fake"

    def __init__(self, cluster: str = "pohang", root_account: str = "portal") -> None:
        self.cluster = cluster
        self.root_account = checked_root(root_account)
        self.accounts: dict[str, AccountState] = {SLURM_ROOT: AccountState(SLURM_ROOT, "", qos=frozenset({"normal"}))}
        self.people: dict[tuple[str, str], PersonState] = {}
        self.history: list[JobRecord | UnreadableRow] = []
        self.waiting: list[QueueEntry] = []
        self.reserved: dict[str, int] = {}
        self.nodes = list(CAPACITY)
        self.settings = replace(CONFIG, cluster=cluster)
        self.executed: list[Operation] = []
        self.broken: SlurmError | None = None

    def snapshot(self) -> ClusterState:
        self._answer()
        accounts = {name: account for name, account in self.accounts.items() if self._is_ours(name)}
        people = {key: person for key, person in self.people.items() if key[0] in accounts}
        return ClusterState(MappingProxyType(accounts), MappingProxyType(people))

    def execute(self, operation: Operation) -> str:
        writes.check(operation)
        self._answer()
        writes.check_place(operation, self.root_account, self._parents())
        self._apply(operation)
        self.executed.append(operation)
        return "done"

    def counters(self) -> Mapping[str, Counter]:
        """Used: what the rows of `history` add up to by now; reserved: as set in `reserved`."""
        now = datetime.now(UTC)
        used = dict.fromkeys(self.snapshot().accounts, 0)
        for (account, _user), seconds in self.usage(datetime.min.replace(tzinfo=UTC), now).items():
            for name in used:
                if is_below(account, name, self._parents()):
                    used[name] += seconds
        return {
            name: Counter(name, seconds, self.reserved.get(name, 0), self.accounts[name].gpu_minutes, exact=True)
            for name, seconds in used.items()
        }

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        self._answer()
        until = min(until, datetime.now(UTC))
        return (row for row in list(self.history) if since < until and in_window(row, since, until))

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        self._answer()
        usage: dict[tuple[str, str], int] = {}
        for row in self.history:
            if isinstance(row, JobRecord) and row.gpus and row.start is not None:
                seconds = (min(row.end or end, end) - max(row.start, start)).total_seconds()
                if seconds > 0:
                    key = (row.account, row.user)
                    usage[key] = usage.get(key, 0) + int(seconds) * row.gpus
        return usage

    def queue(self) -> list[QueueEntry]:
        self._answer()
        return list(self.waiting)

    def capacity(self) -> list[NodeGroup]:
        self._answer()
        return list(self.nodes)

    def config(self) -> SlurmConfig:
        self._answer()
        return self.settings

    def foreign_accounts(self) -> list[str]:
        self._answer()
        return sorted(name for name in self.accounts if name != SLURM_ROOT and not self._is_ours(name))

    def _answer(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _parents(self) -> dict[str, str]:
        return {name: account.parent for name, account in self.accounts.items()}

    def _is_ours(self, account: str) -> bool:
        return is_below(account, self.root_account, self._parents())

    def _apply(self, operation: Operation) -> None:
        match operation:
            case CreateAccount():
                self._create(operation)
            case SetLimit():
                self._set(operation.account, gpu_minutes=operation.gpu_minutes)
            case ParkAccount():
                self._set(operation.account, group_jobs=0, group_submit_jobs=0)
            case UnparkAccount():
                self._set(operation.account, group_jobs=None, group_submit_jobs=None)
            case SetQos():
                self._check_qos(operation.qos)
                self._set(operation.account, qos=operation.qos, default_qos=operation.default_qos)
            case AddPerson():
                key = (operation.account, operation.user)
                self.people.setdefault(key, PersonState(operation.account, operation.user))
            case PausePerson():
                self._pause(operation.account, operation.user, paused=True)
                self.waiting = [entry for entry in self.waiting if not _waits(entry, operation)]
            case ResumePerson():
                self._pause(operation.account, operation.user, paused=False)

    def _create(self, operation: CreateAccount) -> None:
        if operation.parent not in self.accounts:
            raise SlurmRefused("no account", words=operation.parent)
        self._check_qos(operation.qos)
        above = self.accounts[operation.parent]
        new = AccountState(operation.name, operation.parent, qos=above.qos, default_qos=above.default_qos)
        self.accounts.setdefault(operation.name, new)
        if operation.gpu_minutes is not None:
            self._set(operation.name, gpu_minutes=operation.gpu_minutes)
        if operation.parked:
            self._set(operation.name, group_jobs=0, group_submit_jobs=0)
        if operation.qos:
            self._set(operation.name, qos=operation.qos, default_qos=operation.default_qos)

    def _set(self, account: str, **changes: object) -> None:
        self.accounts[account] = replace(self.accounts[account], **changes)  # type: ignore[arg-type]

    def _check_qos(self, qos: frozenset[str]) -> None:
        if not qos <= self.settings.qos:
            raise SlurmRefused("no such QOS", words=", ".join(qos - self.settings.qos))

    def _pause(self, account: str, user: str, *, paused: bool) -> None:
        if (account, user) not in self.people:
            raise SlurmRefused("nobody", words="Nothing modified")
        self.people[account, user] = replace(self.people[account, user], paused=paused)


def _waits(entry: QueueEntry, operation: PausePerson) -> bool:
    return (entry.account, entry.user) == (operation.account, operation.user) and entry.state in WAITING
