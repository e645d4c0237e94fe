"""What reaches sacctmgr: checked names, whole numbers, one command per operation, nothing outside the portal's tree."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.slurm import capacity, config, health, queue, sacct, sequence, sreport, sshare, unix, writes
from portal.slurm.associations import FIELDS, LINEAGE, OTHERS_FIELDS
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import BadName, SlurmError, SlurmRefused
from portal.slurm.names import SLURM_ROOT
from portal.slurm.run import ENVIRONMENT
from portal.slurm.types import (
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
from tests.slurm.test_parsers import NOON

# Words that a shell at the far end of an ssh prefix reads as they are.
HARMLESS = re.compile(r"[A-Za-z0-9_@%+=:,./\x1f-]+")
H100 = frozenset({"h100"})
HOSTILE = [
    "",
    "-i",
    "-x",
    "--help",
    "set=1",
    "where=1",
    "name=p1",
    "a'b",
    'a"b',
    "a`b",
    "a\\b",
    "a\tb",
    "a\x1fb",
    "a\x00b",
    "a\r\nb",
    "*",
    "~",
    "%s",
    "a b",
    "a,b",
    "a;reboot",
    "$(reboot)",
    "a|b",
    "a\nb",
    "포항",
    "a=b",
    "p1\n",
    "../p1",
]
# The portal gives nobody such a name, but somebody who was added by hand may have it, and is stopped like all others.
STRANGE = ["Upper", "1st", "x" * 32, "john.doe", "kim@lab"]

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
    st.builds(SetPersonLimit, names, names, st.none() | numbers),
    st.builds(SetPersonQos, names, names, qos, names | st.just("")),
    st.builds(SetDefaultAccount, names, names),
    st.builds(CancelJobs, names, names),
)
# Words that sacctmgr itself reads as commands or keys, and yet fit for names.
KEYWORDS = (
    "set",
    "where",
    "format",
    "cluster",
    "account",
    "name",
    "parent",
    "user",
    "qos",
    "all",
    "delete",
    "withassoc",
)


@given(operations, st.booleans())
def test_only_harmless_words_reach_slurm(operation: Operation, exists: bool) -> None:
    command = checked_command(operation, exists=exists)
    assert all(HARMLESS.fullmatch(word) for word in command)


@given(operations, st.booleans())
def test_names_reach_slurm_as_the_value_of_a_key_only(operation: Operation, exists: bool) -> None:
    fixed = {"sacctmgr", "-i", "add", "modify", "account", "user", "where", "set", "scancel"}
    for word in checked_command(operation, exists=exists):
        key, equals, _value = word.partition("=")
        assert word in fixed or (equals and re.fullmatch(r"[A-Za-z]+|--account|--user|--state", key)), word


@given(operations, st.booleans())
def test_no_operation_resets_what_was_used_or_deletes_anything(operation: Operation, exists: bool) -> None:
    """The production failure of others: usage set to 0 with every cycle, and all budgets full again."""
    words = " ".join(checked_command(operation, exists=exists)).lower()
    assert "rawusage" not in words
    assert not words.startswith(("sacctmgr -i delete", "sacctmgr -i remove"))


def checked_command(operation: Operation, *, exists: bool) -> tuple[str, ...]:
    """The command that the operation becomes; no word where it is refused before."""
    try:
        writes.check(operation)
    except SlurmError as error:
        assert error.permanent
        return ()
    if isinstance(operation, CancelJobs):
        return queue.cancel_command(operation.account, operation.user)
    return writes.command(operation, "pohang", exists=exists)


@pytest.mark.parametrize("name", KEYWORDS)
def test_a_name_that_is_a_keyword_of_sacctmgr_is_data_all_the_same(name: str) -> None:
    for operation, usual in zip(every_operation(name), every_operation("p2"), strict=True):
        words, usual_words = (checked_command(each, exists=True) for each in (operation, usual))
        assert [word.partition("=")[:2] for word in words] == [word.partition("=")[:2] for word in usual_words]


def test_what_is_read_and_written_survives_a_shell_at_the_far_end() -> None:
    """ssh joins its words with blanks, and the shell there splits them again: they must come out as they went in."""
    commands = [*reads(), *(checked_command(each, exists=False) for each in every_operation("p1"))]
    for command in commands:
        shown = subprocess.run(
            ["sh", "-c", "printf '%s\\n' " + " ".join(command)], capture_output=True, text=True, check=True
        )
        assert tuple(shown.stdout.splitlines()) == command
        assert shlex.split(" ".join(command)) == list(command)


def test_reads_hold_only_harmless_words_too() -> None:
    assert all(HARMLESS.fullmatch(word) for command in reads() for word in command)


def reads() -> list[tuple[str, ...]]:
    gateway = CommandsGateway("pohang", "portal")
    return [
        ENVIRONMENT,
        gateway.show_associations(FIELDS + LINEAGE, "user="),
        gateway.show_associations(OTHERS_FIELDS),
        gateway.show_defaults("name=kim"),
        queue.command(account="p1", states="PENDING"),
        sacct.command("pohang", NOON, NOON),
        sreport.command("pohang", NOON, NOON),
        sreport.utilisation_command("pohang", NOON, NOON, ["h100"]),
        capacity.COMMAND,
        config.SETTINGS_COMMAND,
        config.PARTITIONS_COMMAND,
        config.QOS_COMMAND,
        sshare.JSON_COMMAND,
        sshare.TEXT_COMMAND,
        health.WHO_COMMAND,
        health.CLOCK_COMMAND,
        health.DATABASE_COMMAND,
        health.level_command("portal"),
        health.hour_command("pohang", NOON),
        sequence.read_command("portal"),
        sequence.write_command("portal", 12),
        unix.command(["kim", "lee"]),
    ]


def every_operation(name: str) -> list[Operation]:
    """Each operation with the name in every place that takes one."""
    return [
        CreateAccount(name, "portal"),
        CreateAccount("p1", name),
        CreateAccount("p1", "portal", qos=frozenset({name}), default_qos=name),
        SetLimit(name, 1),
        ParkAccount(name),
        UnparkAccount(name),
        SetQos(name, H100, "h100"),
        SetQos("p1", frozenset({name}), name),
        AddPerson(name, "kim"),
        AddPerson("p1", name),
        PausePerson(name, "kim"),
        PausePerson("p1", name),
        ResumePerson(name, "kim"),
        ResumePerson("p1", name),
        SetPersonLimit(name, "kim", 1),
        SetPersonLimit("p1", name, None),
        SetPersonQos(name, "kim", H100, "h100"),
        SetPersonQos("p1", name, H100, "h100"),
        SetPersonQos("p1", "kim", frozenset({name}), name),
        SetDefaultAccount(name, "kim"),
        SetDefaultAccount("p1", name),
        CancelJobs(name),
        CancelJobs(name, "kim"),
        CancelJobs("p1", name),
    ]


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_name_is_taken_for_stopping_its_bearer_only(name: str) -> None:
    stopping = [PausePerson("p1", name), CancelJobs("p1", name)]
    for operation in stopping:
        writes.check(operation)
    for operation in [each for each in every_operation(name) if each not in stopping]:
        with pytest.raises(BadName):
            writes.check(operation)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_no_name(name: str) -> None:
    # An empty user means everybody's jobs, which nobody writes by accident: the other places take no empty name.
    operations = [each for each in every_operation(name) if each != CancelJobs("p1", "")]
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
    for operation in (
        SetLimit("p1", minutes),
        SetPersonLimit("p1", "kim", minutes),
        CreateAccount("p1", "portal", gpu_minutes=minutes),
    ):
        with pytest.raises(SlurmRefused):
            writes.check(operation)


@pytest.mark.parametrize(("qos", "default"), [(frozenset(), ""), (H100, "a100")])
def test_an_account_keeps_a_qos_and_its_default_is_among_them(qos: frozenset[str], default: str) -> None:
    for operation in (SetQos("p1", qos, default), SetPersonQos("p1", "kim", qos, default)):
        with pytest.raises(SlurmRefused):
            writes.check(operation)


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


def test_a_person_goes_back_to_the_qos_of_the_account_in_one_command() -> None:
    """Explicit QOS would stay behind when the account's change; and either word alone is refused (24.11, 26.05)."""
    back = writes.command(SetPersonQos("p1", "kim", H100, "h100"), "pohang", exists=True)
    assert back[-2:] == ("qos=", "DefaultQOS=-1")


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
        SetPersonLimit("other", "kim", 5),
        SetPersonQos("other", "kim", H100, "h100"),
        SetDefaultAccount("other", "kim"),
        CancelJobs("other"),
        CancelJobs(SLURM_ROOT, "kim"),
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
        CancelJobs("portal"),
    ],
)
def test_what_lies_below_the_root_is_allowed(operation: Operation) -> None:
    writes.check_place(operation, "portal", PARENTS)


def test_the_root_account_is_created_below_slurms_own_root() -> None:
    writes.check_place(CreateAccount("portal", SLURM_ROOT), "portal", {SLURM_ROOT: ""})
