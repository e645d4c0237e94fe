"""After the award: supplement, extension, transfer, early return, change of PI; who asks, who decides, what follows."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from allocations.changes import arriving, latest_day, most_supplement
from allocations.models import Account, ChangeRequest, GrantLine, LedgerEntry
from allocations.provisioning.desired import desired_leaves
from allocations.selectors.changes import changes_to_decide
from allocations.services import Refused
from allocations.services.caps import cap_set
from allocations.services.changes import (
    change_grant,
    change_refuse,
    change_withdraw,
    extension_ask,
    grant_return,
    hours_return,
    pi_change_ask,
    supplement_ask,
    transfer_ask,
)
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    GrantFactory,
    GrantLineFactory,
    MembershipFactory,
    PoolFactory,
    UserFactory,
    kst,
)

ASK = {"reason": "다음 달 실험이 늘었습니다.", "at": NOW}


@pytest.fixture
def line(project):
    """1,000 GPU-hours of H100, 400 of them charged."""
    line = GrantLine.objects.get(grant__project=project)
    line.charged_gpu_seconds = 400 * HOUR
    line.save()
    return line


@pytest.fixture
def a100(db):
    return PoolFactory(code="a100", position=1, rate_hundredths=50)


def entries(line):
    return list(line.entries.order_by("pk").values_list("kind", "gpu_seconds"))


# --- The arithmetic ---


def test_half_of_the_award_in_whole_minutes():
    assert most_supplement(1000 * HOUR) == 500 * HOUR
    assert most_supplement(60) == 0


@pytest.mark.parametrize(
    ("day", "latest"),
    [
        (date(2026, 8, 31), date(2027, 2, 28)),
        (date(2027, 8, 31), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2027, 6, 30)),
        (date(2026, 3, 15), date(2026, 9, 15)),
    ],
)
def test_six_months_on_is_the_same_day_or_the_end_of_the_month(day, latest):
    assert latest_day(day) == latest


@given(st.integers(0, 10**10), st.integers(1, 1000), st.integers(1, 1000))
def test_nobody_gains_by_moving_hours_to_and_fro(gpu_seconds, rate, to_rate):
    there = arriving(gpu_seconds, rate, to_rate)
    assert there % 60 == 0
    assert there * to_rate <= gpu_seconds * rate
    assert arriving(there, to_rate, rate) <= gpu_seconds


# --- Supplement ---


def test_a_granted_supplement_is_an_entry_and_raises_the_limit(line, alice, dana):
    before = desired_leaves(at=NOW)[0].budget.gpu_minutes
    change = supplement_ask(line=line, gpu_seconds=500 * HOUR, by=alice, **ASK)
    assert desired_leaves(at=NOW)[0].budget.gpu_minutes == before
    change_grant(change=change, by=dana, at=NOW)
    assert entries(line) == [("award", 1000 * HOUR), ("supplement", 500 * HOUR)]
    assert line.entries.last().by == dana
    assert desired_leaves(at=NOW)[0].budget.gpu_minutes == before + 500 * 60
    assert Event.objects.filter(action="grant.supplemented", topics__contains=["project:p26001"]).exists()


@pytest.mark.parametrize("hours", [0, 501, -1])
def test_a_supplement_is_at_most_half_of_the_award(hours, line, alice):
    with pytest.raises(Refused, match="500"):
        supplement_ask(line=line, gpu_seconds=hours * HOUR, by=alice, **ASK)


def test_a_grant_has_one_supplement(line, alice, dana):
    change_grant(change=supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK), by=dana, at=NOW)
    with pytest.raises(Refused):
        supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)


def test_a_refused_supplement_may_be_asked_for_again(line, alice, dana):
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    change_refuse(change=change, answer="자원이 없습니다.", by=dana, at=NOW)
    assert entries(line) == [("award", 1000 * HOUR)]
    supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)


def test_one_request_of_a_kind_is_open_at_a_time(line, alice):
    supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    with pytest.raises(Refused):
        supplement_ask(line=line, gpu_seconds=2 * HOUR, by=alice, **ASK)
    with pytest.raises(Refused):
        supplement_ask(line=line, gpu_seconds=HOUR, by=alice, reason=ASK["reason"], at=NOW + timedelta(minutes=1))
    assert ChangeRequest.objects.count() == 1


def test_a_button_pressed_twice_asks_and_gives_back_once(line, alice):
    for _ in range(2):
        supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
        hours_return(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    assert entries(line) == [("award", 1000 * HOUR), ("reduction", -HOUR)]
    first = grant_return(grant=line.grant, by=alice, **ASK)
    assert grant_return(grant=line.grant, by=alice, reason=ASK["reason"], at=NOW + timedelta(seconds=1)) == first
    assert ChangeRequest.objects.count() == 3


def test_less_may_be_granted_than_was_asked_and_never_more(line, alice, dana):
    change = supplement_ask(line=line, gpu_seconds=100 * HOUR, by=alice, **ASK)
    with pytest.raises(Refused):
        change_grant(change=change, gpu_seconds=101 * HOUR, by=dana, at=NOW)
    change.refresh_from_db()
    change_grant(change=change, gpu_seconds=40 * HOUR, answer="40시간만 가능합니다.", by=dana, at=NOW)
    assert entries(line)[-1] == ("supplement", 40 * HOUR)
    change.refresh_from_db()
    assert (change.gpu_seconds, change.answer) == (40 * HOUR, "40시간만 가능합니다.")


# --- Extension ---


def test_a_granted_extension_moves_the_end_and_brings_no_hours(line, alice, dana):
    change = extension_ask(grant=line.grant, until=date(2026, 12, 31), by=alice, **ASK)
    change_grant(change=change, by=dana, at=NOW)
    line.grant.refresh_from_db()
    assert line.grant.ends_at == kst(2027, 1, 1)
    assert entries(line) == [("award", 1000 * HOUR)]


@pytest.mark.parametrize("until", [date(2026, 8, 31), date(2026, 1, 1), date(2027, 3, 1)])
def test_an_extension_is_later_by_six_months_at_most(until, line, alice):
    with pytest.raises(Refused):
        extension_ask(grant=line.grant, until=until, by=alice, **ASK)


def test_an_extension_asked_in_time_may_be_granted_after_the_end(line, alice, dana):
    change = extension_ask(grant=line.grant, until=date(2026, 10, 31), by=alice, reason="-", at=kst(2026, 8, 31, 20))
    change_grant(change=change, by=dana, at=kst(2026, 9, 3))
    line.grant.refresh_from_db()
    assert line.grant.is_open(kst(2026, 9, 3))


# --- Transfer ---


def test_a_transfer_takes_and_gives_at_the_pools_rates(line, a100, alice, dana):
    change = transfer_ask(line=line, to_pool=a100, gpu_seconds=100 * HOUR, by=alice, **ASK)
    change_grant(change=change, by=dana, at=NOW)
    target = GrantLine.objects.get(grant=line.grant, pool=a100)
    assert entries(line) == [("award", 1000 * HOUR), ("transfer", -100 * HOUR)]
    assert entries(target) == [("transfer", 200 * HOUR)]
    assert Account.objects.filter(name="p26001-a100").exists()
    assert {leaf.name: leaf.budget.gpu_minutes for leaf in desired_leaves(at=NOW)} == {
        "p26001-h100": 900 * 60,
        "p26001-a100": 200 * 60,
    }


def test_no_more_is_moved_than_is_left_when_it_is_granted(line, a100, alice, dana):
    with pytest.raises(Refused, match="600"):
        transfer_ask(line=line, to_pool=a100, gpu_seconds=601 * HOUR, by=alice, **ASK)
    change = transfer_ask(line=line, to_pool=a100, gpu_seconds=600 * HOUR, by=alice, **ASK)
    GrantLine.objects.filter(pk=line.pk).update(charged_gpu_seconds=401 * HOUR)
    with pytest.raises(Refused, match="599"):
        change_grant(change=change, by=dana, at=NOW)
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.ASKED
    assert entries(line) == [("award", 1000 * HOUR)]


def test_hours_move_to_another_pool_and_not_to_nothing(line, a100, alice):
    with pytest.raises(Refused):
        transfer_ask(line=line, to_pool=line.pool, gpu_seconds=HOUR, by=alice, **ASK)
    dear = PoolFactory(code="gb300", rate_hundredths=10_000)
    with pytest.raises(Refused):
        transfer_ask(line=line, to_pool=dear, gpu_seconds=60, by=alice, **ASK)


# --- Return ---


def test_hours_are_returned_at_once(line, alice):
    change = hours_return(line=line, gpu_seconds=600 * HOUR, by=alice, **ASK)
    assert change.status == ChangeRequest.Status.GRANTED
    assert entries(line)[-1] == ("reduction", -600 * HOUR)
    assert line.entries.last().by == alice
    assert line.grant.is_open(NOW)
    with pytest.raises(Refused):
        hours_return(line=line, gpu_seconds=60, by=alice, **ASK)


def test_returning_everything_ends_the_grant(line, a100, alice):
    other = GrantLineFactory(grant=line.grant, pool=a100, hours=50)
    change = grant_return(grant=line.grant, by=alice, **ASK)
    line.grant.refresh_from_db()
    assert (line.grant.ends_at, line.grant.is_open(NOW)) == (NOW, False)
    assert entries(line)[-1] == ("reduction", -600 * HOUR)
    assert entries(other)[-1] == ("reduction", -50 * HOUR)
    assert change.gpu_seconds == 650 * HOUR
    leaves = {leaf.name: leaf.budget for leaf in desired_leaves(at=NOW)}
    assert leaves["p26001-h100"].parked
    assert leaves["p26001-h100"].gpu_minutes == 400 * 60


def test_what_was_asked_for_about_a_returned_grant_does_not_bring_it_back(line, a100, alice, dana):
    asked = extension_ask(grant=line.grant, until=date(2026, 12, 31), by=alice, **ASK)
    elsewhere = supplement_ask(
        line=GrantFactory(project=line.grant.project).lines.get(), gpu_seconds=HOUR, by=alice, **ASK
    )
    grant_return(grant=line.grant, by=alice, **ASK)
    with pytest.raises(LostRace):
        change_grant(change=asked, by=dana, at=NOW)
    line.grant.refresh_from_db()
    asked.refresh_from_db()
    assert (asked.status, line.grant.ends_at) == (ChangeRequest.Status.WITHDRAWN, NOW)
    assert change_grant(change=elsewhere, by=dana, at=NOW).status == ChangeRequest.Status.GRANTED


# --- Change of PI ---


def test_a_new_pi_leads_and_both_are_told(project, bobs, alice, bob, dana, django_capture_on_commit_callbacks):
    bobs.is_delegate = True
    bobs.save()
    change = pi_change_ask(project=project, new_pi=bob, by=alice, **ASK)
    with django_capture_on_commit_callbacks(execute=True):
        change_grant(change=change, by=dana, at=NOW)
    project.refresh_from_db()
    bobs.refresh_from_db()
    assert (project.pi, bobs.is_delegate) == (bob, False)
    assert project.memberships.filter(user=alice, status="active").exists()
    told = [(sent.to[0], sent.subject) for sent in mail.outbox]
    assert (alice.email, "p26001 has another PI now") in told
    assert bob.email in [address for address, _ in told]


def test_a_new_pi_brings_no_cap_along_that_nobody_could_lift(project, bobs, alice, bob, dana):
    pool = project.accounts.get().pool
    cap_set(membership=bobs, pool=pool, gpu_seconds=60, by=alice, at=NOW)
    change_grant(change=pi_change_ask(project=project, new_pi=bob, by=alice, **ASK), by=dana, at=NOW)
    assert not bobs.caps.exists()


def test_the_delegate_asks_where_the_pi_no_longer_can(project, bobs, alice, bob):
    with pytest.raises(Refused):
        pi_change_ask(project=project, new_pi=bob, by=bob, **ASK)
    bobs.is_delegate = True
    bobs.save()
    alice.is_active = False
    alice.save()
    assert pi_change_ask(project=project, new_pi=bob, by=bob, **ASK).new_pi == bob


def test_the_new_pi_is_an_active_member(project, bob, charlie, alice, dana):
    for person in (charlie, alice):
        with pytest.raises(Refused):
            pi_change_ask(project=project, new_pi=person, by=alice, **ASK)
    change = pi_change_ask(project=project, new_pi=bob, by=alice, **ASK)
    project.memberships.filter(user=bob).update(status="removed")
    with pytest.raises(Refused):
        change_grant(change=change, by=dana, at=NOW)


# --- Who may what ---


def test_only_pi_and_delegate_ask(line, bob, charlie, oh, bobs):
    for person in (bob, charlie, oh):
        with pytest.raises(Refused):
            supplement_ask(line=line, gpu_seconds=HOUR, by=person, **ASK)
        with pytest.raises(Refused):
            grant_return(grant=line.grant, by=person, **ASK)
    bobs.is_delegate = True
    bobs.save()
    supplement_ask(line=line, gpu_seconds=HOUR, by=bob, **ASK)


def test_nothing_is_asked_of_a_grant_that_does_not_run(line, alice):
    for at in (kst(2026, 2, 28), kst(2026, 9, 1)):
        with pytest.raises(Refused):
            supplement_ask(line=line, gpu_seconds=HOUR, reason="-", by=alice, at=at)


@pytest.mark.parametrize("stake", ["own", "member", "institution", "asked", "successor", "no role"])
def test_nobody_decides_with_a_stake_or_without_the_role(stake, project, line, alice, bob):
    decider = UserFactory(roles=[] if stake == "no role" else ["decider"])
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    if stake == "own":
        project.pi = decider
        project.save()
    elif stake == "member":
        MembershipFactory(project=project, user=decider)
    elif stake == "institution":
        decider.institution = project.institution
        decider.save()
    elif stake == "asked":
        change.asked_by = decider
        change.save()
    elif stake == "successor":
        change.new_pi = decider
        change.save()
    for act in (change_grant, change_refuse):
        with pytest.raises(Refused):
            act(change=change, answer="-", by=decider, at=NOW)
    assert change not in changes_to_decide(decider)


def test_a_refusal_needs_a_reason(line, alice, dana):
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    with pytest.raises(Refused):
        change_refuse(change=change, answer=" ", by=dana, at=NOW)


def test_a_request_is_closed_once(line, alice, dana):
    change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    change_withdraw(change=change, by=alice, at=NOW)
    for act, by in ((change_grant, dana), (change_refuse, dana), (change_withdraw, alice)):
        with pytest.raises(LostRace):
            act(change=change, **({"answer": "-"} if by == dana else {}), by=by, at=NOW)
    assert entries(line) == [("award", 1000 * HOUR)]


@pytest.mark.django_db(transaction=True)
def test_two_deciders_at_once_end_with_one_decision(line, alice, dana):
    other = UserFactory(roles=["decider"])
    pk = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK).pk
    start, results = threading.Barrier(2), []

    def decide(person):
        try:
            change = ChangeRequest.objects.get(pk=pk)
            start.wait()
            change_grant(change=change, by=person, at=NOW)
            results.append("granted")
        except LostRace:
            results.append("lost")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=[person]) for person in (dana, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["granted", "lost"]
    assert LedgerEntry.objects.filter(kind="supplement").count() == 1


def test_who_decides_is_told_and_who_has_a_stake_is_not(line, alice, dana, django_capture_on_commit_callbacks):
    UserFactory(roles=["decider"], institution=alice.institution, email="near@postech.ac.kr")
    with django_capture_on_commit_callbacks(execute=True):
        change = supplement_ask(line=line, gpu_seconds=HOUR, by=alice, **ASK)
    told = {sent.to[0]: sent for sent in mail.outbox}
    assert dana.email in told
    assert not {alice.email, "near@postech.ac.kr"} & set(told)
    assert reverse("change", args=[change.pk]) in told[dana.email].body
    assert change.due_at == kst(2026, 3, 9, 18)  # the fifth business day


def test_an_effect_that_fails_leaves_the_request_open(line, a100, alice, dana):
    change = transfer_ask(line=line, to_pool=a100, gpu_seconds=600 * HOUR, by=alice, **ASK)
    hours_return(line=line, gpu_seconds=600 * HOUR, by=alice, **ASK)
    with transaction.atomic(), pytest.raises(Refused):
        change_grant(change=change, by=dana, at=NOW)
    change.refresh_from_db()
    assert change.status == ChangeRequest.Status.ASKED
