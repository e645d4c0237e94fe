"""Real clusters for the contract: one per Slurm version and test run, and a fresh account for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.fake import FakeGateway
from portal.slurm.gateway import SlurmGateway
from portal.slurm.names import SLURM_ROOT
from portal.slurm.sandbox import Sandbox
from portal.slurm.types import AccountState, CreateAccount
from tests.slurm_cluster import cluster, require_sandbox, unique_name

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
            self.gateway.accounts[name] = AccountState(name, SLURM_ROOT)
        else:
            real(self).run(["sacctmgr", "-i", "add", "account", name, f"parent={SLURM_ROOT}", "GrpTRESMins=gres/gpu=7"])
        return name


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
