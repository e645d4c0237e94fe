"""A database restored from an older backup, beside a real Slurm that has lived on: nothing is written until allowed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from django.db import connection, connections
from django.utils import timezone

from allocations.models import Account, Cluster, Drift, OperationRecord
from allocations.services.accounts import cluster_backup_accept, cluster_writing_enable
from allocations.services.drift import drift_repair
from portal import postgres
from portal.events.models import Event
from tests.factories import UserFactory
from tests.provisioning.faults import healed, tried
from tests.provisioning.scene import Scene, scene
from tests.slurm_cluster import wait_for

__all__ = ["scene"]

pytestmark = [pytest.mark.slurm, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def backup() -> Iterator[str]:
    """The name of a database for the backup; gone after the test."""
    name = f"{connection.settings_dict['NAME']}_backup"
    yield name
    ask(f'DROP DATABASE IF EXISTS "{name}"')


def ask(statement: str) -> None:
    folder = Path(connection.settings_dict["OPTIONS"]["host"])
    connections.close_all()
    with contextlib.closing(psycopg2.connect(postgres.url(folder, "postgres"))) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute(statement)


def copy(source: str, target: str) -> None:
    """What pg_dump and pg_restore do, faster."""
    ask(f'DROP DATABASE IF EXISTS "{target}"')
    ask(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')


def test_a_restored_older_backup_writes_nothing_until_an_operator_has_looked(scene: Scene, backup: str) -> None:
    tried("older backup restored")
    scene.apply()
    copy(connection.settings_dict["NAME"], backup)

    # What happened after the backup: used minutes, less granted, somebody left, another project.
    job = scene.submit(scene.pi, "--gpus=4", "--time=1", script="#!/bin/sh\nsleep 3\n")
    wait_for("the job's end", lambda: not scene.job(job))
    scene.supplement(-6)
    gone = scene.remove_member()
    later = scene.add_project()
    scene.apply()
    scene.expect_agreement()
    before, used = scene.in_slurm(), scene.used_seconds(scene.account.name)
    assert used > 0

    copy(backup, connection.settings_dict["NAME"])
    for _ in range(2):
        report = scene.sync()
        assert report.waits_for
        assert not report.outcome.done
    cluster = Cluster.current()
    assert (cluster.writing_enabled, cluster.ahead_in_slurm) == (False, scene.gateway.sequence())
    assert cluster.ahead_in_slurm > cluster.sequence
    assert Event.objects.filter(action="cluster.database_older").count() == 1
    assert scene.in_slurm() == before
    assert scene.used_seconds(scene.account.name) == used
    assert not OperationRecord.objects.filter(account=later.name).exists()

    operator, at = UserFactory(roles=["operator"]), timezone.now()
    cluster_backup_accept(cluster=cluster, by=operator, at=at)
    assert not scene.sync().outcome.done, "writing stays off until it is switched on"
    cluster_writing_enable(cluster=Cluster.current(), by=operator, at=at)
    scene.apply()
    # Who was paused after the backup stays so, as if by hand: the portal no longer knows that it did it itself.
    stopped = Drift.objects.get(kind=Drift.Kind.STOPPED, closed_at=None)
    assert (stopped.account, stopped.person) == (scene.account.name, gone)
    assert gone not in scene.in_slurm()[scene.account.name].people
    drift_repair(drift=stopped, by=operator, at=at)
    scene.apply()
    granted = scene.granted()
    assert {name: scene.in_slurm()[name] for name in granted} == granted
    assert scene.in_slurm()[later.name] == before[later.name], "nobody's account any more: shown, and left alone"
    assert scene.used_seconds(scene.account.name) == used
    assert not Account.objects.filter(name=later.name).exists()
    scene.expect_nothing_twice()
    healed("older backup restored")


def test_a_database_that_is_up_to_date_is_not_taken_for_an_older_one(scene: Scene, backup: str) -> None:
    """A restored copy of the last moment: nothing is missing, so nothing waits."""
    scene.apply()
    name = connection.settings_dict["NAME"]
    copy(name, backup)
    copy(backup, name)
    scene.supplement(2)
    scene.apply()
    scene.expect_agreement()
