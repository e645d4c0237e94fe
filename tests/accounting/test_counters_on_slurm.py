"""A slurmctld that is killed forgets use that was not saved yet. On a real one: no budget is refilled by that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounting import live_queue
from accounting.counters import HoldReport, hold_counters
from accounting.history.ingest import ingest
from accounting.models import Counter, Deviation, Job
from allocations.models import Project, Rebase
from portal.slurm.sandbox import CommandFailed
from tests.provisioning.faults import healed, tried
from tests.provisioning.scene import MINUTE, Scene, scene
from tests.slurm_cluster import own_cluster, start_daemon, stop_daemon, wait_for

__all__ = ["own_cluster", "scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]

GRANTED = 10 * MINUTE
A_JOB = "#!/bin/sh\nsleep 12\n"


def kill_slurmctld(scene: Scene) -> None:
    """As a crash or a power loss would end it, within the five minutes in which it saves nothing."""
    stop_daemon(scene.slurm, "slurmctld", kill=True)
    start_daemon(scene.slurm, "slurmctld")


def look(scene: Scene, minutes: int = 0) -> HoldReport:
    """What the worker does every few seconds, so many minutes from now."""
    at = timezone.now() + timedelta(minutes=minutes)
    live_queue.store(scene.gateway, at=at)
    ingest(scene.gateway, at=at)
    return hold_counters(at)


def run_a_job(scene: Scene) -> int:
    """Four GPUs for some seconds; the GPU-seconds that slurmctld counts of it at its end."""
    job = scene.submit(scene.pi, "--gpus=4", "--time=1", script=A_JOB)
    wait_for("the job's end", lambda: not scene.job(job))
    wait_for("the job in the counter", lambda: scene.used_seconds(scene.account.name) >= 4 * 12)
    return scene.used_seconds(scene.account.name)


def ledger(scene: Scene) -> int:
    return scene.line.charged_gpu_seconds


def expect_nothing_refilled(scene: Scene) -> None:
    """Limit − counter ≤ what the grant has left, by Slurm's own words."""
    left = GRANTED - ledger(scene)
    name = scene.account.name
    wait_for("the limit in slurmctld", lambda: scene.held_by_slurmctld()[name] == scene.granted()[name].gpu_minutes, 20)
    assert scene.held_by_slurmctld()[name] * MINUTE - scene.used_seconds(name) <= left


@pytest.fixture
def used(scene: Scene) -> int:
    """GPU-seconds that a finished job used, of ten GPU-minutes; seen by ledger and counter."""
    Project.objects.update(created_at=timezone.now())
    scene.apply()
    used = run_a_job(scene)

    def charged() -> bool:
        ingest(scene.gateway, at=timezone.now())
        return Job.objects.filter(account=scene.account.name, final=True).exists()

    wait_for("the job's end in slurmdbd", charged)
    return used


def test_ledger_and_counter_agree_to_the_second(scene: Scene, used: int) -> None:
    look(scene, minutes=3)
    assert ledger(scene) == used
    assert not Rebase.objects.exists()
    assert not Deviation.objects.exists()
    assert Counter.objects.get(account=scene.account).agreed_at is not None


def test_slurmctld_killed_after_a_job_refills_no_budget(scene: Scene, used: int) -> None:
    tried("slurmctld killed: its counters lost")
    look(scene)
    kill_slurmctld(scene)
    assert scene.used_seconds(scene.account.name) == 0
    live_queue.store(scene.gateway, at=timezone.now())
    rebase = Rebase.objects.get()
    assert (rebase.cause, rebase.after_gpu_seconds) == (Rebase.Cause.FALLEN, -used)
    assert scene.apply().limit_gpu_minutes == (GRANTED - used) // MINUTE
    expect_nothing_refilled(scene)
    with pytest.raises(CommandFailed, match="AssocGrpGRESMinutes"):
        scene.submit(scene.pi, "--gpus=2", "--time=5")
    look(scene, minutes=3)
    assert (Rebase.objects.count(), Deviation.objects.count()) == (1, 0)
    healed("slurmctld killed: its counters lost")


def test_what_the_worker_did_not_see_fall_is_held_against_the_ledger(scene: Scene, used: int) -> None:
    tried("slurmctld killed while the worker was away")
    kill_slurmctld(scene)
    assert look(scene, minutes=3).rebased == [scene.account.name]
    assert Rebase.objects.get().cause == Rebase.Cause.BEHIND
    assert scene.apply().limit_gpu_minutes == (GRANTED - used) // MINUTE
    expect_nothing_refilled(scene)
    healed("slurmctld killed while the worker was away")


def test_slurmctld_killed_under_a_running_job_ends_in_agreement(scene: Scene) -> None:
    """How much of the running job it counts again differs; whatever it is, the offset follows."""
    tried("slurmctld killed under a running job")
    Project.objects.update(created_at=timezone.now())
    scene.apply()
    job = scene.submit(scene.pi, "--gpus=4", "--time=1", script="#!/bin/sh\nsleep 25\n")
    scene.wait_until_runs(job)
    look(scene)
    kill_slurmctld(scene)
    look(scene)
    wait_for("the job's end", lambda: not scene.job(job))

    def ended() -> bool:
        look(scene)
        return Job.objects.filter(account=scene.account.name, final=True).exists()

    wait_for("the job's end in slurmdbd", ended)
    look(scene, minutes=3)
    scene.apply()
    expect_nothing_refilled(scene)
    assert scene.used_seconds(scene.account.name) == ledger(scene) + scene.account.offset_gpu_seconds
    assert not Deviation.objects.open().exists()
    healed("slurmctld killed under a running job")
