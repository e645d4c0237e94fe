"""A person's own cap is enforced by slurmctld beside the limit of the account, and jobs are ended where asked."""

from __future__ import annotations

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.sandbox import CommandFailed
from portal.slurm.types import CancelJobs, SetLimit, SetPersonLimit
from tests.slurm.conftest import ROOT, Place, associations, real
from tests.slurm.test_on_slurm import LONG, entries, eventually, leaf_with, stopped


def submit(slurm: Place, leaf: str, user: str, *, gpus: int = 1, minutes: int = 8) -> int:
    arguments = (f"--account={leaf}", f"--gpus={gpus}", f"--time={minutes}")
    return real(slurm).submit(user, *arguments, script=LONG)


def running(slurm: Place, leaf: str) -> set[int]:
    return {entry.job_id for entry in entries(slurm, leaf, "RUNNING")}


def held(slurm: Place, leaf: str, job: int) -> bool:
    """By a limit of an association, the person's or the account's: Slurm's reason does not tell which."""
    waiting = [entry for entry in entries(slurm, leaf, "PENDING") if entry.job_id == job]
    return bool(waiting) and waiting[0].reason == "AssocGrpGRESMinutes"


def known(slurm: Place, leaf: str, words: str) -> None:
    """slurmctld hears of a change a moment after slurmdbd."""
    eventually(lambda: words in associations(real(slurm), leaf))


def test_a_person_cannot_start_more_than_their_cap_and_others_can(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim", "lee", gpu_minutes=100)
    slurm.gateway.execute(SetPersonLimit(leaf, "kim", 10))
    known(slurm, leaf, "gres/gpu=10(0)")
    first = submit(slurm, leaf, "kim")
    eventually(lambda: running(slurm, leaf) == {first})
    second = submit(slurm, leaf, "kim")
    eventually(lambda: held(slurm, leaf, second))
    others = submit(slurm, leaf, "lee")
    eventually(lambda: running(slurm, leaf) == {first, others})
    slurm.gateway.execute(SetPersonLimit(leaf, "kim", 16))
    eventually(lambda: running(slurm, leaf) == {first, second, others})
    slurm.gateway.execute(CancelJobs(leaf))


def test_the_limit_of_the_account_holds_also_below_a_higher_cap(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim", gpu_minutes=10)
    slurm.gateway.execute(SetPersonLimit(leaf, "kim", 100))
    known(slurm, leaf, "gres/gpu=100(0)")
    first = submit(slurm, leaf, "kim")
    eventually(lambda: running(slurm, leaf) == {first})
    second = submit(slurm, leaf, "kim")
    eventually(lambda: held(slurm, leaf, second))
    slurm.gateway.execute(SetLimit(leaf, 16))
    eventually(lambda: running(slurm, leaf) == {first, second})
    slurm.gateway.execute(CancelJobs(leaf))


def test_what_a_cap_can_never_bear_is_refused_at_once_until_it_is_taken_away(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim", gpu_minutes=100)
    slurm.gateway.execute(SetPersonLimit(leaf, "kim", 0))
    known(slurm, leaf, "gres/gpu=0(0)")
    with pytest.raises(CommandFailed, match="AssocGrpGRESMinutes"):
        submit(slurm, leaf, "kim")
    slurm.gateway.execute(SetPersonLimit(leaf, "kim", None))
    eventually(lambda: "gres/gpu=0(0)" not in associations(real(slurm), leaf))
    job = submit(slurm, leaf, "kim")
    eventually(lambda: running(slurm, leaf) == {job})
    slurm.gateway.execute(CancelJobs(leaf))


def test_jobs_of_every_shape_are_ended(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim")
    sandbox = real(slurm)

    def start(*arguments: str, script: str = LONG) -> int:
        return sandbox.submit("kim", f"--account={leaf}", "--gpus=1", "--time=10", *arguments, script=script)

    # It does not listen to the polite signal, and is gone from the queue all the same.
    start(script="#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    start("--array=0-9%1")
    start("--hold")
    start("--begin=now+1hour")
    suspended = start()
    requeued = start("--requeue")
    eventually(lambda: {suspended, requeued} <= running(slurm, leaf))
    sandbox.run(["scontrol", "suspend", str(suspended)])
    sandbox.run(["scontrol", "requeuehold", str(requeued)])
    eventually(lambda: entries(slurm, leaf, "SUSPENDED"))
    slurm.gateway.execute(CancelJobs(leaf))
    assert {entry.state for entry in entries(slurm, leaf)} <= {"COMPLETING"}
    eventually(lambda: not entries(slurm, leaf))


def test_jobs_that_do_not_go_are_asked_for_again_later(slurm: Place) -> None:
    leaf = leaf_with(slurm, "kim")
    submit(slurm, leaf, "kim")
    eventually(lambda: running(slurm, leaf))
    impatient = CommandsGateway("pohang", ROOT, real(slurm).prefix, seconds=1)
    with stopped(slurm, "slurmctld"), pytest.raises(SlurmUnavailable) as caught:
        impatient.execute(CancelJobs(leaf))
    assert not caught.value.permanent
    slurm.gateway.execute(CancelJobs(leaf, "kim"))
    assert running(slurm, leaf) == set()
