"""As whom the portal speaks: an Operator of slurmdbd is enough, an ordinary user changes nothing, nor does ssh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmRefused
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import (
    AccountState,
    AddPerson,
    CancelJobs,
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
from portal.slurm.writes import account_of
from tests.slurm.conftest import H100, ROOT, Place, real

A100 = frozenset({"a100"})


def as_user(slurm: Place, user: str) -> CommandsGateway:
    """The driver as a worker of this Unix user would use it."""
    real(slurm).person(user)
    change = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--")
    return CommandsGateway("pohang", ROOT, (*real(slurm).prefix, *change))


def as_operator(slurm: Place) -> CommandsGateway:
    sacctmgr = ("sacctmgr", "-i")
    account = slurm.account_of_others()
    gateway = as_user(slurm, slurm.name("operator"))
    user = gateway.runner.read("id", "-un").strip()
    real(slurm).run([*sacctmgr, "add", "user", user, f"account={account}", "AdminLevel=Operator"])
    return gateway


def through_ssh(slurm: Place, folder: Path) -> CommandsGateway:
    """As ssh does: the words are joined with blanks, and the shell at the far end reads them anew."""
    script = folder / "ssh"
    script.write_text(f'#!/bin/sh\nshift\nexec {" ".join(real(slurm).prefix)} sh -c "$*"\n')
    script.chmod(0o755)
    return CommandsGateway("pohang", ROOT, (str(script), "slurm-mgmt"))


def every_operation(slurm: Place) -> list[Operation]:
    """One of each kind that changes something, in an order that works."""
    project, leaf, other, kim, lee = slurm.name(), slurm.name(), slurm.leaf(), slurm.user(), slurm.user()
    slurm.job(other, kim, runs=True)
    slurm.job(other, lee, runs=False)
    slurm.own_qos(other, kim, "normal", "h100")
    return [
        CreateAccount(project, ROOT),
        CreateAccount(leaf, project, gpu_minutes=60, parked=True, qos=H100, default_qos="h100"),
        AddPerson(leaf, kim),
        SetLimit(leaf, 90),
        SetQos(leaf, A100, "a100"),
        UnparkAccount(leaf),
        SetPersonLimit(leaf, kim, 30),
        SetDefaultAccount(leaf, kim),
        PausePerson(leaf, kim),
        ResumePerson(leaf, kim),
        SetPersonQos(other, kim, H100, "h100"),
        PausePerson(other, lee),
        CancelJobs(other, kim),
        ParkAccount(other),
    ]


@pytest.fixture(params=["operator", "ssh"])
def gateway(request: pytest.FixtureRequest, slurm: Place, tmp_path: Path) -> SlurmGateway:
    ways: dict[str, Callable[[], SlurmGateway]] = {
        "operator": lambda: as_operator(slurm),
        "ssh": lambda: through_ssh(slurm, tmp_path),
    }
    return ways[request.param]()


def test_an_operator_and_an_ssh_prefix_do_everything(slurm: Place, gateway: SlurmGateway) -> None:
    operations = every_operation(slurm)
    for operation in operations:
        gateway.execute(operation)
    leaf, kim = next((each.account, each.user) for each in operations if isinstance(each, SetDefaultAccount))
    project = account_of(operations[0])
    state = slurm.gateway.snapshot()
    assert state.accounts[leaf] == AccountState(leaf, project, 90, qos=A100, default_qos="a100")
    assert (state.people[leaf, kim].gpu_minutes, state.defaults[kim]) == (30, leaf)
    other = account_of(operations[-1])
    assert state.accounts[other].parked
    assert slurm.jobs(other) == set()


def test_an_operator_and_an_ssh_prefix_read_everything(slurm: Place, gateway: SlurmGateway) -> None:
    leaf, kim = slurm.leaf(), slurm.user()
    slurm.job(leaf, kim, runs=False)
    gateway.set_sequence(5)
    for read in ("snapshot", "sequence", "other_accounts", "capacity", "config", "queue"):
        assert getattr(gateway, read)() == getattr(slurm.gateway, read)(), read
    assert gateway.counters().keys() == slurm.gateway.counters().keys()
    assert gateway.known_people([kim, "nobody1"]) == {kim}
    assert gateway.health().admin_level in {"Operator", "Administrator"}
    slurm.gateway.execute(CancelJobs(leaf))


def test_an_operator_is_seen_as_one_and_not_as_root(slurm: Place) -> None:
    health = as_operator(slurm).health()
    assert (health.is_root, health.admin_level) == (False, "Operator")


def test_slurms_own_user_needs_no_entry(slurm: Place) -> None:
    change = ("setpriv", "--reuid=slurm", "--regid=slurm", "--init-groups", "--")
    gateway = CommandsGateway("pohang", ROOT, (*real(slurm).prefix, *change))
    health = gateway.health()
    assert (health.user, health.is_root, health.admin_level) == ("slurm", False, "Administrator")
    gateway.execute(SetLimit(slurm.leaf(), 5))


def test_an_ordinary_user_is_refused_everything_and_nothing_changes(slurm: Place) -> None:
    operations = every_operation(slurm)
    # What the operations build upon must be there for each to be refused for itself.
    project, leaf = operations[0], operations[1]
    assert isinstance(project, CreateAccount)
    assert isinstance(leaf, CreateAccount)
    slurm.gateway.execute(project)
    slurm.gateway.execute(leaf)
    before = slurm.gateway.snapshot(), slurm.gateway.sequence(), slurm.gateway.queue()
    gateway = as_user(slurm, slurm.name("plain"))
    assert gateway.health().admin_level == "None"
    refused = [each for each in operations[2:] if not isinstance(each, CancelJobs | ResumePerson)]
    for operation in refused:
        with pytest.raises(SlurmRefused) as caught:
            gateway.execute(operation)
        assert caught.value.permanent, operation
        assert caught.value.words, operation
    with pytest.raises(SlurmRefused):
        gateway.set_sequence(99)
    assert (slurm.gateway.snapshot(), slurm.gateway.sequence(), slurm.gateway.queue()) == before
    slurm.gateway.execute(CancelJobs(account_of(operations[-1])))
