"""What is decided without the panel: by rule at once, or by the technical check."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from allauth.account.models import EmailAddress
from django.db import connection

from allocations.models import Application, CallPool, Decision
from allocations.services import Refused
from allocations.services.decisions import decision_by_rule, decision_by_technical
from allocations.services.rules import Hold
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    DecisionFactory,
    GrantFactory,
    PoolFactory,
    TierFactory,
    UserFactory,
    kst,
)


def h100():
    return PoolFactory(code="h100")


def verified(person):
    EmailAddress.objects.create(user=person, email=person.email, verified=True, primary=True)
    return person


@pytest.fixture
def starter(call):
    """Up to 200 GPU-hours for up to 92 days, by rule."""
    return TierFactory(call=call, route="rule", upto_gpu_seconds=200 * HOUR, most_days=92)


def small(call, tier, applicant, hours=100, **more):
    period = {"starts_on": date(2026, 3, 3), "ends_on": date(2026, 6, 2)}
    return ApplicationFactory(
        call=call, tier=tier, applicant=applicant, hours=hours, status="submitted", **(period | more)
    )


@pytest.fixture
def asked(call, starter, alice):
    return small(call, starter, verified(alice), number="2026-0001")


def test_what_keeps_every_rule_is_offered_at_once(asked, alice, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        decision = decision_by_rule(application=asked, at=NOW)
    asked.refresh_from_db()
    assert (asked.status, decision.outcome, decision.reason_code) == ("offered", "awarded", "rule")
    assert (decision.decided_by, decision.announced_at) == (None, NOW)
    assert decision.awarded_gpu_seconds == 100 * HOUR
    assert [letter.to for letter in mailoutbox] == [[alice.email]]


def break_rule(hold, asked):
    if hold == Hold.INSTITUTION:
        asked.institution.confirmed = False
        asked.institution.save()
    elif hold == Hold.EMAIL:
        EmailAddress.objects.update(verified=False)
    elif hold == Hold.SIZE:
        asked.lines.update(requested_gpu_seconds=201 * HOUR)
    elif hold == Hold.PERIOD:
        Application.objects.filter(pk=asked.pk).update(ends_on=date(2026, 6, 3))
    elif hold == Hold.ANOTHER:
        DecisionFactory(application=small(asked.call, asked.tier, asked.applicant))
        Application.objects.exclude(pk=asked.pk).update(status="offered")
    elif hold == Hold.REPORT:
        ended = {"starts_at": kst(2025, 6, 1), "ends_at": kst(2026, 1, 1), "created_at": kst(2025, 6, 1)}
        GrantFactory(project__pi=asked.applicant, **ended)
    elif hold == Hold.CAP:
        asked.call.most_gpu_seconds_per_institution = 99 * HOUR
        asked.call.save()
    elif hold == Hold.POOL:
        CallPool.objects.filter(call=asked.call).update(gpu_seconds=99 * HOUR)
    else:
        asked.lines.update(minimum_gpu_seconds=101 * HOUR)


@pytest.mark.parametrize("hold", list(Hold))
def test_a_rule_that_holds_it_leaves_it_with_the_office(hold, asked, mailoutbox):
    break_rule(hold, asked)
    assert decision_by_rule(application=asked, at=NOW) is None
    asked.refresh_from_db()
    assert asked.status == "submitted"
    event = Event.objects.get(action="application.rule_held")
    assert event.data["rule"] == hold.value
    assert event.data["reason"]
    assert not Decision.objects.filter(application=asked).exists()
    assert mailoutbox == []


@pytest.mark.parametrize(("ends_at", "held"), [(kst(2026, 3, 3), True), (kst(2026, 3, 2), False)])
def test_a_grant_of_this_size_holds_the_next_until_it_has_ended(ends_at, held, asked, starter, call):
    earlier = small(call, starter, asked.applicant)
    Application.objects.filter(pk=earlier.pk).update(status="awarded")
    GrantFactory(
        application=earlier, project__pi=asked.applicant, starts_at=kst(2026, 1, 1), ends_at=ends_at, created_at=NOW
    )
    assert (decision_by_rule(application=asked, at=NOW) is None) == held


def test_what_is_not_submitted_is_not_decided(asked):
    Application.objects.filter(pk=asked.pk).update(status="returned")
    with pytest.raises(LostRace):
        decision_by_rule(application=asked, at=NOW)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_person_gets_one_starter_grant_however_many_are_asked_for_at_once():
    person = verified(UserFactory())
    rows = []
    for _ in range(3):
        call = CallFactory(tiers=False)
        rows.append(small(call, TierFactory(call=call, route="rule", upto_gpu_seconds=200 * HOUR), person))
    start = threading.Barrier(3)

    def decide(application):
        start.wait()
        try:
            return decision_by_rule(application=application, at=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as threads:
        outcomes = list(threads.map(decide, rows))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert Application.objects.filter(status="offered").count() == 1


@pytest.fixture
def tess(db):
    return UserFactory(roles=["technical"])


@pytest.fixture
def checked(call, alice):
    """Alice's 960 GPU-hours, of a size that the technical check decides."""
    tier = TierFactory(call=call, route="technical")
    return ApplicationFactory(call=call, applicant=alice, status="technical", tier=tier)


@pytest.mark.parametrize(
    ("recommended", "awarded", "outcome"), [(960, 960, "awarded"), (2000, 960, "awarded"), (300, 300, "partly")]
)
def test_what_is_feasible_is_offered_with_what_is_recommended(recommended, awarded, outcome, checked, tess):
    decision = decision_by_technical(
        application=checked, feasible=True, awards={h100(): recommended * HOUR}, by=tess, at=NOW
    )
    checked.refresh_from_db()
    assert (checked.status, decision.outcome, decision.reason_code) == ("offered", outcome, "technical")
    assert (decision.awarded_gpu_seconds, decision.announced_at) == (awarded * HOUR, NOW)


def test_what_is_not_feasible_is_declined_with_its_reason(
    checked, tess, alice, mailoutbox, django_capture_on_commit_callbacks
):
    no = {"application": checked, "feasible": False, "awards": {}, "by": tess, "at": NOW}
    with pytest.raises(Refused):
        decision_by_technical(reason=" ", **no)
    with django_capture_on_commit_callbacks(execute=True):
        decision_by_technical(reason="It needs 16 GPUs in one job.", **no)
    checked.refresh_from_db()
    assert (checked.status, checked.decision.reason_code) == ("declined", "not_feasible")
    assert "It needs 16 GPUs in one job." in mailoutbox[-1].body


@pytest.mark.parametrize(
    ("hours", "words"), [(101, "has 100 GPU-hours left"), (49, "Less than 50 GPU-hours"), (0, "at least one GPU kind")]
)
def test_a_rule_that_forbids_it_is_told_to_the_technical_reviewer(hours, words, checked, tess):
    CallPool.objects.filter(call=checked.call, pool=h100()).update(gpu_seconds=100 * HOUR)
    checked.lines.update(minimum_gpu_seconds=50 * HOUR)
    with pytest.raises(Refused, match=words):
        decision_by_technical(application=checked, feasible=True, awards={h100(): hours * HOUR}, by=tess, at=NOW)
    checked.refresh_from_db()
    assert checked.status == "technical"


def test_the_check_alone_decides_no_large_request_and_nothing_of_ones_own(checked, tess, call):
    large = ApplicationFactory(call=call, status="technical")
    award = {"feasible": True, "awards": {h100(): HOUR}, "at": NOW}
    with pytest.raises(Refused, match="scientific review"):
        decision_by_technical(application=large, by=tess, **award)
    colleague = UserFactory(institution=checked.institution, roles=["technical"])
    with pytest.raises(Refused):
        decision_by_technical(application=checked, by=colleague, **award)
