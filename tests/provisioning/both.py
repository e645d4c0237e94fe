"""A real Slurm beside the one in memory: whatever happens to the one happens to the other, and they must stay equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from portal.slurm.commands import CommandsGateway
from portal.slurm.names import SLURM_ROOT
from portal.slurm.sandbox import Sandbox
from portal.slurm.types import AccountState, ClusterState, Counter, CreateAccount, Operation, PersonState, QueueEntry
from tests.provisioning.world import STRANGER, USERS, Watched
from tests.slurm_cluster import wait_for

OUTSIDE = "physics"


@dataclass
class Both:
    """What the portal speaks to. In Slurm all names begin with `mark`, so that each history has names of its own.

    Everybody's default account is one outside our root, so that Slurm lets rows be removed by hand.
    """

    memory: Watched
    slurm: Sandbox
    mark: str
    driver: str = "both"
    root_account: str = "paic"
    real: CommandsGateway = field(init=False)
    known: ClusterState = field(init=False)

    def __post_init__(self) -> None:
        self.real = CommandsGateway("pohang", self.mark + self.root_account, self.slurm.prefix)
        self._sacctmgr("add", "account", self.mark + OUTSIDE, "GrpTRESMins=gres/gpu=7")
        for user in (*USERS, STRANGER):
            self._sacctmgr("add", "user", self.mark + user, f"account={self.mark}{OUTSIDE}")
            self.memory.people[OUTSIDE, user] = PersonState(OUTSIDE, user)
            self.memory.defaults[user] = OUTSIDE
        self._remember()

    # --- the gateway ---

    def snapshot(self) -> ClusterState:
        in_memory = self.memory.snapshot
        in_memory()  # raises where Slurm is to be away
        self._by_hand()
        seen = self._unmarked(self.real.snapshot())
        if differing := _differing(seen, in_memory()):
            raise AssertionError(f"Slurm and the one in memory differ: {differing}")
        return seen

    def execute(self, operation: Operation) -> str:
        self._by_hand()
        words = self.memory.execute(operation)
        self.real.execute(self._marked(operation))
        self._remember()
        return words

    def counters(self) -> Mapping[str, Counter]:
        """Use as in memory, for no job runs here; limits as slurmctld has them."""
        limits = {self._plain(name): counter.limit_gpu_minutes for name, counter in self.real.counters().items()}
        return {
            name: replace(counter, limit_gpu_minutes=limits.get(name))
            for name, counter in self.memory.counters().items()
        }

    def queue(self) -> list[QueueEntry]:
        return self.memory.queue()

    def sequence(self) -> int:
        number = self.memory.sequence()
        assert self.real.sequence() == number
        return number

    def set_sequence(self, number: int) -> None:
        self.memory.set_sequence(number)
        self.real.set_sequence(number)

    def expect_equal(self) -> None:
        """Both hold the same; slurmctld has heard of it."""
        self.snapshot()
        limits = {name: account.gpu_minutes for name, account in self.memory.snapshot().accounts.items()}

        def heard() -> bool:
            return limits == {name: counter.limit_gpu_minutes for name, counter in self.counters().items()}

        wait_for("slurmctld's own limits", heard, 20)

    # --- what somebody did by hand in memory, done by hand in Slurm ---

    def _by_hand(self) -> None:
        self._defaults_by_hand()
        for command in (*self._accounts_by_hand(), *self._people_by_hand()):
            self._sacctmgr(*command)
        self._remember()

    def _defaults_by_hand(self) -> None:
        """Slurm lets nobody's default be where they are not, or be removed."""
        for user, account in self.memory.defaults.items():
            if (account, user) not in self.memory.people:
                self.memory.defaults[user] = account = OUTSIDE
            if self.known.defaults[user] == account:
                continue
            if (account, user) not in self.known.people:
                self._sacctmgr("add", "user", self.mark + user, f"account={self.mark}{account}")
            self._sacctmgr("modify", "user", self.mark + user, "set", f"DefaultAccount={self.mark}{account}")

    def _accounts_by_hand(self) -> Iterator[list[str]]:
        for name in self.known.accounts.keys() - self.memory.accounts.keys():
            yield ["delete", "account", f"name={self.mark}{name}"]
        for name, account in self.memory.accounts.items():
            before = self.known.accounts.get(name)
            if before is None:
                yield ["add", "account", self.mark + name, f"parent={self.mark}{account.parent}"]
            if account != before:
                place = ["modify", "account", "where", f"name={self.mark}{name}", "set"]
                yield [*place, *_settings(account, account.group_jobs, account.group_submit_jobs)]

    def _people_by_hand(self) -> Iterator[list[str]]:
        for account, user in self.known.people.keys() - self.memory.people.keys():
            if account in self.memory.accounts:
                yield ["delete", "user", f"name={self.mark}{user}", f"account={self.mark}{account}"]
        for (account, user), person in self.memory.people.items():
            before = self.known.people.get((account, user))
            place = ["where", f"name={self.mark}{user}", f"account={self.mark}{account}"]
            renewed = before is not None and before.qos and not person.qos
            if renewed:
                yield ["delete", "user", *place[1:]]
            if before is None or renewed:
                yield ["add", "user", *place[1:]]
            if person != (before or PersonState(account, user)):
                stop = 0 if person.paused else None
                yield ["modify", "user", *place, "set", *_settings(person, stop, stop)]

    def _remember(self) -> None:
        memory = self.memory
        self.known = ClusterState(dict(memory.accounts), dict(memory.people), dict(memory.defaults))

    def _sacctmgr(self, *words: str) -> None:
        self.slurm.run(["sacctmgr", "-i", *words])

    # --- names ---

    def _marked(self, operation: Operation) -> Operation:
        if isinstance(operation, CreateAccount):
            parent = operation.parent if operation.parent == SLURM_ROOT else self.mark + operation.parent
            return replace(operation, name=self.mark + operation.name, parent=parent)
        user = getattr(operation, "user", "")
        names = {"user": self.mark + user} if user else {}
        return replace(operation, account=self.mark + operation.account, **names)

    def _unmarked(self, state: ClusterState) -> ClusterState:
        plain = self._plain
        accounts = {
            plain(name): replace(account, name=plain(name), parent=plain(account.parent))
            for name, account in state.accounts.items()
        }
        people = {
            (plain(account), plain(user)): replace(person, account=plain(account), user=plain(user))
            for (account, user), person in state.people.items()
        }
        defaults = {plain(user): plain(account) for user, account in state.defaults.items()}
        return ClusterState(MappingProxyType(accounts), MappingProxyType(people), MappingProxyType(defaults))

    def _plain(self, name: str) -> str:
        return name.removeprefix(self.mark)


def _differing(real: ClusterState, memory: ClusterState) -> list[tuple[object, object, object]]:
    """What, as Slurm has it, as the one in memory has it."""
    parts: list[tuple[Mapping[Any, object], Mapping[Any, object]]]
    parts = [(real.accounts, memory.accounts), (real.people, memory.people), (real.defaults, memory.defaults)]
    return [
        (key, one.get(key), other.get(key))
        for one, other in parts
        for key in one.keys() | other.keys()
        if one.get(key) != other.get(key)
    ]


def _settings(row: AccountState | PersonState, jobs: int | None, submit_jobs: int | None) -> list[str]:
    words = [
        f"GrpTRESMins=gres/gpu={_number(row.gpu_minutes)}",
        f"GrpJobs={_number(jobs)}",
        f"GrpSubmitJobs={_number(submit_jobs)}",
    ]
    if row.qos:
        words.append(f"qos={','.join(sorted(row.qos))}")
    if row.default_qos:
        words.append(f"DefaultQOS={row.default_qos}")
    return words


def _number(value: int | None) -> int:
    return -1 if value is None else value
