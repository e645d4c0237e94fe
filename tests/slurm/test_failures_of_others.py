"""What went wrong in production elsewhere, at the boundary to Slurm: each test bears the name of a failure."""

from __future__ import annotations

import pytest

from portal.slurm.associations import cluster_state, parse_associations
from portal.slurm.errors import BadName
from portal.slurm.types import (
    AddPerson,
    CancelJobs,
    CreateAccount,
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
from tests.slurm.conftest import H100, ROOT, Place, member, real
from tests.slurm.test_associations import association
from tests.slurm.test_on_slurm import eventually, leaf_with

UNUSUAL = ["with blank", "bar|bar", "semi;colon", "quote'", 'double"', "한글", "equals=1", "slash/", "dot.", "at@home"]


def test_an_echo_loop_of_limits(place: Place) -> None:
    """A limit read back was multiplied and written again, and again."""
    leaf = place.leaf(gpu_minutes=617)
    place.gateway.execute(AddPerson(leaf, "kim"))
    place.gateway.execute(SetPersonLimit(leaf, "kim", 31))
    before = place.gateway.snapshot()
    for _ in range(3):
        state = place.gateway.snapshot()
        place.gateway.execute(SetLimit(leaf, state.accounts[leaf].gpu_minutes or 0))
        place.gateway.execute(SetPersonLimit(leaf, "kim", state.people[leaf, "kim"].gpu_minutes))
    assert place.gateway.snapshot() == before
    assert eventually(lambda: place.gateway.counters()[leaf].limit_gpu_minutes == 617)


def test_used_time_reset_with_every_cycle(slurm: Place) -> None:
    """Whatever the portal does to an account, what it has used stays used."""
    leaf = leaf_with(slurm, "kim")
    gateway = slurm.gateway
    real(slurm).submit("kim", f"--account={leaf}", "--gpus=2", "--time=5", script="#!/bin/sh\nsleep 2\n")
    used = eventually(lambda: not slurm.jobs(leaf) and gateway.counters()[leaf].used_gpu_seconds)
    project = gateway.snapshot().accounts[leaf].parent
    for operation in (
        CreateAccount(leaf, project, gpu_minutes=60, parked=True, qos=H100, default_qos="h100"),
        SetLimit(leaf, 5),
        SetLimit(leaf, 500),
        UnparkAccount(leaf),
        ParkAccount(leaf),
        SetQos(leaf, H100, "h100"),
        AddPerson(leaf, "kim"),
        SetPersonLimit(leaf, "kim", 5),
        SetPersonLimit(leaf, "kim", None),
        PausePerson(leaf, "kim"),
        ResumePerson(leaf, "kim"),
        SetPersonQos(leaf, "kim", H100, "h100"),
        SetDefaultAccount(leaf, "kim"),
        CancelJobs(leaf),
    ):
        gateway.execute(operation)
        assert gateway.counters()[leaf].used_gpu_seconds == used, operation
    gateway.set_sequence(99)
    assert gateway.counters()[leaf].used_gpu_seconds == used


def test_nothing_modified_taken_for_a_failure(place: Place) -> None:
    """Slurm ends with 1 where all is so already: done twice is done."""
    leaf = place.leaf(gpu_minutes=90)
    parent = place.gateway.snapshot().accounts[leaf].parent
    for operation in (
        CreateAccount(leaf, parent, 90, False, H100, "h100"),
        AddPerson(leaf, "kim"),
        SetDefaultAccount(leaf, "kim"),
        SetPersonLimit(leaf, "kim", 5),
        PausePerson(leaf, "kim"),
    ):
        for _ in range(2):
            place.gateway.execute(operation)
    assert place.gateway.snapshot().people[leaf, "kim"] == member(leaf, "kim", paused=True, gpu_minutes=5)


def test_account_names_in_mixed_case(slurm: Place) -> None:
    """Slurm folds them, and looks for the folded one ever after: the portal has no such names, and reads the folded."""
    name = slurm.name("other")
    for mixed in (name.upper(), name.title()):
        with pytest.raises(BadName):
            slurm.gateway.execute(CreateAccount(mixed, ROOT))
    sandbox = real(slurm)
    sandbox.run(["sacctmgr", "-i", "add", "account", name.upper(), "parent=root"])
    assert name in {account.name for account in slurm.gateway.other_accounts()}
    leaf, user = slurm.leaf(), slurm.user()
    sandbox.run(["sacctmgr", "-i", "add", "user", user.upper(), f"account={leaf.upper()}"])
    assert slurm.gateway.snapshot().people[leaf, user] == member(leaf, user)


def test_line_breaks_split_records(slurm: Place) -> None:
    """A name or a description over two lines makes rows that nobody has entered, among them ours."""
    leaf, sandbox = slurm.leaf(), real(slurm)
    slurm.gateway.execute(AddPerson(leaf, "kim"))
    before = slurm.gateway.snapshot()
    sacctmgr = ["sacctmgr", "-i"]
    sandbox.run([*sacctmgr, "modify", "account", leaf, "set", f"Description=one\n{leaf}|kim\r\nthree"])
    sandbox.run([*sacctmgr, "add", "account", f"{slurm.name()}\n{leaf}", f"parent={ROOT}"])
    sandbox.run([*sacctmgr, "add", "account", f"{slurm.name()}\n{slurm.name('phantom')}", f"parent={ROOT}"])
    sandbox.run([*sacctmgr, "add", "user", f"{slurm.user()}\nlee", f"account={leaf}"])
    assert slurm.gateway.snapshot() == before
    assert {account.name for account in slurm.gateway.other_accounts()} & {"", leaf} == set()
    slurm.gateway.execute(SetLimit(leaf, 5))
    assert leaf in slurm.gateway.counters()


@pytest.mark.parametrize("words", UNUSUAL)
def test_unusual_names_of_others_stop_everything(slurm: Place, words: str) -> None:
    name = f"{words}{slurm.name()}"
    leaf, sandbox = slurm.leaf(), real(slurm)
    sandbox.run(["sacctmgr", "-i", "add", "account", f"name={name}", "parent=root", "GrpTRESMins=gres/gpu=3"])
    sandbox.run(["sacctmgr", "-i", "add", "user", f"name={name}", f"account={leaf}"], check=False)
    found = [account for account in slurm.gateway.other_accounts() if account.gpu_minutes == 3]
    stored = name.replace("'", "`").replace('"', "`")
    assert stored in {account.name for account in found}
    slurm.gateway.execute(SetLimit(leaf, 5))
    assert slurm.gateway.snapshot().accounts[leaf].gpu_minutes == 5
    assert leaf in slurm.gateway.counters()


@pytest.mark.parametrize("turned", [False, True])
def test_limits_read_from_rows_that_print_blanks(*, turned: bool) -> None:
    """Only the row without a user has the account's limit: the others are of people, and mostly empty."""
    rows = [
        association(account="portal", parentname="root"),
        association(account="p1", parentname="portal", grptresmins="cpu=9,gres/gpu=60,gres/gpu:h100=7"),
        association(account="p1", user="kim"),
        association(account="p1", user="lee", grptresmins="gres/gpu=5"),
    ]
    state = cluster_state(parse_associations("\n".join(rows[::-1] if turned else rows), with_lineage=True), "portal")
    assert state.accounts["p1"].gpu_minutes == 60
    assert {user: person.gpu_minutes for (_, user), person in state.people.items()} == {"kim": None, "lee": 5}


def test_free_text_of_jobs_breaks_the_queue_and_the_history(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim")
    text = "one|two\nthree\x1ffour \"five\" 'six' 일곱 --help; rm -rf /"
    words = (f"--account={leaf}", f"--job-name={text}", f"--comment={text}", "--gpus=1", "--time=5", "--hold")
    job = real(slurm).submit("kim", *words)
    (entry,) = [entry for entry in slurm.gateway.queue() if entry.account == leaf]
    assert (entry.job_id, entry.user, entry.state) == (job, "kim", "PENDING")
    slurm.gateway.execute(CancelJobs(leaf, "kim"))
    assert slurm.jobs(leaf) == set()
