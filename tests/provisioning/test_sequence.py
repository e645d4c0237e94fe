"""A database restored from an older backup is known by a number that Slurm keeps, and writes nothing."""

from __future__ import annotations

import pytest

from allocations.models import Account, Association, Cluster, Drift
from allocations.provisioning.sync import SyncReport, synchronise
from allocations.services.accounts import cluster_backup_accept, cluster_writing_enable
from portal.events.models import Event
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.types import CreateAccount, Operation, SetLimit
from tests.factories import NOW, LedgerEntryFactory, UserFactory
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db


def run(gateway: Stubborn) -> SyncReport:
    return synchronise(gateway, clock=lambda: NOW)


def test_slurm_is_told_before_the_first_write_of_a_pass(gateway: Stubborn, account: Account) -> None:
    told: list[tuple[Operation, int]] = []
    gateway.fails = lambda operation: told.append((operation, gateway.number))
    run(gateway)
    assert told[0] == (CreateAccount("paic", "root"), 0), "there is no account yet to keep a number"
    assert {number for _operation, number in told[1:]} == {1}
    run(gateway)
    assert (gateway.number, Cluster.current().sequence) == (1, 1), "a pass without a write has no number"
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=3600)
    run(gateway)
    assert told[-1] == (SetLimit("p26001-h100", 30_060), 2)


def test_nothing_is_written_where_slurm_cannot_be_told(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=3600)

    def away(number: int) -> None:
        raise SlurmUnavailable("away")

    gateway.executed.clear()
    gateway.set_sequence = away  # type: ignore[method-assign]
    with pytest.raises(SlurmUnavailable):
        run(gateway)
    assert gateway.executed == []


def test_an_older_database_switches_writing_off_and_writes_nothing(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.number = 7
    gateway.accounts["p26002"] = gateway.accounts["p26001"]
    gateway.executed.clear()
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=3600)
    for _pass in range(2):
        assert run(gateway).waits_for == "writing"
    cluster = Cluster.current()
    assert (cluster.writing_enabled, cluster.ahead_in_slurm, cluster.sequence) == (False, 7, 1)
    assert [event.data for event in Event.objects.filter(action="cluster.database_older")] == [{"passes": 6}]
    assert gateway.executed == []
    assert len(cluster.pending_plan) == 1, "the plan is shown"
    assert not Drift.objects.exists(), "to an older database everything later looks like drift"
    assert Association.objects.filter(account="p26002").exists()


def test_switching_writing_on_is_not_enough_and_accepting_it_is(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.number = 7
    run(gateway)
    operator = UserFactory(roles=["operator"])
    Cluster.objects.update(writing_enabled=True)
    assert run(gateway).waits_for == "writing"
    cluster_backup_accept(cluster=Cluster.current(), by=operator, at=NOW)
    cluster_writing_enable(cluster=Cluster.current(), by=operator, at=NOW)
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=3600)
    assert run(gateway).remaining == []
    assert (gateway.number, Cluster.current().sequence) == (8, 8)
