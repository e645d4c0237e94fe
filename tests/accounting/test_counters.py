"""Slurm's counters held against the ledger, on a cluster in memory: nothing is given out twice."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounting import live_queue
from accounting.balance import recharge
from accounting.counters import deviation_note, deviation_rebase, hold_counters
from accounting.history.ingest import ingest
from accounting.models import Counter, Deviation, IngestMark, Job, QueueJob, UsageDay, UsageMonth
from allocations.models import Account, Rebase
from allocations.provisioning.desired import desired_leaves
from allocations.services.ledger import charged_gpu_seconds
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.slurm.fake import FakeGateway
from portal.slurm.types import CreateAccount
from tests.accounting.histories import HOUR, gateway, job, waiting
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
START = kst(2026, 3, 2, 10)
AT = kst(2026, 3, 2, 14)
USED = 2 * 3600
LEAF = "p26001-h100"


@pytest.fixture
def account() -> Account:
    """500 GPU-hours in a leaf, of which one job used two."""
    project = ProjectFactory(code="p26001", created_at=START)
    GrantFactory(project=project, hours=500, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    return project.accounts.get()


@pytest.fixture
def slurm(account: Account) -> FakeGateway:
    slurm = gateway(job(LEAF))
    slurm.execute(CreateAccount("paic", "root"))
    slurm.execute(CreateAccount("p26001", "paic"))
    slurm.execute(CreateAccount(LEAF, "p26001", gpu_minutes=30_000))
    return slurm


def look(slurm: FakeGateway, at: datetime = AT) -> Any:
    """What the worker does every few seconds."""
    live_queue.store(slurm, at=at)
    ingest(slurm, at=at)
    return hold_counters(at)


def offset() -> int:
    return Account.objects.get(name=LEAF).offset_gpu_seconds


def limit_seconds(at: datetime = AT) -> int:
    (leaf,) = desired_leaves(at=at)
    return leaf.budget.gpu_minutes * 60


def test_where_both_agree_nothing_is_done(slurm: FakeGateway) -> None:
    report = look(slurm)
    assert (report.held, report.rebased, report.ahead) == (1, [], [])
    assert Counter.objects.get().agreed_at == AT
    assert not Rebase.objects.exists()


def test_a_counter_that_fell_is_tightened_as_it_is_read(slurm: FakeGateway) -> None:
    """kill -9 of slurmctld forgets up to five minutes of everybody's use, and refilled all budgets."""
    look(slurm)
    left = limit_seconds() - slurm.counters()[LEAF].used_gpu_seconds
    slurm.lose_counters(LEAF, 1200)
    live_queue.store(slurm, at=AT + HOUR)
    assert offset() == -1200
    assert limit_seconds() - slurm.counters()[LEAF].used_gpu_seconds == left
    rebase = Rebase.objects.get()
    assert (rebase.cause, rebase.before_gpu_seconds, rebase.after_gpu_seconds) == (Rebase.Cause.FALLEN, 0, -1200)
    assert Event.objects.get(action="account.counter_fell").by is None
    assert look(slurm, AT + HOUR).rebased == []


def test_counters_lost_altogether_refill_nothing(slurm: FakeGateway) -> None:
    look(slurm)
    slurm.lose_counters()
    look(slurm, AT + HOUR)
    assert offset() == -USED
    assert limit_seconds() == 500 * 3600 - USED


def test_a_fall_that_nobody_saw_is_found_against_the_ledger(slurm: FakeGateway) -> None:
    """The worker was down, and the counter had risen above its former reading again."""
    slurm.lose_counters(LEAF, 600)
    assert look(slurm).rebased == [LEAF]
    assert offset() == -600
    assert Rebase.objects.get().cause == Rebase.Cause.BEHIND
    assert look(slurm, AT + HOUR).rebased == []


def run(slurm: FakeGateway, hours: int) -> None:
    """A job of four GPUs that slurmdbd and slurmctld know as running."""
    slurm.history.append(job(LEAF, start=AT - hours * HOUR, hours=None, gpus=4, job_id=77))
    slurm.running = [waiting(LEAF, job_id=77, state="RUNNING", start=AT - hours * HOUR)]
    look(slurm)
    Counter.objects.update(used_gpu_seconds=USED + hours * 4 * 3600 - 4 * 300)


def test_a_running_jobs_lag_is_no_fall(slurm: FakeGateway) -> None:
    """Slurm adds running jobs to its counter only every few minutes."""
    run(slurm, 2)
    assert hold_counters(AT).rebased == []
    Counter.objects.update(used_gpu_seconds=USED + 3600)
    assert hold_counters(AT).rebased == [LEAF]
    assert offset() == -(2 * 4 * 3600 - 3600 - 4 * 360)


def test_a_job_that_only_slurmdbd_has_running_tightens_nothing(slurm: FakeGateway) -> None:
    """A runaway job: its charge grows for ever, and slurmctld counts none of it."""
    run(slurm, 2)
    slurm.running = []
    Counter.objects.update(used_gpu_seconds=USED)
    QueueJob.objects.all().delete()
    assert hold_counters(AT).rebased == []
    assert offset() == 0


def test_what_was_tightened_is_given_back_when_the_counter_caught_up(slurm: FakeGateway) -> None:
    look(slurm)
    slurm.lose_counters(LEAF, 1200)
    live_queue.store(slurm, at=AT + HOUR)
    slurm.lost[LEAF] = 300
    look(slurm, AT + HOUR)
    assert offset() == -300
    assert Rebase.objects.first().cause == Rebase.Cause.CAUGHT_UP
    # Only once: the fall is accounted for.
    slurm.lost[LEAF] = 0
    assert look(slurm, AT + 2 * HOUR).ahead == [LEAF]
    assert offset() == -300


def overcount(slurm: FakeGateway, gpu_seconds: int) -> None:
    slurm.lost[LEAF] = -gpu_seconds


def test_a_counter_too_high_without_a_cause_is_a_persons_to_judge(slurm: FakeGateway) -> None:
    look(slurm)
    overcount(slurm, 900)
    assert look(slurm, AT + HOUR).ahead == [LEAF]
    deviation = Deviation.objects.get()
    assert (deviation.difference_gpu_seconds, deviation.since, offset()) == (900, AT + HOUR, 0)
    assert not Deviation.objects.alarms(AT + HOUR).exists()
    look(slurm, AT + 2 * HOUR)
    assert Deviation.objects.alarms(AT + 2 * HOUR).get().since == AT + HOUR
    overcount(slurm, 0)
    Counter.objects.update(used_gpu_seconds=USED)
    ingest(slurm, at=AT + 3 * HOUR)
    Counter.objects.update(read_at=AT + 3 * HOUR)
    hold_counters(AT + 3 * HOUR)
    assert not Deviation.objects.open().exists()


@pytest.mark.parametrize("shape", [{"display_id": "9+0", "time_limit_minutes": 60}, {"state": "RESIZING", "gpus": 2}])
def test_jobs_that_slurm_counts_wrongly_are_a_cause_once(slurm: FakeGateway, shape: dict[str, Any]) -> None:
    look(slurm)
    slurm.history.append(job(LEAF, start=AT + HOUR, hours=1, **shape))
    overcount(slurm, 900)
    later = AT + 3 * HOUR
    assert look(slurm, later).rebased == [LEAF]
    assert (offset(), Rebase.objects.first().cause) == (900, Rebase.Cause.OVERCOUNT)
    assert not Deviation.objects.exists()
    overcount(slurm, 1800)
    assert look(slurm, later + HOUR).ahead == [LEAF]
    assert offset() == 900


def test_nothing_is_loosened_while_a_job_runs(slurm: FakeGateway) -> None:
    look(slurm)
    slurm.history.append(job(LEAF, start=AT + HOUR, hours=1, display_id="9+0", time_limit_minutes=60))
    overcount(slurm, 900)
    slurm.running = [waiting(LEAF, state="RUNNING", start=AT)]
    look(slurm, AT + 3 * HOUR)
    assert offset() == 0


def test_readings_far_apart_or_old_say_nothing(slurm: FakeGateway) -> None:
    look(slurm)
    Counter.objects.update(used_gpu_seconds=0)
    assert hold_counters(AT + HOUR).held == 0
    IngestMark.objects.update(read_until=AT + HOUR)
    assert hold_counters(AT + HOUR).held == 0
    assert offset() == 0


def test_an_account_that_is_only_linked_is_left_alone(slurm: FakeGateway, account: Account) -> None:
    look(slurm)
    Account.objects.update(managed=False)
    slurm.lose_counters()
    assert look(slurm, AT + HOUR).held == 0
    assert offset() == 0


def test_whole_minutes_hide_less_than_one(slurm: FakeGateway) -> None:
    look(slurm)
    Counter.objects.update(exact=False, used_gpu_seconds=USED - 59)
    assert hold_counters(AT).rebased == []
    Counter.objects.update(used_gpu_seconds=USED - 120)
    assert hold_counters(AT).rebased == [LEAF]
    assert offset() == -61


# --- An operator's word ---


@pytest.fixture
def deviation(slurm: FakeGateway) -> Deviation:
    look(slurm)
    overcount(slurm, 900)
    look(slurm, AT + HOUR)
    return Deviation.objects.get()


def test_an_operator_sets_the_offset_with_a_reason_once(deviation: Deviation) -> None:
    oh = UserFactory(roles=["operator"])
    what = {"deviation": deviation, "expected_offset": 0, "reason": "het jobs of a tester", "by": oh, "at": AT}
    rebase = deviation_rebase(**what)
    assert (rebase.counter_gpu_seconds, rebase.ledger_gpu_seconds, rebase.by) == (USED + 900, USED, oh)
    assert (offset(), Deviation.objects.open().count()) == (900, 0)
    with pytest.raises(LostRace):
        deviation_rebase(**what)
    assert offset() == 900


def test_an_offset_that_moved_meanwhile_is_looked_at_again(deviation: Deviation) -> None:
    Account.objects.update(offset_gpu_seconds=-60)
    with pytest.raises(LostRace):
        deviation_rebase(deviation=deviation, expected_offset=0, reason="x", by=UserFactory(), at=AT)
    assert offset() == -60


def test_nobody_loosens_for_their_own_project(deviation: Deviation, account: Account) -> None:
    for person in (account.project.pi, UserFactory(institution=account.project.institution)):
        with pytest.raises(Refused):
            deviation_rebase(deviation=deviation, expected_offset=0, reason="x", by=person, at=AT)
    assert offset() == 0


# --- Use where no limit binds ---


def test_use_in_an_account_that_is_no_leaf_is_said_until_seen_and_again_when_it_grows(slurm: FakeGateway) -> None:
    slurm.history.append(job("p26001", start=START, hours=0.5))
    look(slurm)
    found = Deviation.objects.alarms(AT).get()
    assert (found.kind, found.account_name, found.difference_gpu_seconds) == ("misplaced", "p26001", 3600)
    deviation_note(deviation=found, by=UserFactory(), at=AT)
    look(slurm, AT + HOUR)
    assert not Deviation.objects.open().exists()
    slurm.history.append(job("p26001", start=START, hours=1))
    look(slurm, AT + 2 * HOUR)
    assert Deviation.objects.open().get().difference_gpu_seconds == 3600 + 7200
    with pytest.raises(LostRace):
        deviation_note(deviation=found, by=UserFactory(), at=AT)


def test_holding_many_accounts_takes_as_many_queries_as_a_few(
    slurm: FakeGateway, django_assert_max_num_queries: Any
) -> None:
    for number in range(2, 32):
        name = f"p26{number:03d}"
        GrantFactory(project=ProjectFactory(code=name), starts_at=kst(2026, 3, 1))
        slurm.execute(CreateAccount(name, "paic"))
        slurm.execute(CreateAccount(f"{name}-h100", name, gpu_minutes=600))
    live_queue.store(slurm, at=AT)
    ingest(slurm, at=AT)
    with django_assert_max_num_queries(9):
        assert hold_counters(AT).held == 31


def test_a_correction_of_the_ledger_moves_nothing_by_itself_upwards(slurm: FakeGateway, account: Account) -> None:
    """A row that slurmdbd lost must not give hours back."""
    look(slurm)
    Job.objects.all().delete()
    UsageDay.objects.all().delete()
    UsageMonth.objects.all().delete()
    slurm.history.clear()
    overcount(slurm, USED)
    recharge([LEAF])
    look(slurm, AT + HOUR)
    assert (offset(), Deviation.objects.open().count()) == (0, 1)


# --- Any history ---

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("job"), st.integers(1, 4)),
        st.tuples(st.just("het job"), st.integers(1, 4)),
        st.tuples(st.just("lose"), st.integers(1, 9_000)),
        st.tuples(st.just("find again"), st.integers(1, 9_000)),
        st.tuples(st.just("count too much"), st.integers(1, 3_600)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=8,
)


@given(steps=STEPS)
@example(
    steps=[("job", 2), ("lose", 3_000), ("read", 0), ("find again", 1_000), ("het job", 1), ("count too much", 900)]
)
@example(steps=[("count too much", 900), ("lose", 900), ("read", 0), ("lose", 5_000)])
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_nothing_is_given_out_twice(account: Account, steps: list[tuple[str, int]]) -> None:
    """limit − counter ≤ what the grant has left, after every look; and equal to it unless a person was told."""
    with transaction.atomic():
        slurm = gateway()
        for operation in (CreateAccount("paic", "root"), CreateAccount("p26001", "paic")):
            slurm.execute(operation)
        slurm.execute(CreateAccount(LEAF, "p26001", gpu_minutes=30_000))
        at = START
        for what, amount in [*steps, ("read", 0)]:
            happen(slurm, what, amount, at)
            at += 2 * HOUR
            live_queue.store(slurm, at=at)
            if what == "read":
                look(slurm, at)
                allowed = limit_seconds(at) - Counter.objects.get().used_gpu_seconds
                left = 500 * 3600 - charged_gpu_seconds(account)
                assert allowed <= left
                if not Deviation.objects.open().exists():
                    assert allowed > left - 60
        transaction.set_rollback(True)


def happen(slurm: FakeGateway, what: str, amount: int, at: datetime) -> None:
    used = slurm.usage(datetime.min.replace(tzinfo=UTC), datetime.now(UTC)).get((LEAF, "kim"), 0)
    lost = slurm.lost.get(LEAF, 0)
    match what:
        case "job":
            slurm.history.append(job(LEAF, start=at, hours=0.5, gpus=amount))
        case "het job":
            odd = {"display_id": f"{amount}+0", "time_limit_minutes": 60}
            slurm.history.append(job(LEAF, start=at, hours=0.5, gpus=amount, **odd))
        case "lose":
            slurm.lost[LEAF] = min(used, lost + amount)
        case "find again":
            slurm.lost[LEAF] = max(min(lost, 0), lost - amount)
        case "count too much":
            slurm.lost[LEAF] = lost - amount
