"""Enforcement, seen on a real Slurm: what is granted runs, what is not does not, in every form of asking."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from allocations.models import Account, MemberCap, Membership
from portal.slurm.sandbox import CommandFailed, Sandbox
from tests.factories import MembershipFactory, SuspensionFactory
from tests.provisioning.scene import MINUTE, Scene, scene, scene_on
from tests.slurm_cluster import require_sandbox, unique_name, wait_for

__all__ = ["scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]

OVER_THE_LIMIT = "PENDING AssocGrpGRESMinutes"
# Each asks for two GPUs for two minutes, with a type or without.
FORMS = [
    "--gpus=2",
    "--gpus=h100:2",
    "--gres=gpu:2",
    "--gres=gpu:h100:2",
    "--gpus-per-node=2",
    "--gpus-per-task=1 --ntasks=2",
    "--tres-per-task=gres/gpu=1 --ntasks=2",
    "--gpus=2 --ntasks-per-gpu=1",
    "--gres=gpu:2 --ntasks=2 --cpus-per-task=16",
    "--gpus-per-node=2 --nodes=1-2 --ntasks=2",
]
ELSEWHERE = [
    "--partition=a100 --gpus=1",
    "--partition=h100,a100 --gpus=1",
    "--partition=a100 --gres=gpu:a100:1",
    "--partition=h100 --gres=gpu:a100:1",
    "--partition=a100 --qos=a100 --gpus=1",
    "--partition=h100 --qos=a100 --gpus=1",
    "--partition=a100 --qos=normal --gpus=1",
]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A cluster of Slurm 24.11."""
    require_sandbox()
    sandbox = Sandbox(unique_name("test-"), release="trixie", state=tmp_path_factory.mktemp("older") / "state")
    sandbox.up(pdeathsig=True)
    yield sandbox
    sandbox.down(purge=True)


@pytest.fixture(params=["26.05", "24.11"])
def either(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A scene on each version of Slurm."""
    with scene_on(request.getfixturevalue("cluster" if request.param == "26.05" else "older")) as made:
        yield made


def test_members_run_others_are_refused_and_the_limit_holds_what_would_pass_it(either: Scene) -> None:
    either.apply()
    either.slurm.person("stranger")
    first = either.submit(either.pi, "--gpus=4", "--time=2")
    either.wait_until_runs(first)
    with pytest.raises(CommandFailed, match="Invalid account"):
        either.submit("stranger", "--gpus=1", "--time=1")
    second = either.submit(str(either.member.user.cluster_username), "--gpus=3", "--time=1")
    wait_for("Slurm's hold on the second job", lambda: either.job(second) == OVER_THE_LIMIT)
    either.supplement(10)
    either.apply()
    either.slurm.run(["scancel", str(first)])
    either.wait_until_runs(second)


def test_raising_the_limit_releases_what_waited_for_it(scene: Scene) -> None:
    scene.apply()
    running = scene.submit(scene.pi, "--gpus=2", "--time=4")
    scene.wait_until_runs(running)
    waiting = scene.submit(scene.pi, "--gpus=2", "--time=2")
    wait_for("Slurm's hold", lambda: scene.job(waiting) == OVER_THE_LIMIT)
    scene.supplement(2)
    scene.apply()
    scene.wait_until_runs(waiting)
    assert scene.job(running).startswith("RUNNING")


def test_no_form_of_asking_for_gpus_passes_the_limit(either: Scene) -> None:
    """Five minutes granted, two reserved by a job that runs: what asks for four waits, whatever its words."""
    leaf = either.add_project(minutes=5)
    either.apply()
    pi = str(leaf.project.pi.cluster_username)
    either.wait_until_runs(either.submit(pi, "--gpus=1", "--time=2", account=leaf.name))
    jobs = {form: either.submit(pi, *form.split(), "--time=2", account=leaf.name) for form in FORMS}
    array = either.submit(pi, "--gpus=2", "--time=2", "--array=0-2", account=leaf.name)
    wait_for("Slurm's hold on all", lambda: {either.job(job) for job in jobs.values()} == {OVER_THE_LIMIT})
    wait_for("Slurm's hold on the array", lambda: set(either.job(array).splitlines()) == {OVER_THE_LIMIT})


def test_a_whole_node_is_charged_as_a_whole_node(either: Scene) -> None:
    """`--exclusive` asks for one GPU and gets four: Slurm holds it by what it would get (slurm-facts 12.4)."""
    leaf = either.add_project(minutes=3)
    either.apply()
    job = either.submit(str(leaf.project.pi.cluster_username), "--exclusive", "--gpus=1", "--time=1", account=leaf.name)
    wait_for("Slurm's hold", lambda: either.job(job) == OVER_THE_LIMIT)


def test_what_asks_for_no_gpu_is_refused(either: Scene) -> None:
    either.apply()
    for form in (["--cpus-per-task=4"], ["--gres=none"], ["--exclusive"], ["--gpus=0"]):
        with pytest.raises(CommandFailed, match=r"QOSMinGRES|Invalid"):
            either.submit(either.pi, *form, "--time=1")


def test_no_form_of_asking_for_gpus_leaves_the_pool(either: Scene) -> None:
    either.apply()
    for form in ELSEWHERE:
        partition, *rest = form.split()
        with pytest.raises(CommandFailed):
            either.submit(either.pi, *rest, "--time=1", partition=partition.removeprefix("--partition="))
    with pytest.raises(CommandFailed, match="Invalid account"):
        either.submit(either.pi, "--gpus=1", "--time=1", account=either.account.project.code)


def test_a_suspended_grant_lets_running_jobs_end_and_comes_back_as_it_was(scene: Scene) -> None:
    scene.apply()
    before = scene.associations(scene.account.name)
    running = scene.submit(scene.pi, "--gpus=1", "--time=1", script="#!/bin/sh\nsleep 4\n")
    scene.wait_until_runs(running)
    waiting = scene.submit(scene.pi, "--gpus=1", "--time=1", "--begin=now+1hour")
    suspension = SuspensionFactory(grant=scene.line.grant, since=timezone.now())
    assert scene.apply().parked
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(scene.pi, "--gpus=1", "--time=1")
    scene.slurm.run(["scontrol", "update", f"JobId={waiting}", "StartTime=now"])
    wait_for("the job's end", lambda: ended_as(scene, running) == "COMPLETED")
    assert scene.job(waiting).startswith("PENDING")
    suspension.until = timezone.now()
    suspension.save()
    scene.apply()
    scene.expect_agreement()
    assert scene.associations(scene.account.name) == before
    scene.wait_until_runs(waiting)


def test_a_leaf_without_an_open_line_accepts_nothing(scene: Scene) -> None:
    scene.apply()
    grant = scene.line.grant
    grant.starts_at, grant.ends_at = timezone.now() + timedelta(days=1), timezone.now() + timedelta(days=2)
    grant.save()
    leaf = scene.apply()
    assert (leaf.state, leaf.parked, leaf.limit_gpu_minutes) == (Account.State.IN_FORCE, True, 0)
    for options in (["--gpus=1"], ["--gpus=1", "--begin=now+2days"], ["--exclusive", "--gpus=1"]):
        with pytest.raises(CommandFailed, match=r"AssocGrp(SubmitJobs|GRESMinutes)"):
            scene.submit(scene.pi, *options, "--time=1")
    scene.expect_agreement()


def test_an_ended_grant_is_parked_keeps_its_limit_and_lets_jobs_end(scene: Scene) -> None:
    scene.apply()
    running = scene.submit(scene.pi, "--gpus=1", "--time=1")
    scene.wait_until_runs(running)
    scene.end_grant(charged_minutes=3)
    account = scene.apply()
    assert (account.state, account.parked, account.limit_gpu_minutes) == (Account.State.IN_FORCE, True, 3)
    assert scene.associations(account.name)[""][1:4] == ["gres/gpu=3", "0", "0"]
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(scene.pi, "--gpus=1", "--time=1")
    assert scene.job(running).startswith("RUNNING")


def test_a_removed_member_can_start_nothing_and_what_runs_goes_on(scene: Scene) -> None:
    scene.apply()
    user = str(scene.member.user.cluster_username)
    running = scene.submit(user, "--gpus=1", "--time=1")
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    others = scene.submit(scene.pi, "--gpus=1", "--time=1", "--begin=now+1hour")
    scene.wait_until_runs(running)
    scene.remove_member()
    assert scene.apply().state == Account.State.IN_FORCE
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(user, "--gpus=1", "--time=1")
    assert scene.job(running).startswith("RUNNING")
    wait_for("the waiting job's end", lambda: not scene.job(waiting).startswith("PENDING"))
    assert scene.job(others).startswith("PENDING")


def test_a_member_removed_from_one_project_goes_on_in_the_other(scene: Scene) -> None:
    other = scene.add_project()
    MembershipFactory(project=other.project, user=scene.member.user)
    scene.apply()
    user = scene.remove_member()
    scene.apply()
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(user, "--gpus=1", "--time=1")
    scene.wait_until_runs(scene.submit(user, "--gpus=1", "--time=1", account=other.name))
    scene.expect_agreement()


def test_who_never_was_a_member_of_the_leaf_of_another_pool_is_refused_there(scene: Scene) -> None:
    dear = scene.add_project(pool="a100")
    scene.apply()
    with pytest.raises(CommandFailed, match="Invalid account"):
        scene.submit(scene.pi, "--gpus=1", "--time=1", account=dear.name, partition="a100")
    member = dear.project.memberships.exclude(user=dear.project.pi).get()
    user = str(member.user.cluster_username)
    scene.wait_until_runs(scene.submit(user, "--gpus=1", "--time=1", account=dear.name, partition="a100"))
    Membership.objects.filter(pk=member.pk).update(status=Membership.Status.REMOVED)
    scene.apply()
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(user, "--gpus=1", "--time=1", account=dear.name, partition="a100")


def test_a_persons_cap_binds_and_only_that_person(either: Scene) -> None:
    """Ten minutes granted, of which the member may use three."""
    cap = MemberCap.objects.create(
        membership=either.member,
        pool=either.account.pool,
        gpu_seconds=3 * MINUTE,
        set_by=either.account.project.pi,
        set_at=timezone.now(),
    )
    either.apply()
    either.expect_agreement()
    member = str(either.member.user.cluster_username)
    with pytest.raises(CommandFailed, match="AssocGrpGRESMinutes"):
        either.submit(member, "--gpus=2", "--time=2")
    either.wait_until_runs(either.submit(member, "--gpus=1", "--time=2"))
    second = either.submit(member, "--gpus=2", "--time=1")
    wait_for("Slurm's hold", lambda: either.job(second) == OVER_THE_LIMIT)
    either.wait_until_runs(either.submit(either.pi, "--gpus=1", "--time=2"))
    cap.delete()
    either.apply()
    either.expect_agreement()
    either.wait_until_runs(second)


def test_who_got_the_qos_of_another_pool_by_hand_cannot_reach_it_after_one_pass(scene: Scene) -> None:
    scene.apply()
    user = str(scene.member.user.cluster_username)
    place = ["where", f"name={user}", f"account={scene.account.name}"]
    scene.slurm.run(["sacctmgr", "-i", "modify", "user", *place, "set", "qos=h100,a100"])
    wait_for("the loophole", lambda: accepted(scene, user, "--partition=a100 --qos=a100"))
    scene.apply()
    wait_for("its end", lambda: not accepted(scene, user, "--partition=a100 --qos=a100"))
    assert accepted(scene, user, "--partition=h100")
    scene.expect_agreement()


def accepted(scene: Scene, user: str, where: str) -> bool:
    partition, *rest = where.split()
    try:
        scene.submit(user, *rest, "--gpus=1", "--time=1", partition=partition.removeprefix("--partition="))
    except CommandFailed:
        return False
    return True


def ended_as(scene: Scene, job: int) -> str:
    return scene.slurm.run(["sacct", "-n", "-X", "-P", "-j", str(job), "-o", "state"]).stdout.strip()
