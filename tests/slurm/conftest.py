"""Real clusters for the contract: one per Slurm version and test run, and a fresh account for each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from portal.slurm.associations import SLURM_ROOT
from portal.slurm.commands import CommandsGateway
from portal.slurm.fake import FakeGateway
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sandbox import Sandbox, SandboxError
from portal.slurm.types import AccountState, CreateAccount

ROOT = "contract"
H100 = frozenset({"h100"})
RELEASES = {"26.05": "forky", "24.11": "trixie"}
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
            self.gateway.accounts[name] = AccountState(name, SLURM_ROOT)
        else:
            real(self).run(["sacctmgr", "-i", "add", "account", name, f"parent={SLURM_ROOT}", "GrpTRESMins=gres/gpu=7"])
        return name


def real(place: Place) -> Sandbox:
    assert place.sandbox is not None
    return place.sandbox


@pytest.fixture(scope="session")
def clusters() -> Iterator[Callable[[str], Sandbox]]:
    """The sandbox of a Slurm version, started when first asked for."""
    started: dict[str, Sandbox] = {}

    def cluster(version: str) -> Sandbox:
        if version not in started:
            started[version] = start(version)
        return started[version]

    yield cluster
    for sandbox in started.values():
        sandbox.down(purge=True)


def start(version: str) -> Sandbox:
    reason = Sandbox.unavailable_reason()
    if reason is None:
        sandbox = Sandbox(f"contract-{RELEASES[version]}-{os.getpid()}", release=RELEASES[version])
        if required() or sandbox.status().state != "not built":
            try:
                sandbox.up(pdeathsig=True)
            except SandboxError as error:
                pytest.fail(str(error))
            CommandsGateway("pohang", ROOT, sandbox.prefix).execute(CreateAccount(ROOT, SLURM_ROOT))
            return sandbox
        reason = f"the sandbox with Slurm {version} is not built"
    if required():
        pytest.fail(reason)
    pytest.skip(reason)


def required() -> bool:
    return os.environ.get("REQUIRE_SLURM") == "1"


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
