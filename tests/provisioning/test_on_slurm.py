"""Grants on a real Slurm: in force by reading back, put right where somebody changed them, refused in Slurm's words.

What Slurm then lets run is in test_enforcement.py, what breaks and heals in test_faults.py.
"""

from __future__ import annotations

import pytest

from allocations.models import Account, Membership
from portal.schedule import store_queue
from tests.provisioning.scene import Scene, scene
from tests.slurm_cluster import wait_for

__all__ = ["scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]

# Nothing of a title ever reaches Slurm; these would show it if it did.
HOSTILE = ["-i", "set=GrpTRESMins=gres/gpu=-1", 'a"b|c\nd; $(id)', "철강, 'where' cluster=other", "--"]


def test_a_grant_is_in_force_and_slurm_says_the_same(scene: Scene) -> None:
    account = scene.apply()
    assert (account.state, account.limit_gpu_minutes, account.parked) == (Account.State.IN_FORCE, 10, False)
    member = str(scene.member.user.cluster_username)
    assert scene.associations(account.name) == {
        "": [account.project.code, "gres/gpu=10", "", "", "h100"],
        scene.pi: ["", "", "", "", "h100"],
        member: ["", "", "", "", "h100"],
    }
    assert scene.associations(account.project.code) == {"": [scene.root, "", "", "", "normal"]}
    scene.expect_agreement()
    assert not scene.sync().planned


def test_what_somebody_changed_by_hand_is_put_right(scene: Scene) -> None:
    name = scene.apply().name
    scene.slurm.run(["sacctmgr", "-i", "modify", "account", name, "set", "GrpTRESMins=gres/gpu=-1", "qos=h100,a100"])
    scene.slurm.run(["sacctmgr", "-i", "add", "user", "stranger", f"account={scene.account.project.code}"])
    assert scene.apply().state == Account.State.IN_FORCE
    assert scene.associations(name)[""][1:] == ["gres/gpu=10", "", "", "h100"]
    assert scene.associations(scene.account.project.code)["stranger"][2:4] == ["0", "0"]


def test_a_pause_without_its_cancelling_is_finished_by_the_next_pass(scene: Scene) -> None:
    """As after a worker that was killed between the two."""
    scene.apply()
    user = str(scene.member.user.cluster_username)
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    Membership.objects.filter(pk=scene.member.pk).update(status=Membership.Status.REMOVED)
    place = ["where", f"name={user}", f"account={scene.account.name}"]
    scene.slurm.run(["sacctmgr", "-i", "modify", "user", *place, "set", "GrpJobs=0", "GrpSubmitJobs=0"])
    store_queue(scene.gateway, lambda: True)
    scene.apply()
    wait_for("the waiting job's end", lambda: not scene.job(waiting).startswith("PENDING"))


def test_a_qos_that_does_not_exist_is_refused_in_slurms_words(scene: Scene) -> None:
    scene.account.pool.qos = "missing"
    scene.account.pool.save()
    account = scene.apply()
    assert account.state == Account.State.REFUSED
    assert account.slurm_words
    assert scene.associations(account.name) == {}


def test_titles_and_names_of_people_reach_slurm_in_no_form(scene: Scene) -> None:
    project, pi = scene.account.project, scene.account.project.pi
    for words in HOSTILE:
        project.title_ko = project.title_en = pi.name_ko = pi.name_en = words
        project.save()
        pi.save()
        scene.apply()
    scene.expect_agreement()
    told = scene.slurm.run(
        ["sacctmgr", "-n", "-P", "show", "account", "format=account,description,organization"]
    ).stdout
    rows = [line.split("|") for line in told.splitlines() if line.startswith(project.code)]
    assert sorted(rows) == [
        [project.code, project.code, scene.root],
        [scene.account.name, scene.account.name, project.code],
    ]
