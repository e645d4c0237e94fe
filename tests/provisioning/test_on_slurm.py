"""Grants on a real Slurm: in force by reading back, enforced, and healed whenever the worker is killed.

Each test has a project of its own below the portal's root account; what other tests left there is not touched.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from allocations.models import Account, Cluster, LedgerEntry, Membership, OperationRecord
from allocations.provisioning.sync import synchronise
from allocations.services.accounts import cluster_writing_enable
from portal.events.models import Event
from portal.schedule import store_queue, waiting_people
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import CommandFailed, Sandbox
from tests.factories import GrantFactory, LedgerEntryFactory, MembershipFactory, PoolFactory, ProjectFactory
from tests.slurm_cluster import wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]

CHECKOUT = Path(__file__).resolve().parents[2]
MINUTE = 60
FOREVER = "#!/bin/sh\nsleep 300\n"
CRASH_POINTS = [
    "before_plan",
    "after_snapshot",
    "after_operation:1",
    "after_create_leaf",
    "before_record",
    "after_record",
    "before_operation:3",
    "after_operation:4",
    "before_read_back",
    "before_mark",
    "after_mark",
]
numbers = count(1)


@dataclass
class Scene:
    """A project on the cluster: a grant of 10 GPU-minutes in one pool, its PI and one member."""

    slurm: Sandbox
    gateway: CommandsGateway
    account: Account
    pi: str
    member: Membership

    def apply(self) -> Account:
        synchronise(self.gateway, clock=timezone.now, retry_refused=True, waiting=waiting_people())
        self.account.refresh_from_db()
        return self.account

    def associations(self, account: str) -> dict[str, list[str]]:
        """By user (the account itself: ""): parent, limit, GrpJobs, GrpSubmit, QOS; not read by the portal's means."""
        columns = "format=user,parentname,grptresmins,grpjobs,grpsubmit,qos"
        text = self.slurm.run(["sacctmgr", "-n", "-P", "show", "assoc", f"account={account}", columns]).stdout
        rows = [line.split("|") for line in text.splitlines()]
        assert len(rows) == len({row[0] for row in rows}), f"an association twice: {rows}"
        return {user: rest for user, *rest in rows}

    def submit(self, user: str, *options: str) -> int:
        place = (f"--account={self.account.name}", "--partition=h100", "--output=/dev/null", "--chdir=/tmp")
        return self.slurm.submit(user, *place, *options, script=FOREVER)

    def job(self, job_id: int) -> str:
        return self.slurm.run(["squeue", "-h", "-j", str(job_id), "-o", "%T %r"], check=False).stdout.strip()


@pytest.fixture
def scene(cluster: Sandbox) -> Iterator[Scene]:
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=timezone.now())
    number = next(numbers)
    pi, member = f"pi{number}", f"member{number}"
    for user in (pi, member):
        cluster.person(user)
    project = ProjectFactory(code=f"p99{number:03d}", pi__cluster_username=pi)
    membership = MembershipFactory(project=project, user__cluster_username=member)
    now = timezone.now()
    grant = GrantFactory(project=project, starts_at=now - timedelta(days=1), ends_at=now + timedelta(days=90), hours=0)
    line = grant.lines.create(pool=PoolFactory(code="h100"))
    LedgerEntryFactory(line=line, gpu_seconds=10 * MINUTE)
    account = Account.objects.create(project=project, pool=line.pool, name=f"{project.code}-h100")
    gateway = CommandsGateway(settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, cluster.prefix)
    yield Scene(cluster, gateway, account, pi, membership)
    cluster.run(["sh", "-c", "squeue -h -o %A | xargs -r scancel"])


def test_a_grant_is_in_force_and_slurm_says_the_same(scene: Scene) -> None:
    account = scene.apply()
    assert (account.state, account.limit_gpu_minutes, account.parked) == (Account.State.IN_FORCE, 10, False)
    member = scene.member.user.cluster_username
    assert scene.associations(account.name) == {
        "": [account.project.code, "gres/gpu=10", "", "", "h100"],
        scene.pi: ["", "", "", "", "h100"],
        member: ["", "", "", "", "h100"],
    }
    assert scene.associations(account.project.code) == {"": [settings.SLURM_ROOT_ACCOUNT, "", "", "", "normal"]}


def test_members_run_others_are_refused_and_the_limit_holds_what_would_pass_it(scene: Scene) -> None:
    scene.apply()
    scene.slurm.person("stranger")
    first = scene.submit(scene.pi, "--gpus=4", "--time=2")
    wait_for("the first job's start", lambda: scene.job(first).startswith("RUNNING"))
    with pytest.raises(CommandFailed, match="Invalid account"):
        scene.submit("stranger", "--gpus=1", "--time=1")
    second = scene.submit(scene.member.user.cluster_username, "--gpus=3", "--time=1")
    wait_for("Slurm's hold on the second job", lambda: scene.job(second) == "PENDING AssocGrpGRESMinutes")
    line = scene.account.project.grants.get().lines.get()
    LedgerEntryFactory(line=line, kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=10 * MINUTE)
    scene.apply()
    scene.slurm.run(["scancel", str(first)])
    wait_for("the second job's start", lambda: scene.job(second).startswith("RUNNING"))


def test_a_removed_member_can_start_nothing_and_what_runs_goes_on(scene: Scene) -> None:
    scene.apply()
    user = scene.member.user.cluster_username
    running = scene.submit(user, "--gpus=1", "--time=1")
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    others = scene.submit(scene.pi, "--gpus=1", "--time=1", "--begin=now+1hour")
    wait_for("the job's start", lambda: scene.job(running).startswith("RUNNING"))
    Membership.objects.filter(pk=scene.member.pk).update(status=Membership.Status.REMOVED)
    assert scene.apply().state == Account.State.IN_FORCE
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(user, "--gpus=1", "--time=1")
    assert scene.job(running).startswith("RUNNING")
    wait_for("the waiting job's end", lambda: not scene.job(waiting).startswith("PENDING"))
    assert scene.job(others).startswith("PENDING")


def test_a_pause_without_its_cancelling_is_finished_by_the_next_pass(scene: Scene) -> None:
    """As after a worker that was killed between the two."""
    scene.apply()
    user = scene.member.user.cluster_username
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    Membership.objects.filter(pk=scene.member.pk).update(status=Membership.Status.REMOVED)
    place = ["where", f"name={user}", f"account={scene.account.name}"]
    scene.slurm.run(["sacctmgr", "-i", "modify", "user", *place, "set", "GrpJobs=0", "GrpSubmitJobs=0"])
    store_queue(scene.gateway, lambda: True)
    scene.apply()
    wait_for("the waiting job's end", lambda: not scene.job(waiting).startswith("PENDING"))


def test_an_ended_grant_is_parked_keeps_its_limit_and_lets_jobs_end(scene: Scene) -> None:
    scene.apply()
    running = scene.submit(scene.pi, "--gpus=1", "--time=1")
    wait_for("the job's start", lambda: scene.job(running).startswith("RUNNING"))
    grant = scene.account.project.grants.get()
    grant.ends_at = timezone.now()
    grant.save()
    grant.lines.update(charged_gpu_seconds=3 * MINUTE)
    account = scene.apply()
    assert (account.state, account.parked, account.limit_gpu_minutes) == (Account.State.IN_FORCE, True, 3)
    assert scene.associations(account.name)[""][1:4] == ["gres/gpu=3", "0", "0"]
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(scene.pi, "--gpus=1", "--time=1")
    assert scene.job(running).startswith("RUNNING")


def test_what_somebody_changed_by_hand_is_put_right(scene: Scene) -> None:
    name = scene.apply().name
    scene.slurm.run(["sacctmgr", "-i", "modify", "account", name, "set", "GrpTRESMins=gres/gpu=-1", "qos=h100,a100"])
    scene.slurm.run(["sacctmgr", "-i", "add", "user", "stranger", f"account={scene.account.project.code}"])
    assert scene.apply().state == Account.State.IN_FORCE
    assert scene.associations(name)[""][1:] == ["gres/gpu=10", "", "", "h100"]
    assert scene.associations(scene.account.project.code)["stranger"][2:4] == ["0", "0"]


def test_a_qos_that_does_not_exist_is_refused_in_slurms_words(scene: Scene) -> None:
    scene.account.pool.qos = "missing"
    scene.account.pool.save()
    account = scene.apply()
    assert account.state == Account.State.REFUSED
    assert account.slurm_words
    assert scene.associations(account.name) == {}


def worker_process(scene: Scene, crash_point: str) -> subprocess.CompletedProcess[str]:
    """One pass in a process of its own; its exit code is negative where it was killed."""
    database = connection.settings_dict
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://postgres:@/{database['NAME']}?host={database['OPTIONS']['host']}",
        "SLURM_GATEWAY": "commands",
        "SLURM_COMMAND_PREFIX": ",".join(scene.slurm.prefix),
        "PORTAL_CRASH_POINT": crash_point,
    }
    command = [sys.executable, "manage.py", "slurm", "apply"]
    return subprocess.run(command, cwd=CHECKOUT, env=environment, text=True, capture_output=True, check=False)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_a_worker_killed_anywhere_leaves_nothing_that_the_next_does_not_heal(scene: Scene, point: str) -> None:
    killed = worker_process(scene, point)
    assert killed.returncode == -signal.SIGKILL, killed.stdout + killed.stderr
    account = scene.apply()
    assert (account.state, account.limit_gpu_minutes, account.parked) == (Account.State.IN_FORCE, 10, False)
    assert scene.associations(account.name)[""] == [account.project.code, "gres/gpu=10", "", "", "h100"]
    assert len(scene.associations(account.name)) == 3
    done = Counter(OperationRecord.objects.filter(succeeded=True).values_list("operation", "account", "person"))
    assert set(done.values()) == {1}
    assert [event.action for event in Event.objects.filter(target_kind="account")] == ["account.in_force"]
