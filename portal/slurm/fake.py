"""A cluster in memory, for tests that need no Slurm. Held to the same contract as the drivers.

It enforces nothing and runs nothing: jobs are what the test puts into `history`, `waiting` and `running`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

from portal.slurm import writes
from portal.slurm.associations import is_below
from portal.slurm.errors import SlurmError, SlurmRefused
from portal.slurm.names import PERSON, SLURM_ROOT, checked_root
from portal.slurm.queue import WAITING
from portal.slurm.reservations import idle_share
from portal.slurm.sacct import in_window
from portal.slurm.sequence import checked_number
from portal.slurm.types import (
    AccountState,
    AddPerson,
    CancelJobs,
    ClusterState,
    Counter,
    CreateAccount,
    Health,
    JobRecord,
    NodeGroup,
    Operation,
    OtherAccount,
    ParkAccount,
    PartitionConfig,
    PausePerson,
    PersonState,
    QosConfig,
    QueueEntry,
    Reservation,
    ResumePerson,
    SetDefaultAccount,
    SetLimit,
    SetPersonLimit,
    SetPersonQos,
    SetQos,
    SlurmConfig,
    UnparkAccount,
    UnreadableRow,
    Utilisation,
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
    qos_settings=(
        QosConfig("normal", frozenset(), None),
        *(QosConfig(name, frozenset({"DenyOnLimit"}), 1) for name in POOLS),
    ),
)
CAPACITY = [NodeGroup(name, name, nodes=1, gpus=4, gpus_in_use=0, gpus_down=0) for name in POOLS]


BEGINNING = datetime.min.replace(tzinfo=UTC)
# Of what was before, slurmdbd has summed up nothing.
REGISTERED_AT = datetime(2024, 1, 1, tzinfo=UTC)
HEALTH = Health("portal", False, "Operator", 0.0, None, "fake")


class FakeGateway:
    """`broken` is raised by every call while it is set; `executed` lists what was carried out, in order.

    `people` holds what is a person's own: a row without QOS has the account's; who has no default among `defaults` has
    the account they were put into first. `unix_users` None: everybody exists.
    `rolled_up`: the rows that usage was last summed up from; None: `history` as it is now.
    `unheard`: limits that slurmctld still enforces, as it has not heard of the newer ones.
    """

    driver = "fake"

    def __init__(self, cluster: str = "pohang", root_account: str = "portal") -> None:
        self.cluster = cluster
        self.root_account = checked_root(root_account)
        self.accounts: dict[str, AccountState] = {SLURM_ROOT: AccountState(SLURM_ROOT, "", qos=frozenset({"normal"}))}
        self.people: dict[tuple[str, str], PersonState] = {}
        self.defaults: dict[str, str] = {}
        self.unix_users: set[str] | None = None
        self.history: list[JobRecord | UnreadableRow] = []
        self.rolled_up: list[JobRecord] | None = None
        self.reserved_times: list[Reservation] = []
        self.waiting: list[QueueEntry] = []
        self.running: list[QueueEntry] = []
        self.reserved: dict[str, int] = {}
        self.lost: dict[str, int] = {}
        self.unheard: dict[str, int | None] = {}
        self.nodes = list(CAPACITY)
        self.settings = replace(CONFIG, cluster=cluster)
        self.standing = HEALTH
        self.number = 0
        self.executed: list[Operation] = []
        self.broken: SlurmError | None = None

    def snapshot(self) -> ClusterState:
        self._answer()
        parents = self._parents()
        accounts = {name: row for name, row in self.accounts.items() if is_below(name, self.root_account, parents)}
        people = {key: self._effective(person) for key, person in self.people.items() if key[0] in accounts}
        first = {user: account for account, user in reversed(self.people)}
        defaults = {user: self.defaults.get(user, first[user]) for _account, user in people}
        return ClusterState(MappingProxyType(accounts), MappingProxyType(people), MappingProxyType(defaults))

    def execute(self, operation: Operation) -> str:
        writes.check(operation)
        self._answer()
        writes.check_place(operation, self.root_account, self._parents())
        self._apply(operation)
        self.executed.append(operation)
        return "done"

    def counters(self) -> Mapping[str, Counter]:
        """Used: what the rows of `history` add up to by now, without what was lost; reserved: as set in `reserved`."""
        own, parents = self._own_usage(), self._parents()
        return {
            name: Counter(
                name,
                used_gpu_seconds=sum(seconds for below, seconds in own.items() if is_below(below, name, parents)),
                reserved_gpu_seconds=self.reserved.get(name, 0),
                limit_gpu_minutes=self.unheard.get(name, self.accounts[name].gpu_minutes),
                exact=True,
            )
            for name in own
        }

    def lose_counters(self, account: str | None = None, gpu_seconds: int | None = None) -> None:
        """As a slurmctld that was killed: counters of one account, or of all, fall to 0 or by an amount."""
        for name, used in self._own_usage().items():
            if account in (None, name):
                self.lost[name] = self.lost.get(name, 0) + (used if gpu_seconds is None else min(used, gpu_seconds))

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        self._answer()
        until = min(until, datetime.now(UTC))
        return (row for row in list(self.history) if since < until and in_window(row, since, until))

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        self._answer()
        usage = self._used(self.history if self.rolled_up is None else self.rolled_up, start, end)
        for reservation in self.reservations(start, end):
            for key in (holder for holder in reservation.holders if holder[1]):
                usage[key] = usage.get(key, 0) + idle_share(reservation, start, end)
        return usage

    def _used(
        self, rows: Iterable[JobRecord | UnreadableRow], start: datetime, end: datetime
    ) -> dict[tuple[str, str], int]:
        usage: dict[tuple[str, str], int] = {}
        for row in rows:
            if isinstance(row, JobRecord) and row.gpus and row.start is not None:
                seconds = (min(row.end or end, end) - max(row.start, start)).total_seconds()
                if seconds > 0:
                    key = (row.account, row.user)
                    usage[key] = usage.get(key, 0) + int(seconds) * row.gpus
        return usage

    def utilisation(self, start: datetime, end: datetime, kinds: Collection[str]) -> Mapping[str, Utilisation]:
        """Of nodes that never fail, up to the last hour that is over; all is the sum of its kinds."""
        self._answer()
        now = datetime.now(UTC)
        start, end = max(start, REGISTERED_AT), min(end, now.replace(minute=0, second=0, microsecond=0))
        seconds = int((end - start).total_seconds())
        if seconds <= 0:
            return {}
        held = self._held_by_kind(start, end)
        nodes = {node.gpu_kind: node.gpus * seconds for node in self.nodes}
        found = {kind: Utilisation(nodes[kind], held.get(kind, 0), 0, 0) for kind in nodes if kind in kinds}
        return {"": Utilisation(sum(nodes.values()), sum(held.values()), 0, 0), **found}

    def _held_by_kind(self, start: datetime, end: datetime) -> dict[str, int]:
        held: dict[str, int] = {}
        for row in self.history:
            if isinstance(row, JobRecord) and row.start is not None:
                seconds = max(0, int((min(row.end or end, end) - max(row.start, start)).total_seconds()))
                for kind, gpus in row.gpu_kinds.items():
                    held[kind] = held.get(kind, 0) + gpus * seconds
        return held

    def reservations(self, start: datetime, end: datetime) -> list[Reservation]:
        self._answer()
        return [row for row in self.reserved_times if row.start < end and (row.end is None or row.end > start)]

    def queue(self) -> list[QueueEntry]:
        self._answer()
        return self.waiting + self.running

    def capacity(self) -> list[NodeGroup]:
        self._answer()
        return list(self.nodes)

    def config(self) -> SlurmConfig:
        self._answer()
        return self.settings

    def health(self) -> Health:
        self._answer()
        return self.standing

    def other_accounts(self) -> list[OtherAccount]:
        self._answer()
        return [
            OtherAccount(name, account.parent, self._people_of(name), account.gpu_minutes, tuple(sorted(account.qos)))
            for name, account in sorted(self.accounts.items())
            if name != SLURM_ROOT and not self._is_ours(name)
        ]

    def known_people(self, users: Collection[str]) -> frozenset[str]:
        self._answer()
        return frozenset(user for user in users if PERSON.fullmatch(user) and self._exists(user))

    def sequence(self) -> int:
        self._answer()
        return self.number if self.root_account in self.accounts else 0

    def set_sequence(self, number: int) -> None:
        self._answer()
        if self.root_account not in self.accounts:
            raise SlurmRefused("no account", words=self.root_account)
        self.number = checked_number(number)

    def _answer(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _exists(self, user: str) -> bool:
        return self.unix_users is None or user in self.unix_users

    def _parents(self) -> dict[str, str]:
        return {name: account.parent for name, account in self.accounts.items()}

    def _is_ours(self, account: str) -> bool:
        return is_below(account, self.root_account, self._parents())

    def _people_of(self, account: str) -> tuple[str, ...]:
        return tuple(sorted(user for name, user in self.people if name == account))

    def _effective(self, person: PersonState) -> PersonState:
        account = self.accounts[person.account]
        return person if person.qos else replace(person, qos=account.qos, default_qos=account.default_qos)

    def _own_usage(self) -> dict[str, int]:
        """GPU-seconds that slurmctld counts for each account of ours itself, without those below it."""
        own = dict.fromkeys(self.snapshot().accounts, 0)
        for (account, _user), seconds in self._used(self.history, BEGINNING, datetime.now(UTC)).items():
            if account in own:
                own[account] += seconds
        return {account: seconds - self.lost.get(account, 0) for account, seconds in own.items()}

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
                there = self.people.setdefault(key, PersonState(*key, gpu_minutes=operation.gpu_minutes))
                if operation.gpu_minutes not in (None, there.gpu_minutes):
                    raise SlurmRefused("there already", words="Request didn't affect anything")
            case CancelJobs():
                self.waiting = [entry for entry in self.waiting if not _concerns(operation, entry)]
                self.running = [entry for entry in self.running if not _concerns(operation, entry)]
            case _:
                self._apply_to_person(operation)

    def _apply_to_person(
        self, operation: PausePerson | ResumePerson | SetPersonLimit | SetPersonQos | SetDefaultAccount
    ) -> None:
        key = (operation.account, operation.user)
        if key not in self.people:
            raise SlurmRefused("nobody", words="Nothing modified")
        person = self.people[key]
        match operation:
            case PausePerson():
                self.people[key] = replace(person, paused=True)
                self.waiting = [entry for entry in self.waiting if not _concerns(operation, entry)]
            case ResumePerson():
                self.people[key] = replace(person, paused=False)
            case SetPersonLimit():
                self.people[key] = replace(person, gpu_minutes=operation.gpu_minutes)
            case SetPersonQos():
                self.people[key] = replace(person, qos=frozenset(), default_qos="")
                account = self.accounts[operation.account]
                if (account.qos, account.default_qos) != (operation.qos, operation.default_qos):
                    raise SlurmRefused("not the account's QOS", words=operation.account)
            case SetDefaultAccount():
                self.defaults[operation.user] = operation.account

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


def _concerns(operation: PausePerson | CancelJobs, entry: QueueEntry) -> bool:
    """Whether the operation ends this job."""
    of_user = not operation.user or entry.user == operation.user
    stops_it = isinstance(operation, CancelJobs) or entry.state in WAITING
    return entry.account == operation.account and of_user and stops_it
