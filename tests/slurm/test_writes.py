"""What reaches sacctmgr: checked names, whole numbers, one command per operation, nothing outside the portal's tree."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.slurm import capacity, config, queue, sacct, sreport, sshare, writes
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import BadName, SlurmError, SlurmRefused
from portal.slurm.names import SLURM_ROOT
from portal.slurm.run import ENVIRONMENT
from portal.slurm.types import (
    AddPerson,
    CreateAccount,
    Operation,
    ParkAccount,
    PausePerson,
    ResumePerson,
    SetLimit,
    SetQos,
    UnparkAccount,
)
from tests.slurm.test_parsers import NOON

# Words that a shell at the far end of an ssh prefix reads as they are.
HARMLESS = re.compile(r"[A-Za-z0-9_@%+=:,./\x1f-]+")
H100 = frozenset({"h100"})
HOSTILE = [
    "",
    "-i",
    "--help",
    "a b",
    "a,b",
    "a;reboot",
    "$(reboot)",
    "a|b",
    "a\nb",
    "Upper",
    "1st",
    "포항",
    "x" * 32,
    "a=b",
    "p1\n",
    "../p1",
]

names = st.one_of(st.text(max_size=40), st.from_regex(r"[a-z][a-z0-9_-]{0,30}", fullmatch=True))
numbers = st.integers(-(2**70), 2**70)
qos = st.frozensets(names, max_size=3)
operations = st.one_of(
    st.builds(CreateAccount, names, names, st.none() | numbers, st.booleans(), qos, names | st.just("")),
    st.builds(SetLimit, names, numbers),
    st.builds(ParkAccount, names),
    st.builds(UnparkAccount, names),
    st.builds(SetQos, names, qos, names | st.just("")),
    st.builds(AddPerson, names, names),
    st.builds(PausePerson, names, names),
    st.builds(ResumePerson, names, names),
)


@given(operations, st.booleans())
def test_only_harmless_words_reach_slurm(operation: Operation, exists: bool) -> None:
    try:
        writes.check(operation)
    except SlurmError as error:
        assert error.permanent
        return
    command = writes.command(operation, "pohang", exists=exists)
    assert command[:2] == ("sacctmgr", "-i")
    assert all(HARMLESS.fullmatch(word) and not word.startswith("-") for word in command[2:])


def test_reads_hold_only_harmless_words_too() -> None:
    gateway = CommandsGateway("pohang", "portal")
    commands = [
        ENVIRONMENT,
        gateway.show_associations("account,parentname", "user="),
        queue.command(account="p1", states="PENDING"),
        sacct.command("pohang", NOON, NOON),
        sreport.command("pohang", NOON, NOON),
        capacity.COMMAND,
        config.SETTINGS_COMMAND,
        config.PARTITIONS_COMMAND,
        config.QOS_COMMAND,
        sshare.JSON_COMMAND,
        sshare.TEXT_COMMAND,
    ]
    assert all(HARMLESS.fullmatch(word) for command in commands for word in command)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_name(name: str) -> None:
    operations: list[Operation] = [
        CreateAccount(name, "portal"),
        CreateAccount("p1", name),
        CreateAccount("p1", "portal", qos=frozenset({name}), default_qos="h100"),
        SetLimit(name, 1),
        ParkAccount(name),
        UnparkAccount(name),
        SetQos(name, H100, "h100"),
        SetQos("p1", frozenset({name}), name),
        AddPerson(name, "kim"),
        AddPerson("p1", name),
        PausePerson("p1", name),
        ResumePerson("p1", name),
    ]
    for operation in operations:
        with pytest.raises(BadName):
            writes.check(operation)
    with pytest.raises(BadName):
        CommandsGateway("pohang", name)


def test_slurms_own_root_is_never_the_portals() -> None:
    with pytest.raises(BadName):
        CommandsGateway("pohang", SLURM_ROOT)


@pytest.mark.parametrize("cluster", ["", "-a", "a b", "a;b", "a,b", "x" * 41])
def test_a_hostile_cluster_name_is_no_name(cluster: str) -> None:
    with pytest.raises(BadName):
        CommandsGateway(cluster, "portal")


@pytest.mark.parametrize("minutes", [-1, 2**63, 1.5, "5"])
def test_a_limit_is_a_whole_number_that_slurm_can_hold(minutes: int) -> None:
    for operation in (SetLimit("p1", minutes), CreateAccount("p1", "portal", gpu_minutes=minutes)):
        with pytest.raises(SlurmRefused):
            writes.check(operation)


@pytest.mark.parametrize(("qos", "default"), [(frozenset(), ""), (H100, "a100")])
def test_an_account_keeps_a_qos_and_its_default_is_among_them(qos: frozenset[str], default: str) -> None:
    with pytest.raises(SlurmRefused):
        writes.check(SetQos("p1", qos, default))


def test_a_leaf_is_created_parked_and_limited_in_one_command() -> None:
    leaf = CreateAccount("p1-h100", "p1", gpu_minutes=600, parked=True, qos=H100, default_qos="h100")
    settings = ("GrpJobs=0", "GrpSubmitJobs=0", "GrpTRESMins=gres/gpu=600", "qos=h100", "DefaultQOS=h100")
    place = ("name=p1-h100", "cluster=pohang")
    assert writes.command(leaf, "pohang", exists=False) == (
        *("sacctmgr", "-i", "add", "account", *place, "parent=p1"),
        *settings,
    )
    assert writes.command(leaf, "pohang", exists=True) == (
        *("sacctmgr", "-i", "modify", "account", "where", *place, "set"),
        *settings,
    )


PARENTS = {SLURM_ROOT: "", "portal": SLURM_ROOT, "p1": "portal", "p1-h100": "p1", "other": SLURM_ROOT}


@pytest.mark.parametrize(
    "operation",
    [
        SetLimit("other", 5),
        ParkAccount(SLURM_ROOT),
        UnparkAccount("missing"),
        SetQos("other", H100, "h100"),
        AddPerson("other", "kim"),
        PausePerson("other", "kim"),
        ResumePerson("other", "kim"),
        CreateAccount("new", "other"),
        CreateAccount("new", SLURM_ROOT),
        CreateAccount("new", "missing"),
        CreateAccount("other", SLURM_ROOT),
        CreateAccount("p1-h100", "portal"),
    ],
)
def test_what_lies_outside_or_would_move_is_refused(operation: Operation) -> None:
    with pytest.raises(SlurmRefused):
        writes.check_place(operation, "portal", PARENTS)


@pytest.mark.parametrize(
    "operation",
    [
        CreateAccount("portal", SLURM_ROOT),
        CreateAccount("p2", "portal"),
        CreateAccount("p1-h100", "p1"),
        SetLimit("p1-h100", 5),
        ParkAccount("portal"),
        AddPerson("p1-h100", "kim"),
    ],
)
def test_what_lies_below_the_root_is_allowed(operation: Operation) -> None:
    writes.check_place(operation, "portal", PARENTS)


def test_the_root_account_is_created_below_slurms_own_root() -> None:
    writes.check_place(CreateAccount("portal", SLURM_ROOT), "portal", {SLURM_ROOT: ""})
