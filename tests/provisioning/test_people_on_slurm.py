"""People on a real Slurm: a name that is yet to be made, caps, leaving with "end now", jobs that name no account."""

from __future__ import annotations

import pytest
from django.utils import timezone

from allocations.models import StopOrder
from allocations.provisioning.names import look_for_new_names
from allocations.services.caps import cap_set
from allocations.services.default_accounts import default_account_choose
from allocations.services.members import member_remove
from allocations.services.usernames import username_approve, username_ask
from portal.slurm.sandbox import CommandFailed
from tests.factories import MembershipFactory, UserFactory
from tests.provisioning.scene import MINUTE, Scene, scene
from tests.slurm_cluster import unique_name, wait_for

__all__ = ["scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]


def default_account(scene: Scene, user: str) -> str:
    return scene.slurm.run(["sacctmgr", "-n", "-P", "show", "user", user, "format=defaultaccount"]).stdout.strip()


def test_a_name_works_at_once_when_it_is_made_after_its_approval(scene: Scene) -> None:
    """An association made before its Unix user would stay unusable: there is none until the name was found."""
    name, now = unique_name("late"), timezone.now()
    person = MembershipFactory(project=scene.account.project, user=UserFactory(cluster_username=None)).user
    username_ask(user=person, name=name, by=person, at=now)
    look_for_new_names(scene.gateway, at=now)
    username_approve(user=person, by=UserFactory(roles=["operator"]), at=now)
    scene.apply()
    assert name not in scene.associations(scene.account.name)
    scene.slurm.run(["useradd", "--create-home", name])
    look_for_new_names(scene.gateway, at=now)
    person.refresh_from_db()
    assert person.is_on_cluster
    scene.apply()
    scene.wait_until_runs(scene.submit(name, "--gpus=1", "--time=1"))
    scene.expect_agreement()


def test_a_member_cannot_pass_the_cap_and_others_can(scene: Scene) -> None:
    scene.apply()
    pi, user = scene.account.project.pi, str(scene.member.user.cluster_username)

    def cap(minutes: int | None) -> None:
        seconds = None if minutes is None else minutes * MINUTE
        cap_set(membership=scene.member, pool=scene.account.pool, gpu_seconds=seconds, by=pi, at=timezone.now())
        scene.apply()

    cap(2)
    scene.expect_agreement()
    with pytest.raises(CommandFailed, match="AssocGrpGRESMinutes"):
        scene.submit(user, "--gpus=1", "--time=3")
    first = scene.submit(user, "--gpus=1", "--time=2")
    scene.wait_until_runs(first)
    second = scene.submit(user, "--gpus=1", "--time=2")
    scene.wait_until_runs(scene.submit(scene.pi, "--gpus=1", "--time=3"))
    wait_for("Slurm's hold", lambda: scene.job(second) == "PENDING AssocGrpGRESMinutes")
    cap(4)
    scene.wait_until_runs(second)
    cap(None)
    scene.wait_until_runs(scene.submit(user, "--gpus=1", "--time=3"))
    scene.expect_agreement()


def test_leaving_with_end_now_ends_theirs_in_that_project_alone(scene: Scene) -> None:
    user = str(scene.member.user.cluster_username)
    other = scene.add_project()
    MembershipFactory(project=other.project, user=scene.member.user)
    scene.apply()
    theirs = [scene.submit(user, "--gpus=1", "--time=1") for _ in range(2)]
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    elsewhere = scene.submit(user, "--gpus=1", "--time=1", account=other.name)
    pis = scene.submit(scene.pi, "--gpus=1", "--time=1")
    for job in (*theirs, elsewhere, pis):
        scene.wait_until_runs(job)
    member_remove(membership=scene.member, by=scene.account.project.pi, at=timezone.now(), stop_jobs=True)
    scene.apply()
    gone = [*theirs, waiting]
    wait_for("their jobs' end", lambda: not any(scene.job(job).startswith(("RUNNING", "PENDING")) for job in gone))
    wait_for("the order to be done", lambda: scene.apply() and StopOrder.objects.get().done_at is not None)
    assert scene.job(elsewhere).startswith("RUNNING")
    assert scene.job(pis).startswith("RUNNING")
    with pytest.raises(CommandFailed, match="AssocGrpSubmitJobsLimit"):
        scene.submit(user, "--gpus=1", "--time=1")


def test_jobs_that_name_no_account_follow_the_choice_once_the_default_is_closed(scene: Scene) -> None:
    user, person = str(scene.member.user.cluster_username), scene.member.user
    others = sorted([scene.add_project(), scene.add_project()], key=lambda account: account.name)
    for account in others:
        MembershipFactory(project=account.project, user=person)
    scene.apply()
    scene.apply()  # in force after the first pass
    chosen = others[1]
    chosen.refresh_from_db()
    before = default_account(scene, user)
    assert before == scene.account.name
    default_account_choose(user=person, account=chosen, by=person, at=timezone.now())
    scene.apply()
    assert default_account(scene, user) == before
    member_remove(membership=scene.member, by=scene.account.project.pi, at=timezone.now())
    scene.apply()
    assert default_account(scene, user) == chosen.name
    arguments = ("--partition=h100", "--gpus=1", "--time=1", "--output=/dev/null", "--chdir=/tmp")
    job = scene.slurm.submit(user, *arguments, script="#!/bin/sh\nsleep 60\n")
    charged = scene.slurm.run(["squeue", "-h", "-j", str(job), "-o", "%a"]).stdout.strip()
    assert charged == chosen.name
