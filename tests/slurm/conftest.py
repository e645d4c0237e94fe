"""Real clusters for the contract: one per Slurm version and test run, and a fresh account for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.fake import FakeGateway
from portal.slurm.gateway import SlurmGateway
from portal.slurm.names import SLURM_ROOT
from portal.slurm.queue import ENDING
from portal.slurm.sandbox import Sandbox
from portal.slurm.types import AccountState, AddPerson, CreateAccount, PersonState, QueueEntry
from tests.slurm_cluster import cluster, require_sandbox, unique_name, wait_for

__all__ = ["cluster"]

ROOT = "contract"
H100 = frozenset({"h100"})
RELEASES = {"26.05": "forky", "24.11": "trixie"}
# The version of the cluster that all tests of a run share.
SHARED = "26.05"
ON_SLURM = [pytest.param(version, marks=pytest.mark.slurm, id=f"commands-{version}") for version in RELEASES]
numbers = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """A driver and, where it is a real one, its cluster."""

    gateway: SlurmGateway
    sandbox: Sandbox | None

    def name(self, stem: str = "p") -> str:
        """An account name that no other test of this run uses."""
        return f"{stem}{next(numbers)}"

    def project(self) -> str:
        name = self.name()
        self.gateway.execute(CreateAccount(name, ROOT))
        return name

    def leaf(self, *, gpu_minutes: int = 600, parked: bool = False) -> str:
        name = self.name("leaf")
        parent = self.project()
        self.gateway.execute(CreateAccount(name, parent, gpu_minutes, parked, H100, "h100"))
        return name

    def account_of_others(self) -> str:
        """An account that lies beside the portal's root."""
        name = self.name("other")
        if isinstance(self.gateway, FakeGateway):
            self.gateway.accounts[name] = AccountState(name, SLURM_ROOT, 7, qos=frozenset({"normal"}))
        else:
            real(self).run(["sacctmgr", "-i", "add", "account", name, f"parent={SLURM_ROOT}", "GrpTRESMins=gres/gpu=7"])
        return name

    def user(self) -> str:
        """A user name that no other test of this run uses, unknown to Unix."""
        return self.name("user")

    def stranger(self, leaf: str, user: str) -> None:
        """Somebody who was put into the account behind the portal's back."""
        if isinstance(self.gateway, FakeGateway):
            self.gateway.people[leaf, user] = PersonState(leaf, user)
        else:
            real(self).run(["sacctmgr", "-i", "add", "user", user, f"account={leaf}"])

    def own_qos(self, leaf: str, user: str, *qos: str) -> None:
        """QOS of a person's own, the first their default, given behind the portal's back."""
        if isinstance(self.gateway, FakeGateway):
            person = self.gateway.people[leaf, user]
            self.gateway.people[leaf, user] = replace(person, qos=frozenset(qos), default_qos=qos[0])
        else:
            where = [f"name={user}", f"account={leaf}", "cluster=pohang"]
            settings = [f"qos={','.join(qos)}", f"DefaultQOS={qos[0]}"]
            real(self).run(["sacctmgr", "-i", "modify", "user", "where", *where, "set", *settings])

    def job(self, leaf: str, user: str, *, runs: bool) -> None:
        """A job of a person who is put into the account, running or waiting."""
        if isinstance(self.gateway, FakeGateway):
            self.gateway.execute(AddPerson(leaf, user))
            jobs = self.gateway.running if runs else self.gateway.waiting
            jobs.append(_entry(leaf, user, "RUNNING" if runs else "PENDING"))
            return
        sandbox = real(self)
        sandbox.person(user)
        self.gateway.execute(AddPerson(leaf, user))
        # slurmctld hears of it from slurmdbd a moment later, and would refuse the job.
        wait_for(f"{user} in {leaf}", lambda: f"UserName={user}(" in associations(sandbox, leaf))
        held = () if runs else ("--hold",)
        sandbox.submit(user, f"--account={leaf}", "--gpus=1", "--time=5", *held, script="#!/bin/sh\nsleep 600\n")
        state = "RUNNING" if runs else "PENDING"
        wait_for(f"a job of {user}", lambda: (user, state) in self.jobs(leaf))

    def jobs(self, leaf: str) -> set[tuple[str, str]]:
        """Whose jobs the account has now, and whether they run; those that are being cleared away have ended."""
        entries = self.gateway.queue()
        return {(entry.user, entry.state) for entry in entries if entry.account == leaf and entry.state != ENDING}


def _entry(leaf: str, user: str, state: str) -> QueueEntry:
    return QueueEntry(1, "1", user, leaf, "h100", state, "None", 1, datetime.now(UTC), None, 5)


def associations(sandbox: Sandbox, leaf: str) -> str:
    """What slurmctld itself knows of an account."""
    argv = ["scontrol", "-o", "show", "assoc_mgr", f"accounts={leaf}", "flags=assoc"]
    return sandbox.run(argv, check=False).stdout


def member(leaf: str, user: str, *, paused: bool = False, gpu_minutes: int | None = None) -> PersonState:
    """A person in a leaf of the first pool, with nothing of their own but what is said."""
    return PersonState(leaf, user, paused, gpu_minutes, H100, "h100")


def real(place: Place) -> Sandbox:
    assert place.sandbox is not None
    return place.sandbox


@pytest.fixture(scope="session")
def clusters(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Sandbox]]:
    """The sandbox of a Slurm version, started when first asked for."""
    started: dict[str, Sandbox] = {}
    ours: list[Sandbox] = []

    def of_version(version: str) -> Sandbox:
        if version == SHARED:
            return request.getfixturevalue("cluster")
        require_sandbox()
        state = tmp_path_factory.mktemp("cluster") / "state"
        sandbox = Sandbox(unique_name("test-"), release=RELEASES[version], state=state)
        sandbox.up(pdeathsig=True)
        ours.append(sandbox)
        return sandbox

    def get(version: str) -> Sandbox:
        if version not in started:
            started[version] = of_version(version)
            gateway = CommandsGateway("pohang", ROOT, started[version].prefix)
            gateway.execute(CreateAccount(ROOT, SLURM_ROOT))
        return started[version]

    yield get
    for sandbox in ours:
        sandbox.down(purge=True)


@pytest.fixture(params=["fake", *ON_SLURM])
def place(request: pytest.FixtureRequest) -> Place:
    """Every driver that can be spoken to from here."""
    if request.param == "fake":
        gateway = FakeGateway(root_account=ROOT)
        gateway.execute(CreateAccount(ROOT, SLURM_ROOT))
        return Place(gateway, None)
    return on_slurm(request)


@pytest.fixture(params=ON_SLURM)
def slurm(request: pytest.FixtureRequest) -> Place:
    """The commands driver on each real cluster."""
    return on_slurm(request)


def on_slurm(request: pytest.FixtureRequest) -> Place:
    sandbox = request.getfixturevalue("clusters")(request.param)
    return Place(CommandsGateway("pohang", ROOT, sandbox.prefix), sandbox)
