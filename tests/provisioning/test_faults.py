"""Faults on a real Slurm: whatever breaks, and wherever, the next pass puts right, once, and no budget is refilled.

Each test ends with both sides asked again (Scene.expect_agreement) and counts what it tried (faults.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from allocations import provisioning
from allocations.models import Account, MemberCap, Membership, OperationRecord
from portal import postgres
from portal.events.models import Event
from portal.schedule import store_queue
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.sandbox.processes import as_user
from portal.slurm.types import Operation
from tests.factories import SuspensionFactory
from tests.provisioning.faults import healed, tried
from tests.provisioning.scene import MINUTE, Scene, scene
from tests.rig import wait_until
from tests.slurm_cluster import own_cluster, start_daemon, stop_daemon, wait_for

__all__ = ["own_cluster", "scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]

CHECKOUT = Path(__file__).resolve().parents[2]


class Interrupting(CommandsGateway):
    """Lets something happen right before the operation of a number (from 1) is sent to Slurm."""

    def __init__(self, scene: Scene, number: int, act: Callable[[], object]) -> None:
        super().__init__(settings.SLURM_CLUSTER, scene.root, scene.slurm.prefix)
        self.number, self.act, self.seen = number, act, 0

    def execute(self, operation: Operation) -> str:
        self.seen += 1
        if self.seen == self.number:
            self.act()
        return super().execute(operation)


@contextmanager
def without(scene: Scene, daemon: str, *, kill: bool = False) -> Iterator[None]:
    stop_daemon(scene.slurm, daemon, kill=kill)
    try:
        yield
    finally:
        start_daemon(scene.slurm, daemon)


# --- Slurm's daemons ---


def test_without_slurmdbd_nothing_is_believed_and_all_is_done_after(scene: Scene) -> None:
    tried("slurmdbd stopped")
    with without(scene, "slurmdbd"):
        with pytest.raises(SlurmUnavailable):
            scene.sync()
        scene.account.refresh_from_db()
        assert scene.account.state == Account.State.APPLYING
        assert not OperationRecord.objects.filter(succeeded=True).exists()
    scene.apply()
    scene.expect_agreement()
    healed("slurmdbd stopped")


@pytest.mark.parametrize("number", [1, 3, 5])
def test_slurmdbd_stops_in_the_middle_of_a_pass(scene: Scene, number: int) -> None:
    tried("slurmdbd stopped in the middle of a pass")
    gateway = Interrupting(scene, number, lambda: stop_daemon(scene.slurm, "slurmdbd"))
    try:
        with pytest.raises(SlurmUnavailable):
            scene.sync(gateway)
    finally:
        start_daemon(scene.slurm, "slurmdbd")
    scene.account.refresh_from_db()
    assert scene.account.state == Account.State.APPLYING
    scene.apply()
    scene.expect_agreement()
    healed("slurmdbd stopped in the middle of a pass")


def test_without_slurmctld_it_is_not_in_force_until_slurmctld_says_so(scene: Scene) -> None:
    tried("slurmctld stopped")
    scene.gateway.runner.seconds = 2
    with without(scene, "slurmctld"):
        pass_that_may_fail(scene)
        scene.account.refresh_from_db()
        assert scene.account.state == Account.State.APPLYING
    scene.apply()
    scene.expect_agreement()
    scene.wait_until_runs(scene.submit(scene.pi, "--gpus=1", "--time=1"))
    healed("slurmctld stopped")


def test_a_member_removed_while_slurmctld_is_away_has_no_waiting_jobs_left(scene: Scene) -> None:
    tried("slurmctld stopped")
    scene.apply()
    user = str(scene.member.user.cluster_username)
    waiting = scene.submit(user, "--gpus=1", "--time=1", "--begin=now+1hour")
    store_queue(scene.gateway, lambda: True)
    scene.remove_member()
    scene.gateway.runner.seconds = 2
    with without(scene, "slurmctld"), pytest.raises(SlurmUnavailable):
        scene.sync()
    scene.apply()
    wait_for("the waiting job's end", lambda: not scene.job(waiting).startswith("PENDING"))
    scene.apply()
    assert scene.in_slurm() == scene.granted()
    healed("slurmctld stopped")


@pytest.mark.parametrize("number", [2, 4])
def test_slurmctld_is_killed_in_the_middle_of_a_pass(scene: Scene, number: int) -> None:
    tried("slurmctld killed in the middle of a pass")

    def kill_and_start() -> None:
        stop_daemon(scene.slurm, "slurmctld", kill=True)
        start_daemon(scene.slurm, "slurmctld")

    pass_that_may_fail(scene, Interrupting(scene, number, kill_and_start))
    scene.apply()
    scene.expect_agreement()
    scene.wait_until_runs(scene.submit(scene.pi, "--gpus=1", "--time=1"))
    healed("slurmctld killed in the middle of a pass")


def pass_that_may_fail(scene: Scene, gateway: CommandsGateway | None = None) -> None:
    try:
        scene.sync(gateway)
    except SlurmUnavailable:
        return


# --- Commands that hang, and rights ---


def hanging(scene: Scene, words: str, *, after: bool) -> CommandsGateway:
    """Commands with these words never answer: before Slurm heard of them, or after it has done them."""
    act = 'case "$*" in *"$W"*) [ "$A" ] && "$@"; exec sleep 300;; esac; exec "$@"'
    script = ["env", f"W={words}", f"A={'after' if after else ''}", "sh", "-c", act, "sh"]
    return CommandsGateway(settings.SLURM_CLUSTER, scene.root, [*scene.slurm.prefix, *script], seconds=1)


@pytest.mark.parametrize("after", [False, True], ids=["before it is done", "after it is done"])
@pytest.mark.parametrize("words", ["add account", "add user", "GrpJobs=-1", "show assoc"])
def test_a_command_that_hangs(scene: Scene, words: str, after: bool) -> None:
    tried("a command that never answers")
    pass_that_may_fail(scene, hanging(scene, words, after=after))
    scene.account.refresh_from_db()
    assert scene.account.state == Account.State.APPLYING or scene.in_slurm() == scene.granted()
    scene.apply()
    scene.expect_agreement()
    healed("a command that never answers")


def test_permission_denied_is_said_in_slurms_words_and_operator_is_enough(scene: Scene) -> None:
    tried("permission denied")
    scene.slurm.person("portal")
    scene.slurm.run(["sacctmgr", "-i", "add", "user", "portal", "account=root"], check=False)
    clerk = CommandsGateway(settings.SLURM_CLUSTER, scene.root, [*scene.slurm.prefix, *as_user("portal")])
    scene.sync(clerk)
    scene.account.refresh_from_db()
    assert scene.account.state == Account.State.REFUSED
    assert "Only admins/operators" in scene.account.slurm_words
    assert scene.in_slurm() == {}
    scene.slurm.run(["sacctmgr", "-i", "modify", "user", "portal", "set", "AdminLevel=Operator"])
    scene.sync(clerk)
    scene.expect_agreement()
    other = scene.add_project()
    for back in (False, True):
        scene.sync(clerk)
        turn(scene, other, back=back)
    scene.sync(clerk)
    scene.expect_agreement()
    healed("permission denied")


# --- The worker ---


def turn(scene: Scene, other: Account, *, back: bool) -> None:
    """Changes that end in operations of most kinds, and can be turned back: a limit lowered, a member gone, another
    project's grant suspended, a cap set."""
    scene.supplement(1 if back else -1)
    status = Membership.Status.ACTIVE if back else Membership.Status.REMOVED
    Membership.objects.filter(pk=scene.member.pk).update(status=status)
    member = other.project.memberships.exclude(user=other.project.pi).get()
    grant = other.project.grants.get()
    if back:
        grant.suspensions.update(until=timezone.now())
        member.caps.all().delete()
        return
    SuspensionFactory(grant=grant, since=timezone.now())
    MemberCap.objects.create(
        membership=member, pool=other.pool, gpu_seconds=3 * MINUTE, set_by=other.project.pi, set_at=timezone.now()
    )


def points_of(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The crash points that a pass comes by, in their order."""
    seen: list[str] = []
    with monkeypatch.context() as patch:
        for module in vars(provisioning).values():
            if hasattr(module, "crash_point"):
                patch.setattr(module, "crash_point", seen.append)
        scene.sync()
    return list(dict.fromkeys(seen))


def killed_at(scene: Scene, point: str) -> bool:
    """One pass in a process of its own that ends as by kill -9 at the point; whether it came by."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            settings.CRASH_POINT = point
            scene.sync()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_a_worker_killed_at_any_point_of_a_change(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The changes are made and turned back by turns; the worker dies on both ways."""
    other = scene.add_project()
    scene.apply()
    points: dict[bool, list[str]] = {}
    for back in (False, True):
        turn(scene, other, back=back)
        seen = points_of(scene, monkeypatch)
        # On the way back only those around each operation: the others are the same again.
        points[back] = [point for point in seen if ":" in point] if back else seen
    for number in range(max(len(points[False]), len(points[True]))):
        for back in (False, True):
            turn(scene, other, back=back)
            if number < len(points[back]):
                tried("worker killed")
                assert killed_at(scene, points[back][number]), points[back][number]
            scene.sync()
            assert scene.in_slurm() == scene.granted(), points[back][number:]
            if number < len(points[back]):
                healed("worker killed")
    scene.expect_agreement()


def test_a_worker_killed_at_any_point_of_making_a_project(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.apply()
    scene.add_project()
    points = points_of(scene, monkeypatch)
    assert len(points) > 20
    for point in points:
        leaf = scene.add_project()
        tried("worker killed")
        assert killed_at(scene, point), point
        scene.sync()
        assert scene.in_slurm() == scene.granted(), point
        scene.expect_nothing_twice()
        news = Event.objects.filter(target_kind="account", target_id=str(leaf.pk))
        assert [event.action for event in news] == ["account.in_force"], point
        healed("worker killed")
    scene.expect_agreement()


def test_two_workers_at_once(scene: Scene) -> None:
    tried("two workers at once")
    for _ in range(3):
        scene.add_project()
    workers = [manage(scene, "worker", "--once") for _ in range(2)]
    for worker in workers:
        assert worker.wait(60) == 0
    scene.expect_agreement()
    healed("two workers at once")


def manage(scene: Scene, *words: str) -> subprocess.Popen[bytes]:
    """A command of manage.py in a process of its own, on the test's database and Slurm."""
    database = connection.settings_dict
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://postgres:@/{database['NAME']}?host={database['OPTIONS']['host']}",
        "SLURM_GATEWAY": "commands",
        "SLURM_ROOT_ACCOUNT": scene.root,
        "SLURM_COMMAND_PREFIX": ",".join(scene.slurm.prefix),
    }
    return subprocess.Popen([sys.executable, "manage.py", *words], cwd=CHECKOUT, env=environment)


# --- The database ---


def restart_database() -> None:
    folder = Path(connection.settings_dict["OPTIONS"]["host"])
    connections.close_all()
    postgres.stop(folder)
    postgres.ensure_running(folder)


@pytest.mark.parametrize("number", [2, 4])
def test_the_database_restarts_in_the_middle_of_a_pass(scene: Scene, number: int) -> None:
    tried("database restarted in the middle of a pass")
    scene.sync(Interrupting(scene, number, restart_database))
    scene.apply()
    scene.expect_agreement()
    healed("database restarted in the middle of a pass")


def test_a_running_worker_outlives_a_restart_of_the_database(scene: Scene) -> None:
    tried("database restarted under a running worker")
    worker = manage(scene, "worker")
    try:
        wait_until("the first account", lambda: in_force(scene.account))
        restart_database()
        second = scene.add_project()
        wait_until("the second account", lambda: in_force(second))
        scene.expect_agreement()
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    healed("database restarted under a running worker")


def in_force(account: Account) -> bool:
    return Account.objects.filter(pk=account.pk, state=Account.State.IN_FORCE).exists()
