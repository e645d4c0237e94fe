"""Refunds: by rule, for a maintenance window, on request; where they are entered, and how they follow their job."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from accounting.history.store import job_accept_held, store_rows
from accounting.models import Job, Maintenance, Refund, RefundRule
from accounting.outlooks import outlooks_of
from accounting.refunds.charges import charge_of
from accounting.refunds.follow import follow
from accounting.refunds.maintenance import BROKEN, Window, broken_jobs, fingerprint, maintenance_refund
from accounting.refunds.request import refund_ask, refund_decline, refund_grant, refund_withdraw
from accounting.refunds.rule import refund_by_rule, rule_ensure, rule_set
from allocations.models import GrantLine, LedgerEntry
from allocations.provisioning.desired import desired_leaves
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.post.models import Mail
from tests.accounting.histories import job
from tests.factories import (
    HOUR,
    GrantFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
RULE_BEGINS = kst(2026, 3, 1)
START = kst(2026, 3, 2)
AT = kst(2026, 3, 10, 12)
ORIGIN, STATUS = Refund.Origin, Refund.Status


@pytest.fixture
def project():
    return ProjectFactory(code="p26001", created_at=kst(2026, 2, 25))


@pytest.fixture
def grant(project):
    """100 GPU-hours from March until the end of August."""
    return GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))


@pytest.fixture
def oh():
    return UserFactory(roles=["operator"])


@pytest.fixture
def rule(db):
    return rule_ensure(RULE_BEGINS)


def read(*rows, at=AT):
    """What the worker does with rows of slurmdbd; the jobs in their order."""
    store_rows(rows, at=at)
    return [Job.objects.get(db_index=row.db_index) for row in rows]


def broken(state="NODE_FAIL", hours=3, gpus=2, start=START, **changes):
    return job(start=start, hours=hours, gpus=gpus, state=state, **changes)


def entries():
    """GPU-hours, job and reason of the ledger's refunds, in their order."""
    rows = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.REFUND)
    return [(row.gpu_seconds / HOUR, row.job_key) for row in rows]


def limit(at=AT):
    """GPU-minutes of the one leaf."""
    [leaf] = desired_leaves(at=at)
    return leaf.budget.gpu_minutes


# --- By rule ---


def test_a_job_that_a_node_failure_ended_is_refunded_without_being_asked_for(grant, rule):
    [failed, _fine] = read(broken(), job(hours=5))
    assert refund_by_rule(AT) == 1
    refund = Refund.objects.get()
    assert (refund.job, refund.line.grant, refund.origin, refund.status) == (failed, grant, "rule", "granted")
    assert (refund.refunded_gpu_seconds, refund.most_gpu_seconds, refund.decided_by) == (6 * HOUR, None, None)
    entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.REFUND)
    assert (entry.gpu_seconds, entry.job_key, entry.by) == (6 * HOUR, failed.key, None)
    assert failed.key == f"pohang/{failed.db_index}"
    assert Event.objects.get(action="refund.by_rule").data["gpu_hours"] == "6"


def test_used_stays_gross_and_the_refund_stands_beside_it(grant, rule, project):
    read(broken(), job(hours=5))
    before = limit()
    refund_by_rule(AT)
    [row] = outlooks_of([project], AT)[project.pk]
    balance = row.balance
    assert [part // HOUR for part in (balance.granted, balance.refunded, balance.used, balance.left)] == [
        100,
        6,
        16,
        90,
    ]
    assert balance.entitlement == 106 * HOUR
    assert limit() == before + 6 * 60, "the limit in Slurm follows by the usual plan"


def test_looking_again_refunds_nothing_again(grant, rule):
    rows = [broken(), broken("BOOT_FAIL", db_index=78)]
    read(*rows)
    assert refund_by_rule(AT) == 2
    read(*rows, at=AT + timedelta(hours=1))
    assert (refund_by_rule(AT), refund_by_rule(AT, thorough=True), follow(AT)) == (0, 0, 0)
    assert len(entries()) == 2


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "PREEMPTED"])
def test_other_ends_are_not_refunded_by_the_rule_as_delivered(grant, rule, state):
    read(broken(state))
    assert refund_by_rule(AT) == 0


def test_what_no_grant_was_charged_for_is_not_refunded(grant, rule):
    read(
        broken(account="elsewhere"), broken(gpus=0), broken(hours=0), broken(state="NODE_FAIL", start=kst(2026, 2, 27))
    )
    assert refund_by_rule(AT) == 0
    assert not Refund.objects.exists()


def test_a_job_that_began_before_the_first_grant_is_refunded_for_what_was_charged(grant, rule):
    read(broken(start=kst(2026, 2, 28, 23), hours=3, gpus=1))
    refund_by_rule(AT)
    assert entries()[0][0] == 2


def test_jobs_from_before_the_rule_are_not_touched(grant):
    read(broken())
    rule_ensure(kst(2026, 3, 5))
    assert refund_by_rule(AT) == 0


def test_the_cap_counts_run_time_times_gpus(grant, rule, oh):
    rule_set(states=["NODE_FAIL"], most_hours=1, since=RULE_BEGINS, seen=rule.pk, by=oh, at=AT)
    read(broken(hours=3, gpus=4), broken(hours=0.5, gpus=4))
    refund_by_rule(AT)
    assert [hours for hours, _ in entries()] == [4, 2]


def test_a_job_is_judged_by_the_version_that_concerns_its_end(grant, rule, oh):
    """What slurmdbd delivers late is refunded as it would have been in time."""
    rule_set(states=["PREEMPTED"], most_hours=None, since=kst(2026, 3, 5), seen=rule.pk, by=oh, at=kst(2026, 3, 6))
    early, late = kst(2026, 3, 2), kst(2026, 3, 7)
    jobs = [broken(state, start=start) for start in (early, late) for state in ("NODE_FAIL", "PREEMPTED")]
    read(*jobs)
    assert refund_by_rule(AT) == 2
    ended = Refund.objects.values_list("job__state", "job__start")
    assert set(ended) == {("NODE_FAIL", early), ("PREEMPTED", late)}


def test_only_the_daily_look_goes_over_what_was_read_long_ago(grant, rule):
    read(broken(), at=AT - timedelta(days=3))
    assert refund_by_rule(AT) == 0
    assert refund_by_rule(AT, thorough=True) == 1


def test_a_changed_rule_goes_over_everything_it_concerns(grant, rule, oh):
    read(broken("LAUNCH_FAILED"), at=AT - timedelta(days=3))
    rule_set(states=["LAUNCH_FAILED"], most_hours=None, since=RULE_BEGINS, seen=rule.pk, by=oh, at=AT)
    assert refund_by_rule(AT) == 1


def test_the_rule_is_not_for_ends_that_may_be_the_programs_own_nor_for_the_future(rule, oh):
    for states, since in (["FAILED"], RULE_BEGINS), (["NODE_FAIL"], AT + timedelta(hours=1)):
        with pytest.raises(Refused):
            rule_set(states=states, most_hours=None, since=since, seen=rule.pk, by=oh, at=AT)
    rule_set(states=[], most_hours=None, since=AT, seen=rule.pk, by=oh, at=AT)
    with pytest.raises(LostRace):
        rule_set(states=["NODE_FAIL"], most_hours=None, since=AT, seen=rule.pk, by=oh, at=AT)


def test_a_job_that_cannot_be_refunded_keeps_no_other_from_it(grant, rule, monkeypatch):
    first, second = read(broken(), broken())
    from accounting.refunds import rule as module

    real = module.refund_enter

    def fails(*, refund, **rest):
        if refund.job_id == first.pk:
            raise RuntimeError
        return real(refund=refund, **rest)

    monkeypatch.setattr(module, "refund_enter", fails)
    assert refund_by_rule(AT) == 1
    assert Refund.objects.get().job == second


def test_pi_and_delegates_get_one_mail_however_many_jobs(grant, rule, project):
    delegate = MembershipFactory(project=project, is_delegate=True).user
    read(broken(), broken())
    refund_by_rule(AT)
    assert {mail.to for mail in Mail.objects.all()} == {project.pi.email, delegate.email}
    assert "12" in Mail.objects.first().subject


# --- Which line ---


def test_it_goes_to_the_line_that_was_charged_at_the_jobs_end(project, rule):
    first = GrantFactory(project=project, hours=10, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 20))
    second = GrantFactory(project=project, hours=50, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    early, late = read(broken(start=kst(2026, 3, 2), hours=8, gpus=1), broken(start=kst(2026, 3, 4), hours=8, gpus=1))
    assert charge_of(early).line == first.lines.get().pk
    read(job(start=kst(2026, 3, 3), hours=6, gpus=1))
    assert charge_of(late).line == second.lines.get().pk, "the first was used up by then"


def test_the_tail_of_a_job_goes_back_to_the_grant_that_had_ended_and_lapses(project, rule):
    ended = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 3))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 4, 1), ends_at=kst(2026, 9, 1))
    read(broken(start=kst(2026, 3, 2, 22), hours=5, gpus=1))
    before = limit(kst(2026, 4, 2))
    refund_by_rule(AT)
    refund = Refund.objects.select_related("line__grant").get()
    assert (refund.line.grant, refund.lapsed, entries()[0][0]) == (ended, True, 5)
    assert limit(kst(2026, 4, 2)) == before, "the record gives nothing that can be used"


# --- Following the job ---


def test_the_refund_follows_a_correction_of_its_job(grant, rule):
    read(broken(hours=3, db_index=77))
    refund_by_rule(AT)
    later = AT + timedelta(days=1)
    read(broken(hours=4, db_index=77), at=later)
    assert (follow(later), follow(later)) == (1, 0)
    assert [hours for hours, _ in entries()] == [6, 2]
    assert Refund.objects.get().refunded_gpu_seconds == 8 * HOUR
    assert Event.objects.get(action="refund.followed").data["after"] == "8.00"
    reasons = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.REFUND).values_list("reason", flat=True)
    assert list(reasons) == ["NODE_FAIL", "6.00 → 8.00: NODE_FAIL"]


def test_a_held_correction_is_followed_once_it_is_accepted(grant, rule, oh):
    read(broken(hours=3, db_index=77))
    refund_by_rule(AT)
    later = AT + timedelta(days=1)
    [held] = read(broken(hours=1, db_index=77), at=later)
    assert follow(later) == 0
    job_accept_held(job=held, by=oh, at=later)
    assert follow(later) == 1
    assert [hours for hours, _ in entries()] == [6, -4]


def test_a_job_that_turns_out_to_be_another_projects_loses_its_refund(grant, rule):
    other = GrantFactory(project=ProjectFactory(code="p26002"), hours=100, starts_at=kst(2026, 3, 1))
    row = broken()
    read(row)
    refund_by_rule(AT)
    read(replace(row, account=other.project.accounts.get().name), at=AT + timedelta(minutes=1))
    assert follow(AT) == 1
    assert [amount for amount, _job in entries()] == [6, -6]
    assert (refund_by_rule(AT), follow(AT), Refund.objects.get().refunded_gpu_seconds) == (0, 0, 0)


def test_a_cap_holds_when_the_job_grows(grant, rule, oh):
    rule_set(states=["NODE_FAIL"], most_hours=1, since=RULE_BEGINS, seen=rule.pk, by=oh, at=AT)
    read(broken(hours=3, db_index=77))
    refund_by_rule(AT)
    read(broken(hours=4, db_index=77), at=AT + timedelta(days=1))
    assert follow(AT) == 0
    assert [hours for hours, _ in entries()] == [2]


def test_a_job_that_turns_out_to_have_ended_otherwise_loses_its_refund_by_rule(grant, rule):
    read(broken(db_index=77))
    refund_by_rule(AT)
    read(broken("TIMEOUT", db_index=77), at=AT + timedelta(days=1))
    follow(AT)
    assert [hours for hours, _ in entries()] == [6, -6]


# --- A maintenance window ---


def window(**changes):
    values = {
        "title": "랙 3 정전",
        "starts_at": kst(2026, 3, 2),
        "ends_at": kst(2026, 3, 3),
        "states": BROKEN,
        "pool": None,
        "most_hours": None,
    }
    return Window(**(values | changes))


def refund_window(by, given=None, left_out=()):
    given = given or window()
    return maintenance_refund(window=given, left_out=left_out, shown=fingerprint(broken_jobs(given, by)), by=by, at=AT)


def test_a_window_gives_back_all_its_broken_jobs_in_one_act(grant, project, oh):
    other = GrantFactory(project=ProjectFactory(code="p26002"), hours=10, hours__pool=PoolFactory(code="a100"))
    read(
        broken("CANCELLED", start=kst(2026, 3, 1, 20), hours=5, gpus=1),
        broken("FAILED", account="p26002-a100", gpus=1),
        broken("TIMEOUT", start=kst(2026, 3, 3), hours=1),
        job(start=kst(2026, 3, 2), hours=2),
    )
    kept, given = refund_window(oh)
    assert (kept.title, given) == ("랙 3 정전", 8 * HOUR)
    assert {(row.line.grant, row.refunded_gpu_seconds // HOUR) for row in Refund.objects.all()} == {
        (grant, 5),
        (other, 3),
    }
    assert {event.data["code"] for event in Event.objects.filter(action="refund.maintenance")} == {"p26001", "p26002"}
    assert Mail.objects.count() == 2


def test_pool_states_and_cap_narrow_it(grant, oh):
    read(broken("CANCELLED"), broken("FAILED"))
    assert len(broken_jobs(window(states=["FAILED"]), oh)) == 1
    assert not broken_jobs(window(pool=PoolFactory(code="a100")), oh)
    assert refund_window(oh, window(most_hours=1))[1] == 4 * HOUR


def test_single_jobs_are_left_out_and_refunded_ones_are_not_refunded_again(grant, rule, oh):
    [left_out, _other, by_rule] = read(broken("FAILED"), broken("FAILED"), broken("NODE_FAIL"))
    refund_by_rule(AT)
    _kept, given = refund_window(oh, left_out=[left_out.pk])
    assert given == 6 * HOUR
    assert not Refund.objects.filter(job=left_out).exists()
    assert Refund.objects.get(job=by_rule).origin == ORIGIN.RULE
    with pytest.raises(Refused):
        refund_window(oh, left_out=[left_out.pk])
    assert Maintenance.objects.count() == 1


def test_what_changed_since_it_was_shown_is_shown_again(grant, oh):
    read(broken("FAILED"))
    shown = fingerprint(broken_jobs(window(), oh))
    read(broken("FAILED", db_index=78))
    with pytest.raises(LostRace):
        maintenance_refund(window=window(), left_out=[], shown=shown, by=oh, at=AT)


def test_jobs_of_ones_own_institution_are_left_to_another_operator(grant, project):
    read(broken("FAILED"))
    [row] = broken_jobs(window(), UserFactory(roles=["operator"], institution=project.institution))
    assert (row.own, row.counts) == (True, False)


# --- On request ---


@pytest.fixture
def failed(grant):
    [found] = read(broken("FAILED"))
    return found


@pytest.fixture
def asked(failed, project):
    return refund_ask(job=failed, project=project, words="파일 시스템 장애", by=project.pi, at=AT)


def test_a_request_that_is_granted_is_entered_and_told(oh, asked, project):
    assert refund_grant(refund=asked, gpu_seconds=None, reason="확인했습니다.", by=oh, at=AT) == 6 * HOUR
    assert entries() == [(6, asked.job.key)]
    entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.REFUND)
    assert (entry.by, entry.reason) == (oh, "확인했습니다.")
    assert Mail.objects.filter(to=project.pi.email).count() == 1
    assert Mail.objects.filter(to=oh.email).count() == 1, "and the operators heard of the request"


def test_a_part_is_a_cap(asked, oh):
    refund_grant(refund=asked, gpu_seconds=2 * HOUR, reason="", by=oh, at=AT)
    assert entries()[0][0] == 2
    with pytest.raises(LostRace):
        refund_grant(refund=asked, gpu_seconds=None, reason="", by=oh, at=AT)


def test_no_more_than_was_charged_is_granted(asked, oh):
    with pytest.raises(Refused):
        refund_grant(refund=asked, gpu_seconds=7 * HOUR, reason="", by=oh, at=AT)
    assert Refund.objects.get().status == STATUS.ASKED


def test_a_declined_job_is_neither_asked_for_nor_refunded_by_rule_again(asked, failed, project, oh, rule):
    with pytest.raises(Refused):
        refund_decline(refund=asked, reason=" ", by=oh, at=AT)
    refund_decline(refund=asked, reason="프로그램 오류", by=oh, at=AT)
    Job.objects.update(state="NODE_FAIL")
    assert refund_by_rule(AT) == 0
    with pytest.raises(Refused):
        refund_ask(job=failed, project=project, words="다시", by=project.pi, at=AT)


def test_a_withdrawn_request_may_be_made_again(asked, failed, project):
    refund_withdraw(refund=asked, by=project.pi, at=AT)
    with pytest.raises(LostRace):
        refund_withdraw(refund=asked, by=project.pi, at=AT)
    refund_ask(job=failed, project=project, words="다시", by=project.pi, at=AT)


def test_a_job_is_asked_for_once_and_waits_for_a_decision_even_under_the_rule(asked, failed, project, rule):
    with pytest.raises(Refused):
        refund_ask(job=failed, project=project, words="또", by=project.pi, at=AT)
    Job.objects.update(state="NODE_FAIL")
    assert refund_by_rule(AT) == 0


def test_who_may_ask(failed, project):
    for person in (MembershipFactory(project=project).user, UserFactory()):
        with pytest.raises(Refused):
            refund_ask(job=failed, project=project, words="장애", by=person, at=AT)
    delegate = MembershipFactory(project=project, is_delegate=True).user
    assert refund_ask(job=failed, project=project, words="장애", by=delegate, at=AT).asked_by == delegate


def test_what_may_be_asked_for(failed, project, settings):
    other = GrantFactory(project=ProjectFactory(code="p26002"), hours=10).project
    [running] = read(job(start=kst(2026, 3, 10), hours=None, state="RUNNING"))
    old = failed.end + timedelta(days=settings.REFUND_REQUEST_DAYS, seconds=1)
    for found, of, at in ((running, project, AT), (failed, other, AT), (failed, project, old)):
        with pytest.raises(Refused):
            refund_ask(job=found, project=of, words="장애", by=of.pi, at=at)


def test_nobody_decides_for_their_own_project_or_institution(asked, project):
    for person in (project.pi, UserFactory(roles=["operator"], institution=project.institution)):
        with pytest.raises(Refused):
            refund_grant(refund=asked, gpu_seconds=None, reason="", by=person, at=AT)
        with pytest.raises(Refused):
            refund_decline(refund=asked, reason="장애", by=person, at=AT)


def test_the_sum_of_the_entries_of_a_job_is_what_its_refund_says(grant, rule, oh):
    read(broken(hours=3, db_index=77))
    refund_by_rule(AT)
    for number, hours in enumerate((4, 5, 6), start=1):
        read(broken(hours=hours, db_index=77), at=AT + timedelta(days=number))
        follow(AT + timedelta(days=number))
    refund = Refund.objects.get()
    assert sum(hours for hours, key in entries() if key == refund.job.key) * HOUR == refund.refunded_gpu_seconds
    assert GrantLine.objects.with_amounts().get().refunded == refund.refunded_gpu_seconds
    assert RefundRule.objects.count() == 1
