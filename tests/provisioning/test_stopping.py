"""An order to end jobs at once: carried out by the worker, until nothing of them is left."""

from __future__ import annotations

import pytest
from django.utils import timezone

from allocations.models import Account, Cluster, OperationRecord, StopOrder, Suspension
from allocations.provisioning.sync import SyncReport, synchronise
from portal.events.models import Event
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.types import CancelJobs, ParkAccount, PausePerson, QueueEntry
from tests.factories import NOW, MembershipFactory, UserFactory
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db

LEAF = "p26001-h100"


def run(gateway: Stubborn) -> SyncReport:
    return synchronise(gateway, clock=lambda: NOW)


def running(user: str, number: int) -> QueueEntry:
    return QueueEntry(number, str(number), user, LEAF, "h100", "RUNNING", "None", 1, NOW, NOW, 60)


def order(account: Account, username: str = "") -> StopOrder:
    return StopOrder.objects.create(
        project=account.project, username=username, reason="-", by=UserFactory(roles=["operator"]), at=NOW
    )


@pytest.fixture
def busy(gateway: Stubborn, account: Account) -> Account:
    """kim and lee have a running job each."""
    MembershipFactory(project=account.project, user__cluster_username="lee")
    run(gateway)
    gateway.running = [running("kim", 1), running("lee", 2)]
    gateway.executed.clear()
    return account


def test_the_jobs_of_one_person_end(gateway: Stubborn, busy: Account) -> None:
    stop = order(busy, "lee")
    run(gateway)
    assert [entry.user for entry in gateway.running] == ["kim"]
    stop.refresh_from_db()
    assert stop.done_at == NOW
    assert [event.data for event in Event.objects.filter(action="project.jobs_stopped")] == [{"who": "lee"}]
    run(gateway)
    assert gateway.executed == [CancelJobs(LEAF, "lee")]


def test_all_jobs_of_a_suspended_project_end_after_nothing_new_can_start(gateway: Stubborn, busy: Account) -> None:
    Suspension.objects.create(grant=busy.project.grants.get(), since=NOW, reason="-")
    busy.project.memberships.filter(user__cluster_username="lee").update(status="removed")
    order(busy)
    run(gateway)
    assert gateway.executed[:2] == [PausePerson(LEAF, "lee"), ParkAccount(LEAF)]
    assert gateway.executed[-1] == CancelJobs(LEAF)
    assert gateway.running == []


def test_an_order_lasts_until_the_jobs_are_gone(gateway: Stubborn, busy: Account) -> None:
    stop = order(busy)
    gateway.fails = lambda operation: SlurmUnavailable("jobs do not go") if isinstance(operation, CancelJobs) else None
    with pytest.raises(SlurmUnavailable):
        run(gateway)
    stop.refresh_from_db()
    assert stop.done_at is None
    assert len(Cluster.current().pending_plan) == 1
    gateway.fails = lambda operation: None
    run(gateway)
    stop.refresh_from_db()
    assert stop.done_at is not None
    assert OperationRecord.objects.filter(operation="CancelJobs").count() == 2


def test_an_order_for_a_project_that_slurm_does_not_know_is_done(gateway: Stubborn, account: Account) -> None:
    Cluster.objects.update(writing_enabled=False)
    stop = order(account)
    run(gateway)
    stop.refresh_from_db()
    assert stop.done_at is not None


def test_an_order_waits_while_the_portal_only_observes(gateway: Stubborn, busy: Account) -> None:
    stop = order(busy)
    Cluster.objects.update(writing_enabled=False, writing_changed_at=timezone.now())
    assert run(gateway).waits_for == "writing"
    stop.refresh_from_db()
    assert (stop.done_at, len(gateway.running)) == (None, 2)
