"""The worker: one at a time, woken by events, stopped by nothing but its stop."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from allocations.models import Account, Cluster
from portal.demo.stack import Stack
from portal.events.services import record
from portal.live.notices import announce
from portal.post.models import Mail
from portal.schedule import KeepGoing, Task, chores, read_capacity, read_configuration, tasks
from portal.seat import Seat
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.gateway import SlurmGateway
from portal.worker import Turn, Worker
from tests.factories import NOW, GrantFactory, PoolFactory, ProjectFactory
from tests.provisioning.conftest import Stubborn
from tests.rig import free_port, wait_until

pytestmark = pytest.mark.django_db
# Where a notification must be heard, or a connection lost, the test may not sit in a transaction of its own.
committed = pytest.mark.django_db(transaction=True)


def task(name: str, act: Callable[[], object], every_seconds: float = 60, *, on_event: bool = False) -> Task:
    def run(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
        return act() is True

    return Task(name, every_seconds, run, on_event=on_event)


def mail_due() -> Mail:
    at = timezone.now()
    return Mail.objects.create(
        kind="step", to="a@b.example", language="ko", subject="x", body="x", created_at=at, due_at=at
    )


def fail(error: Exception) -> Callable[[], object]:
    def act() -> None:
        raise error

    return act


def test_the_whole_table_runs_once(gateway: Stubborn) -> None:
    Cluster.objects.create(name="pohang", writing_enabled=True)
    GrantFactory(project=ProjectFactory(code="p26001"))
    assert Worker(tasks(), gateway).run(once=True)
    assert "p26001-h100" in gateway.accounts
    cluster = Cluster.current()
    assert cluster.last_error == ""
    assert (cluster.heartbeat_at is not None, cluster.last_sync_at is not None) == (True, True)
    assert (cluster.slurm_version, cluster.capacity[0]["gpus"]) == ("fake", 4)


def test_a_failing_task_stops_no_other_and_is_shown(gateway: Stubborn) -> None:
    done: list[str] = []
    table = [
        task("poison", fail(ZeroDivisionError("row 7"))),
        task("slurm", fail(SlurmUnavailable("away", words="Connection refused"))),
        task("good", lambda: done.append("good")),
    ]
    assert not Worker(table, gateway).run(once=True)
    assert done == ["good"]
    assert Cluster.current().last_error == "poison: ZeroDivisionError: row 7\nslurm: away Connection refused"


@committed
def test_a_database_error_of_one_task_stops_no_other(gateway: Stubborn) -> None:
    done: list[str] = []
    table = [task("poison", fail(IntegrityError("twice"))), task("good", lambda: done.append("good"))]
    assert not Worker(table, gateway).run(once=True)
    assert done == ["good"]
    assert Cluster.current().last_error == "poison: IntegrityError: twice"


def test_an_error_that_is_over_is_no_longer_shown(gateway: Stubborn) -> None:
    errors = [ZeroDivisionError("once")]

    def act() -> None:
        if errors:
            raise errors.pop()

    table = [task("poison", act)]
    Worker(table, gateway).run(once=True)
    worker = Worker(table, gateway)
    worker.turns[0].error = "ZeroDivisionError: once"
    worker.run(once=True)
    assert Cluster.current().last_error == ""


def test_a_failing_task_rests_longer_each_time_and_not_for_ever() -> None:
    turn = Turn(task("t", lambda: None, every_seconds=5))
    pauses = []
    for _number in range(7):
        turn.failed(100.0, "error")
        pauses.append(turn.due_at - 100.0)
    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    turn.went_well(100.0, more=False)
    assert (turn.due_at, turn.failures, turn.error) == (105.0, 0, "")


def test_without_a_cluster_the_worker_lives_and_says_so(settings: Any) -> None:
    settings.SLURM_GATEWAY = "none"
    assert not Worker([task("provisioning", lambda: None)]).run(once=True)
    assert Cluster.current().last_error == "provisioning: No cluster is attached: SLURM_GATEWAY is none."
    assert Cluster.current().heartbeat_at is not None


def test_without_slurm_only_the_chores_are_done_and_no_cluster_is_claimed(settings: Any) -> None:
    settings.SLURM_GATEWAY = "none"
    mail_due()
    call_command("worker", "--without-slurm", "--once")
    assert Mail.objects.get().is_done
    cluster = Cluster.current()
    assert (cluster.last_error, cluster.heartbeat_at) == ("", None)


def test_every_chore_is_in_the_table_of_what_needs_no_slurm() -> None:
    accounting = ["settlement", "retention", "refunds", "refunds of all jobs", "statements", "ledger check"]
    accounting.append("alerts")
    assert [chore.name for chore in chores()] == [*accounting, "post", "office"]
    assert set(chores()) < set(tasks())


@committed
def test_where_no_sandbox_can_run_the_demo_sends_mails_all_the_same(tmp_path: Path) -> None:
    mail_due()
    here = connection.get_connection_params()
    stack = Stack(
        port=free_port(),
        sockets=Path(here["host"]),
        database=here["dbname"],
        var=tmp_path,
        sandbox=None,
        secret_key=secrets.token_urlsafe(40),
    )
    stack.start_worker()
    try:
        wait_until("the mail", lambda: Mail.objects.get().is_done)
    finally:
        stack.stop()
    assert list((tmp_path / "mail").iterdir())


def test_only_one_may_sit() -> None:
    with Seat() as first, Seat() as second:
        assert first.take()
        assert not second.take()
    with Seat() as third:
        assert third.take()


def test_a_seat_whose_connection_is_gone_is_not_held() -> None:
    with Seat() as seat:
        assert seat.take() and seat.is_held()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND query LIKE '%SELECT 1%'"
            )
        assert not seat.is_held()


@committed
def test_an_event_wakes_and_a_mere_notice_does_not() -> None:
    with Seat() as seat:
        seat.take()
        pipe_read, _pipe_write = os.pipe()
        announce(["operations"], "operations.refreshed")
        assert not seat.wait(5, pipe_read)
        record("cluster.writing_enabled", target=Cluster.current(), by=None, at=NOW)
        assert seat.wait(5, pipe_read)


@committed
def test_a_worker_runs_what_an_event_concerns_at_once_and_stops_when_told(gateway: Stubborn) -> None:
    runs: list[str] = []
    worker: Worker

    def woken() -> None:
        runs.append("woken")
        if len(runs) == 1:
            record("cluster.writing_enabled", target=Cluster.current(), by=None, at=NOW)
        else:
            worker.stop()

    worker = Worker([task("woken", woken, every_seconds=3600, on_event=True)], gateway)
    worker.run()
    assert runs == ["woken", "woken"]


def test_more_to_do_is_done_at_once(gateway: Stubborn) -> None:
    runs: list[int] = []
    worker: Worker

    def act() -> bool:
        runs.append(len(runs))
        if len(runs) == 3:
            worker.stop()
        return True

    worker = Worker([task("more", act, every_seconds=3600)], gateway)
    worker.run()
    assert len(runs) == 3


def test_a_second_worker_waits_for_the_first(gateway: Stubborn) -> None:
    runs: list[str] = []
    second = Worker([task("second", lambda: runs.append("second"))], gateway)
    with Seat() as first:
        first.take()
        timer = threading.Timer(0.3, second.stop)
        timer.start()
        second.run(once=True)
        timer.join()
        assert runs == []
    third = Worker([task("third", lambda: runs.append("third"))], gateway)
    third.run(once=True)
    assert runs == ["third"]


@committed
def test_a_worker_comes_back_after_the_database_dropped_it(gateway: Stubborn) -> None:
    runs: list[int] = []
    worker: Worker

    def act() -> None:
        runs.append(len(runs))
        if len(runs) == 2:
            worker.stop()
        else:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid()"
                )

    worker = Worker([task("act", act, every_seconds=0.01)], gateway)
    worker.run()
    assert len(runs) == 2


def test_configuration_and_capacity_are_kept_for_the_page(gateway: Stubborn) -> None:
    PoolFactory(code="h100")
    gateway.settings = replace(gateway.settings, enforce=frozenset({"associations"}))
    read_configuration(gateway, lambda: True)
    read_capacity(gateway, lambda: True)
    cluster = Cluster.current()
    assert (cluster.findings[0]["level"], cluster.findings[0]["code"]) == ("danger", "enforce")
    assert cluster.foreign_accounts == []
    assert not Account.objects.exists()
