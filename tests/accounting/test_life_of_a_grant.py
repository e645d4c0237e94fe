"""The life of a grant, case by case: what Slurm is told to hold at each turn, from history read to limit read back.

`Center` stands in for worker and cluster: history and queue are read, what is over is settled, Slurm is made equal.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from accounting import live_queue
from accounting.balance import update_line_charges
from accounting.exhaustion import note_exhaustion
from accounting.history.ingest import ingest
from accounting.refunds.rule import refund_by_rule, rule_ensure
from accounting.settlement import settle
from allocations.models import Account, ChangeRequest, Cluster, Grant, GrantLine, LedgerEntry, Overrun
from allocations.provisioning.sync import synchronise
from allocations.services.accounts import cluster_writing_enable
from allocations.services.changes import (
    change_grant,
    extension_ask,
    grant_return,
    hours_return,
    supplement_ask,
    transfer_ask,
)
from allocations.services.overruns import overrun_write_off
from allocations.services.stopping import jobs_stop
from allocations.services.suspension import grant_resume, grant_suspend
from portal.slurm.fake import FakeGateway
from portal.slurm.types import CancelJobs, ParkAccount
from tests.accounting.histories import job, waiting
from tests.factories import HOUR, GrantFactory, PoolFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
LEAF = "p26001-h100"
BEFORE, START, MIDDLE, END = kst(2026, 2, 27, 12), kst(2026, 3, 1), kst(2026, 3, 15), kst(2026, 4, 1)
AFTER = END + timedelta(hours=6)


class Center:
    """The worker, and a cluster in memory that runs what the test puts into `history`."""

    def __init__(self) -> None:
        self.slurm = FakeGateway(root_account="paic")
        cluster_writing_enable(cluster=Cluster.current(), by=None, at=BEFORE)

    def use(self, start: Any, hours: float | None, gpus: int = 1, **more: Any) -> None:
        self.slurm.history.append(job(account=LEAF, start=start, hours=hours, gpus=gpus, **more))

    def work(self, at: Any) -> tuple[int, bool]:
        """A round of the worker; then GPU-hours of the limit and whether the leaf is parked, as Slurm has them."""
        with time_machine.travel(at, tick=False):
            live_queue.store(self.slurm, at=at)
            while not ingest(self.slurm, at=at).caught_up:
                pass
            update_line_charges(at=at)
            settle(at)
            synchronise(self.slurm, clock=lambda: at)
            live_queue.store(self.slurm, at=at)
            note_exhaustion(at)
            report = synchronise(self.slurm, clock=lambda: at)
            assert not report.planned, "once is enough"
            assert self.startable(at) == self.balance(at), "what can start is what open grants have left"
        leaf = self.slurm.accounts[LEAF]
        minutes = leaf.gpu_minutes
        assert minutes is not None and minutes % 60 == 0
        return minutes // 60, leaf.parked

    def startable(self, at: Any) -> int:
        """By Slurm's own counter; nothing where the leaf is parked."""
        counter = self.slurm.counters()[LEAF]
        assert counter.limit_gpu_minutes is not None
        left = counter.limit_gpu_minutes * 60 - counter.used_gpu_seconds
        return 0 if self.slurm.accounts[LEAF].parked else max(0, left)

    def balance(self, at: Any) -> int:
        lines = GrantLine.objects.filter(pool__code="h100").open(at)
        return max(0, sum(line.granted_gpu_seconds - line.charged_gpu_seconds for line in lines))


@pytest.fixture
def center(db: None) -> Center:
    return Center()


@pytest.fixture
def project():
    return ProjectFactory(code="p26001", created_at=BEFORE, pi__cluster_username="kim")


@pytest.fixture
def grant(project):
    """100 GPU-hours in March."""
    return GrantFactory(project=project, hours=100, starts_at=START, ends_at=END)


@pytest.fixture
def oh(db):
    return UserFactory(roles=["operator"])


@pytest.fixture
def dana(db):
    return UserFactory(roles=["decider"])


def another(project, hours, starts_at, ends_at=None):
    return GrantFactory(project=project, hours=hours, starts_at=starts_at, ends_at=ends_at or kst(2026, 9, 1))


def test_a_grant_starts_on_its_date(center, grant):
    assert center.work(BEFORE) == (0, True)
    assert center.work(START - timedelta(seconds=1)) == (0, True)
    assert center.work(START) == (100, False)


def test_a_supplement_raises_the_limit(center, grant, project, dana):
    center.use(START, 40)
    assert center.work(MIDDLE) == (100, False)
    change = supplement_ask(line=grant.lines.get(), gpu_seconds=30 * HOUR, reason="실험", by=project.pi, at=MIDDLE)
    assert center.work(MIDDLE) == (100, False), "asking changes nothing"
    change_grant(change=change, by=dana, at=MIDDLE)
    assert center.work(MIDDLE) == (130, False)


def test_a_refund_makes_a_used_up_grant_go_on(center, grant):
    rule_ensure(BEFORE)
    center.use(START, 30, gpus=3, state="NODE_FAIL")
    center.use(kst(2026, 3, 5), 10)
    assert center.work(MIDDLE) == (100, False)
    assert center.startable(MIDDLE) == 0
    refund_by_rule(MIDDLE)
    assert center.work(MIDDLE) == (190, False)
    assert center.startable(MIDDLE) == 90 * HOUR


def test_an_extension_keeps_it_open(center, grant, project, dana):
    change = extension_ask(grant=grant, until=kst(2026, 4, 30).date(), reason="지연", by=project.pi, at=MIDDLE)
    change_grant(change=change, by=dana, at=MIDDLE)
    assert center.work(AFTER) == (100, False)
    assert center.work(kst(2026, 5, 1)) == (0, True)


def test_an_extension_granted_after_the_end_opens_it_again(center, grant, project, dana):
    center.use(START, 40)
    change = extension_ask(
        grant=grant, until=kst(2026, 4, 30).date(), reason="지연", by=project.pi, at=END - timedelta(hours=1)
    )
    assert center.work(AFTER) == (40, True)
    change_grant(change=change, by=dana, at=AFTER)
    assert center.work(AFTER + timedelta(hours=1)) == (100, False)
    assert center.work(kst(2026, 5, 2)) == (40, True)


def test_hours_moved_to_another_pool_leave_this_one(center, grant, project, dana):
    a100 = PoolFactory(code="a100", position=1)
    center.use(START, 40)
    center.work(MIDDLE)
    change = transfer_ask(
        line=grant.lines.get(), to_pool=a100, gpu_seconds=20 * HOUR, reason="전환", by=project.pi, at=MIDDLE
    )
    change_grant(change=change, by=dana, at=MIDDLE)
    assert center.work(MIDDLE) == (80, False)
    assert center.slurm.accounts["p26001-a100"].gpu_minutes == 20 * 60


def test_hours_given_back_leave_the_limit(center, grant, project):
    center.use(START, 40)
    center.work(MIDDLE)
    hours_return(line=grant.lines.get(), gpu_seconds=25 * HOUR, reason="남음", by=project.pi, at=MIDDLE)
    assert center.work(MIDDLE) == (75, False)


def test_a_grant_given_back_ends_at_once(center, grant, project):
    center.use(START, 40)
    center.work(MIDDLE)
    grant_return(grant=grant, reason="끝", by=project.pi, at=MIDDLE)
    assert center.work(MIDDLE + timedelta(minutes=1)) == (40, True)


def test_a_suspended_grant_returns_to_exactly_the_former_state(center, grant, oh):
    center.use(START, 40)
    center.work(MIDDLE)
    before = center.slurm.snapshot()
    grant_suspend(grant=grant, reason="확인", by=oh, at=MIDDLE)
    assert center.work(MIDDLE + timedelta(minutes=1)) == (40, True)
    grant_resume(grant=grant, by=oh, at=MIDDLE + timedelta(days=2))
    assert center.work(MIDDLE + timedelta(days=2)) == (100, False)
    assert center.slurm.snapshot() == before


def test_a_job_that_runs_on_into_a_suspension_is_the_grants_own(center, grant, oh):
    center.use(MIDDLE - timedelta(hours=10), 20)
    grant_suspend(grant=grant, reason="확인", by=oh, at=MIDDLE)
    assert center.work(MIDDLE + timedelta(days=1)) == (20, True)
    grant_resume(grant=grant, by=oh, at=MIDDLE + timedelta(days=2))
    assert center.work(MIDDLE + timedelta(days=2)) == (100, False)
    assert grant.lines.get().charged_gpu_seconds == 20 * HOUR


def test_suspended_with_its_jobs_ended(center, grant, oh):
    center.work(MIDDLE)
    center.slurm.running = [waiting(state="RUNNING", start=MIDDLE)]
    grant_suspend(grant=grant, reason="확인", by=oh, at=MIDDLE, stop_jobs=True)
    center.work(MIDDLE)
    assert not center.slurm.running
    done = [operation for operation in center.slurm.executed if isinstance(operation, CancelJobs | ParkAccount)]
    assert done[-2:] in ([ParkAccount(LEAF), CancelJobs(LEAF)], [CancelJobs(LEAF), ParkAccount(LEAF)])
    assert grant.project.stop_orders.get().done_at == MIDDLE


def test_jobs_ended_by_order_leave_the_grant_open(center, grant, oh):
    center.work(MIDDLE)
    center.slurm.waiting = [waiting()]
    jobs_stop(project=grant.project, reason="점검", by=oh, at=MIDDLE)
    assert center.work(MIDDLE) == (100, False)
    assert not center.slurm.waiting


def test_an_ended_grant_is_parked_and_keeps_what_it_used(center, grant):
    center.use(START, 40)
    assert center.work(END - timedelta(seconds=1)) == (100, False)
    assert center.work(END) == (40, True)


def test_an_ended_grant_is_settled(center, grant):
    center.use(START, 40)
    center.work(AFTER)
    line = grant.lines.get()
    assert (line.settled_at, line.settled_gpu_seconds) == (AFTER, 40 * HOUR)


def test_a_renewal_without_a_gap_keeps_it_open(center, grant, project):
    another(project, 50, END)
    center.use(START, 40)
    assert center.work(END - timedelta(seconds=1)) == (100, False)
    assert center.work(END) == (90, False), "40 were used, 50 are new: the 60 left have lapsed"


def test_a_job_across_a_renewal_is_charged_to_each_by_its_seconds(center, grant, project):
    following = another(project, 50, END)
    center.use(END - timedelta(hours=3), 8)
    assert center.work(AFTER) == (53, False)
    assert [row.lines.get().charged_gpu_seconds // HOUR for row in (grant, following)] == [3, 5]


def test_of_two_grants_at_once_the_one_that_ends_first_is_used_first(center, grant, project):
    other = another(project, 50, kst(2026, 3, 10))
    assert center.work(kst(2026, 3, 9)) == (100, False)
    assert center.work(MIDDLE) == (150, False)
    center.use(MIDDLE, 110)
    assert center.work(kst(2026, 3, 20)) == (150, False)
    assert [row.lines.get().charged_gpu_seconds // HOUR for row in (grant, other)] == [100, 10]
    assert center.work(AFTER) == (150, False)


def test_expiry_in_the_middle_of_a_running_job(center, grant):
    """It runs on to its end: from the unused rest, and settled only after it."""
    tail = {"start": END - timedelta(hours=2), "gpus": 4, "db_index": 77}
    center.use(hours=None, **tail)
    assert center.work(END) == (8, True)
    center.slurm.running = [waiting(state="RUNNING", start=END - timedelta(hours=2))]
    assert center.work(END + timedelta(hours=3)) == (20, True)
    assert grant.lines.get().settled_at is None
    center.slurm.history, center.slurm.running = [], []
    center.use(hours=6, **tail)
    assert center.work(AFTER) == (24, True)
    assert (grant.lines.get().settled_at, grant.lines.get().settled_gpu_seconds) == (AFTER, 24 * HOUR)


def test_an_overrun_is_carried_to_the_next_grant(center, grant, project):
    center.use(END - timedelta(hours=20), 30, gpus=4)  # 120 of 100
    assert center.work(kst(2026, 4, 3)) == (120, True)
    following = another(project, 50, kst(2026, 5, 1))
    assert center.work(kst(2026, 4, 4)) == (120, True), "carrying refills nothing"
    assert Overrun.objects.get().carried_to.grant == following
    assert center.work(kst(2026, 5, 1)) == (150, False), "30 of the 50 can start"
    center.use(kst(2026, 5, 2), 30)
    assert center.work(kst(2026, 5, 10)) == (150, False)
    assert center.startable(kst(2026, 5, 10)) == 0


def test_an_overrun_found_while_the_next_grant_is_open_is_carried_at_once(center, grant, project):
    """It ran over in the hours between the two grants."""
    following = another(project, 50, END + timedelta(hours=12))
    center.use(END - timedelta(hours=20), 30, gpus=4)
    assert center.work(END + timedelta(hours=12)) == (150, False)
    assert Overrun.objects.get().carried_to.grant == following


def test_an_overrun_that_is_written_off_costs_nothing(center, grant, project, oh):
    center.use(END - timedelta(hours=20), 30, gpus=4)
    center.work(kst(2026, 4, 3))
    overrun_write_off(overrun=Overrun.objects.get(), reason="장애", by=oh, at=kst(2026, 4, 3))
    assert center.work(kst(2026, 4, 4)) == (120, True), "writing off refills nothing"
    another(project, 50, kst(2026, 5, 1))
    assert center.work(kst(2026, 5, 1)) == (170, False)


def test_exhaustion_and_its_end(center, grant, project, dana):
    center.use(START, 100)
    assert center.work(MIDDLE) == (100, False)
    assert Account.objects.get().exhausted_at == MIDDLE
    change = supplement_ask(line=grant.lines.get(), gpu_seconds=30 * HOUR, reason="실험", by=project.pi, at=MIDDLE)
    change_grant(change=change, by=dana, at=MIDDLE)
    assert center.work(MIDDLE + timedelta(minutes=1)) == (130, False)
    assert Account.objects.get().exhausted_at is None


def test_a_grant_that_opens_is_not_exhausted_by_the_use_before_it(center, grant, project):
    another(project, 50, kst(2026, 5, 1))
    center.use(START, 100)
    center.work(MIDDLE)
    assert center.work(kst(2026, 4, 15)) == (100, True)
    assert Account.objects.get().exhausted_at is None
    assert center.work(kst(2026, 5, 1)) == (150, False)
    assert Account.objects.get().exhausted_at is None


def test_the_whole_of_a_life_refills_nothing(center, grant, project, oh, dana):
    """Everything at once: at every turn what can start is what the open grants have left (Center.work)."""
    center.use(START, 40)
    center.work(kst(2026, 3, 5))
    grant_suspend(grant=grant, reason="확인", by=oh, at=kst(2026, 3, 6))
    center.work(kst(2026, 3, 6, 1))
    following = another(project, 60, kst(2026, 3, 20))
    grant_resume(grant=grant, by=oh, at=kst(2026, 3, 8))
    center.work(kst(2026, 3, 8))
    center.use(kst(2026, 3, 10), 70)
    center.work(kst(2026, 3, 19))
    center.use(kst(2026, 3, 25), 20)
    center.work(kst(2026, 3, 28))
    change = supplement_ask(
        line=following.lines.get(), gpu_seconds=30 * HOUR, reason="실험", by=project.pi, at=kst(2026, 3, 28)
    )
    change_grant(change=change, by=dana, at=kst(2026, 3, 28))
    center.work(kst(2026, 3, 28))
    center.work(AFTER)
    granted = sum(LedgerEntry.objects.values_list("gpu_seconds", flat=True))
    charged = sum(GrantLine.objects.values_list("charged_gpu_seconds", flat=True))
    assert (granted, charged) == (190 * HOUR, 130 * HOUR)
    assert ChangeRequest.objects.get().status == ChangeRequest.Status.GRANTED
    assert Grant.objects.count() == 2
