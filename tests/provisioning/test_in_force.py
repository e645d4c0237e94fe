"""In force is what slurmdbd holds and slurmctld enforces; what is tried again, and what is recorded of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.models import Account, OperationRecord
from allocations.provisioning.sync import SyncReport, synchronise
from portal.events.models import Event
from portal.slurm.errors import SlurmRefused, SlurmUnavailable
from portal.slurm.types import Operation, SetDefaultAccount, SetLimit
from tests.factories import HOUR, NOW, GrantFactory, LedgerEntryFactory, MembershipFactory, ProjectFactory
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db

LEAF = "p26001-h100"


def run(gateway: Stubborn, minutes: int = 0) -> SyncReport:
    return synchronise(gateway, clock=lambda: NOW + timedelta(minutes=minutes))


def state(account: Account) -> tuple[str, int | None]:
    account.refresh_from_db()
    return account.state, account.limit_gpu_minutes


def test_a_limit_that_slurmctld_has_not_heard_of_is_still_being_applied(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=100 * HOUR)
    gateway.unheard[LEAF] = 30_000
    run(gateway)
    assert state(account) == (Account.State.APPLYING, 36_000)
    run(gateway, 1)
    assert state(account) == (Account.State.APPLYING, 36_000)
    gateway.unheard.clear()
    run(gateway, 2)
    assert state(account) == (Account.State.IN_FORCE, 36_000)
    assert Event.objects.filter(action="account.in_force").count() == 2


def test_slurmctld_away_keeps_the_new_waiting_and_the_old_in_force(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    other = GrantFactory(project=ProjectFactory(code="p26002")).project.accounts.get()

    def away() -> None:
        raise SlurmUnavailable("slurmctld does not answer")

    counters, gateway.counters = gateway.counters, away  # type: ignore[assignment,method-assign]
    with pytest.raises(SlurmUnavailable):
        run(gateway, 1)
    assert state(account) == (Account.State.IN_FORCE, 30_000)
    assert state(other)[0] == Account.State.APPLYING
    gateway.counters = counters  # type: ignore[method-assign]
    run(gateway, 2)
    assert state(other)[0] == Account.State.IN_FORCE


def test_a_call_that_fails_at_once_is_tried_a_second_time(gateway: Stubborn, account: Account) -> None:
    tries: list[Operation] = []

    def starting_again(operation: Operation) -> Exception | None:
        tries.append(operation)
        return SlurmUnavailable("connection refused") if len(tries) == 2 else None

    gateway.fails = starting_again
    assert run(gateway).remaining == []
    assert tries[1] == tries[2]
    assert not OperationRecord.objects.exclude(succeeded=True).exists()


def test_an_operation_whose_end_nobody_saw_is_recorded_as_begun(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    LedgerEntryFactory(line=account.project.grants.get().lines.get(), kind="supplement", gpu_seconds=HOUR)

    class Killed(BaseException):
        pass

    def die(operation: Operation) -> None:
        raise Killed

    gateway.fails = die
    with pytest.raises(Killed):
        run(gateway)
    begun = OperationRecord.objects.latest("pk")
    assert (begun.operation, begun.account, begun.succeeded, begun.by) == ("SetLimit", LEAF, None, "worker")
    gateway.fails = lambda operation: None
    synchronise(gateway, clock=lambda: NOW, by="root")
    assert gateway.executed[-1] == SetLimit(LEAF, 30_060)
    assert OperationRecord.objects.latest("pk").by == "root"


def test_a_default_account_that_slurm_refuses_stops_nothing(gateway: Stubborn, account: Account) -> None:
    run(gateway)
    gateway.defaults["kim"] = "paic"
    MembershipFactory(project=account.project, user__cluster_username="lee")

    def refuse(operation: Operation) -> Exception | None:
        return SlurmRefused("no", words="no") if isinstance(operation, SetDefaultAccount) else None

    gateway.fails = refuse
    report = run(gateway, 1)
    assert report.remaining == [SetDefaultAccount(LEAF, "kim")]
    assert state(account)[0] == Account.State.IN_FORCE
    gateway.fails = lambda operation: None
    run(gateway, 12)
    assert gateway.defaults["kim"] == LEAF
