"""The panel: what it sees, who may decide, which rules bind a decision, and two people deciding at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from allocations.models import Application, CallPool, Decision, DecisionLine
from allocations.selectors.panel import ranking, to_decide
from allocations.services import Refused
from allocations.services.decisions import decision_make, decision_promote, decision_reconsider, decisions_announce
from allocations.services.offers import offer_turn_down
from allocations.workflow import HOLDS_HOURS, LostRace
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    DecisionFactory,
    PoolFactory,
    ReviewFactory,
    UserFactory,
    kst,
)

AWARD = {
    "outcome": "partly",
    "award_h100": "500",
    "reason_code": "reduced",
    "reason": "",
    "conditions": "",
}
DECLINE = AWARD | {"outcome": "declined", "reason_code": "other", "reason": "Not enough GPUs this time."}


@pytest.fixture
def waiting(reviewed):
    """Alice's: 960 GPU-hours of H100, one review of 4.00, before the panel."""
    Application.objects.filter(pk=reviewed.pk).update(status="panel")
    reviewed.refresh_from_db()
    return reviewed


@pytest.fixture
def address(waiting):
    return reverse("decide", args=[waiting.pk])


def h100():
    return PoolFactory(code="h100")


def select(application, by, hours, outcome="partly", **more):
    return decision_make(application=application, outcome=outcome, awards={h100(): hours * HOUR}, by=by, at=NOW, **more)


def bound(call, hours):
    CallPool.objects.filter(call=call, pool=h100()).update(gpu_seconds=hours * HOUR)


def before_panel(call, hours=960, score=4, **more):
    application = ApplicationFactory(call=call, hours=hours, status="panel", **more)
    ReviewFactory(application=application, score=score)
    return application


def test_what_waits_is_told_to_who_may_decide_on_it(waiting, dana, charlie):
    assert to_decide(dana) == [waiting]
    assert to_decide(charlie) == []
    assert to_decide(UserFactory(institution=waiting.institution, roles=["decider"])) == []


def test_a_decision_is_asked_about_once_then_recorded_and_told_to_nobody(waiting, address, dana, browser, mailoutbox):
    client = browser(dana)
    asked = client.post(address, AWARD | {"action": "check"}).content.decode()
    assert "Decide: Partly selected?" in asked
    assert "500 GPU-hours" in asked
    assert not Decision.objects.exists()
    back = client.post(address, AWARD | {"action": "back"}).content.decode()
    assert 'name="award_h100" value="500"' in back
    done = client.post(address, AWARD | {"action": "confirm"})
    assert done.url == reverse("panel_call", args=[waiting.call_id])
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decision.outcome) == ("decided", "partly")
    assert waiting.decision.awarded_gpu_seconds == 500 * HOUR
    assert waiting.decision.announced_at is None
    assert mailoutbox == []


def test_the_page_shows_reviews_proposal_and_what_is_left(waiting, address, dana, browser, call):
    bound(call, 1500)
    select(before_panel(call), dana, 600)
    page = browser(dana).get(address).content.decode()
    assert "계획이 충실합니다." in page
    assert "선정을 권합니다." in page
    assert waiting.summary in page
    assert "<strong>900</strong>" in page
    assert 'name="award_h100" value="960"' in page


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"award_h100": "0"}, "id_award_h100"),
        ({"outcome": "declined", "reason_code": "other"}, "id_reason"),
        ({"outcome": "conditional"}, "id_conditions"),
    ],
)
def test_what_is_missing_is_linked_to_its_field(changes, field, address, dana, browser):
    page = browser(dana).post(address, AWARD | changes | {"action": "confirm"}).content.decode()
    assert f'href="#{field}"' in page
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("outcome", "hours", "words"),
    [
        ("awarded", 500, "Choose “Partly selected”"),
        ("partly", 960, "Choose “Selected”"),
        ("partly", 961, "no more of H100 80GB than is requested"),
        ("partly", 0, "at least one GPU kind"),
        ("partly", 99, "Less than 100 GPU-hours of H100 80GB"),
        ("partly", -1, "whole GPU-minutes"),
        ("wonderful", 500, "Choose an outcome"),
    ],
)
def test_a_rule_that_forbids_the_award_is_said(outcome, hours, words, waiting, dana):
    waiting.lines.update(minimum_gpu_seconds=100 * HOUR)
    with pytest.raises(Refused, match=words):
        select(waiting, dana, hours, outcome)
    waiting.refresh_from_db()
    assert waiting.status == "panel"


def test_only_whole_gpu_minutes_of_what_is_asked_and_offered_are_awarded(waiting, dana, call):
    make = {"application": waiting, "outcome": "partly", "by": dana, "at": NOW}
    with pytest.raises(Refused, match="whole GPU-minutes"):
        decision_make(awards={h100(): 90}, **make)
    with pytest.raises(Refused, match="asks for no A100"):
        decision_make(awards={PoolFactory(code="a100"): HOUR}, **make)
    call.offers.filter(pool=h100()).delete()
    with pytest.raises(Refused, match="This call gives no H100"):
        decision_make(awards={h100(): HOUR}, **make)


def test_the_call_gives_no_more_than_it_has(waiting, dana, call):
    bound(call, 1000)
    select(before_panel(call), dana, 600)
    with pytest.raises(Refused, match="has 400 GPU-hours left"):
        select(waiting, dana, 401)
    select(waiting, dana, 400)


def test_caps_hold_over_the_whole_call(call, dana):
    person = UserFactory()
    colleague = UserFactory(institution=person.institution)
    call.most_gpu_seconds_per_person, call.most_gpu_seconds_per_institution = 500 * HOUR, 700 * HOUR
    call.save()
    select(before_panel(call, applicant=person), dana, 300)
    with pytest.raises(Refused, match="cap per applicant leaves 200"):
        select(before_panel(call, applicant=person), dana, 201)
    with pytest.raises(Refused, match="cap per institution leaves 400"):
        select(before_panel(call, applicant=colleague), dana, 401)
    select(before_panel(call, applicant=colleague), dana, 400)


@pytest.mark.parametrize("state", ["offered", "awarded", "decided"])
def test_awards_hold_their_hours_until_they_are_given_up(state, call, dana, waiting):
    bound(call, 1000)
    other = DecisionFactory(application__call=call, application__status=state, hours=800).application
    with pytest.raises(Refused):
        select(waiting, dana, 300)
    Application.objects.filter(pk=other.pk).update(status="turned_down")
    select(waiting, dana, 300)


def test_below_the_threshold_selecting_needs_a_reason_in_words(call, dana):
    application = before_panel(call, score=2)
    with pytest.raises(Refused, match="does not reach the call's threshold"):
        select(application, dana, 100)
    select(application, dana, 100, reason="The only proposal on batteries.")


def test_without_the_score_that_was_asked_for_it_needs_one_too(call, dana):
    application = ApplicationFactory(call=call, status="panel")
    with pytest.raises(Refused, match="threshold"):
        select(application, dana, 100)


def test_a_period_that_has_passed_cannot_be_selected(waiting, dana):
    with pytest.raises(Refused, match="has passed"):
        decision_make(application=waiting, outcome="awarded", awards={h100(): 960 * HOUR}, by=dana, at=kst(2026, 10, 1))


def test_who_has_not_the_role_or_has_a_stake_is_refused(waiting, rhee, alice, oh, browser):
    colleague = UserFactory(institution=waiting.institution, roles=["decider"])
    member = UserFactory(roles=["decider"])
    waiting.proposed_members.create(email=member.email)
    for person in (rhee, alice, oh, colleague, member):
        with pytest.raises(Refused):
            decision_make(application=waiting, outcome="declined", by=person, at=NOW)
    for person in (colleague, member):
        answer = browser(person).get(reverse("decide", args=[waiting.pk]))
        assert answer.status_code == 403
        assert "선정을 권합니다." not in answer.content.decode()


def test_a_decision_is_taken_back_until_it_is_announced(waiting, dana, browser, call):
    bound(call, 960)
    select(waiting, dana, 960, "awarded")
    page = browser(dana).get(reverse("decide", args=[waiting.pk])).content.decode()
    assert "Take the decision back" in page
    browser(dana).post(reverse("reconsider", args=[waiting.pk]))
    waiting.refresh_from_db()
    assert waiting.status == "panel"
    assert not Decision.objects.exists()
    other = before_panel(call)
    select(other, dana, 960, "awarded")
    decisions_announce(applications=[other], by=dana, at=NOW)
    with pytest.raises(LostRace):
        decision_reconsider(application=other, by=dana, at=NOW)


def test_from_the_reserve_list_an_application_is_only_selected(waiting, dana, browser, address):
    decision_make(application=waiting, outcome="reserve", reason_code="hours_gone", by=dana, at=NOW)
    decisions_announce(applications=[waiting], by=dana, at=NOW)
    page = browser(dana).get(address).content.decode()
    assert 'value="declined"' not in page
    with pytest.raises(Refused, match="only be selected"):
        decision_promote(application=waiting, outcome="declined", awards={}, by=dana, at=NOW)
    browser(dana).post(address, AWARD | {"action": "confirm"})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decision.outcome) == ("decided", "partly")
    assert waiting.decision.announced_at is None


def test_the_second_browser_is_told_what_the_first_decided(waiting, address, dana, browser):
    second = browser(UserFactory(roles=["decider"]))
    second.get(address)
    browser(dana).post(address, AWARD | {"action": "confirm"})
    page = second.post(address, DECLINE | {"action": "confirm"}, follow=True).content.decode()
    assert "Dana decided first: Partly selected, 500 GPU-hours. Yours was not recorded." in page
    waiting.refresh_from_db()
    assert (waiting.status, Decision.objects.get().outcome) == ("decided", "partly")


def test_a_decision_on_a_stale_page_loses_the_race(waiting, dana):
    stale = Application.objects.get(pk=waiting.pk)
    decision_make(application=waiting, outcome="declined", by=dana, at=NOW)
    with pytest.raises(LostRace):
        select(stale, dana, 1)


def test_a_decision_after_the_withdrawal_says_so(waiting, address, dana, browser):
    Application.objects.filter(pk=waiting.pk).update(status="withdrawn")
    page = browser(dana).post(address, AWARD | {"action": "confirm"}, follow=True).content.decode()
    assert "Nothing was decided: the application stands at Withdrawn." in page


def at_once(act, people):
    """Let everybody act at the same moment; what each came to."""
    start = threading.Barrier(len(people))

    def one(person):
        start.wait()
        try:
            return act(person)
        except (Refused, LostRace) as outcome:
            return outcome
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as threads:
        return list(threads.map(one, people))


@pytest.mark.django_db(transaction=True)
def test_two_decisions_at_the_same_moment_end_with_one():
    application = before_panel(CallFactory())
    people = [UserFactory(roles=["decider"]) for _ in range(4)]
    outcomes = at_once(lambda person: select(Application.objects.get(pk=application.pk), person, 1), people)
    assert sum(isinstance(outcome, LostRace) for outcome in outcomes) == 3
    assert Decision.objects.count() == 1
    assert Event.objects.filter(action="application.decided").count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_last_hours_are_awarded_once_whoever_takes_them():
    call = CallFactory()
    bound(call, 100)
    waiting = [before_panel(call) for _ in range(4)]
    work = {UserFactory(roles=["decider"]): application for application in waiting}
    outcomes = at_once(lambda person: select(Application.objects.get(pk=work[person].pk), person, 40), list(work))
    assert sum(isinstance(outcome, Decision) for outcome in outcomes) == 2
    assert sum(isinstance(outcome, Refused) for outcome in outcomes) == 2
    assert sum(DecisionLine.objects.values_list("awarded_gpu_seconds", flat=True)) == 80 * HOUR


acts = st.lists(
    st.tuples(
        st.sampled_from(["award", "award", "reconsider", "announce", "promote", "reserve", "turn_down"]),
        st.integers(0, 3),
        st.integers(0, 130),
    ),
    max_size=25,
)


class WhateverTheOrder(TestCase):
    """Decisions, announcements and refusals of offers in any order, by two deciders in turn."""

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(acts)
    def test_awards_never_pass_pool_caps_or_minimum(self, steps):
        call = CallFactory(most_gpu_seconds_per_person=120 * HOUR, most_gpu_seconds_per_institution=150 * HOUR)
        bound(call, 200)
        person = UserFactory()
        applicants = [person, person, UserFactory(institution=person.institution), UserFactory()]
        rows = [before_panel(call, hours=100, applicant=applicant) for applicant in applicants]
        for application in rows:
            application.lines.update(minimum_gpu_seconds=20 * HOUR)
        deciders = [UserFactory(roles=["decider"]) for _ in range(2)]
        for turn, (act, index, hours) in enumerate(steps):
            self._act(act, rows[index], hours, deciders[turn % 2])
            self._check(call)

    def _act(self, act, application, hours, by):
        outcome = "awarded" if hours == 100 else "partly"
        awards = {h100(): hours * HOUR}
        common = {"application": application, "by": by, "at": NOW}
        try:
            if act == "award":
                decision_make(outcome=outcome, awards=awards, **common)
            elif act == "promote":
                decision_promote(outcome=outcome, awards=awards, **common)
            elif act == "reserve":
                decision_make(outcome="reserve", **common)
            elif act == "reconsider":
                decision_reconsider(**common)
            elif act == "announce":
                decisions_announce(applications=[application], by=by, at=NOW)
            else:
                offer_turn_down(application=application, reason="No.", by=application.applicant, at=NOW)
        except (Refused, LostRace):
            pass

    def _check(self, call):
        lines = DecisionLine.objects.filter(
            decision__application__call=call, decision__application__status__in=HOLDS_HOURS
        ).select_related("decision__application")
        amounts = [(line.decision.application, line.awarded_gpu_seconds) for line in lines]
        assert sum(seconds for _application, seconds in amounts) <= 200 * HOUR
        assert all(20 * HOUR <= seconds <= 100 * HOUR for _application, seconds in amounts)
        for who, cap in (("applicant_id", 120 * HOUR), ("institution_id", 150 * HOUR)):
            totals: dict[int, int] = {}
            for application, seconds in amounts:
                totals[getattr(application, who)] = totals.get(getattr(application, who), 0) + seconds
            assert all(total <= cap for total in totals.values())


def test_the_ranking_goes_by_score_and_marks_what_differs_widely(call, dana):
    first, second = before_panel(call, score=5), before_panel(call, score=2)
    ReviewFactory(application=second, score=4)
    unscored = ApplicationFactory(call=call, status="panel")
    ApplicationFactory(call=call, status="review")
    found = ranking(call, dana)
    assert [(row.application, row.rank) for row in found.rows] == [(first, 1), (second, 2), (unscored, None)]
    assert [str(row.score) for row in found.rows[:2]] == ["5.00", "3.00"]
    assert [row.spread_is_wide for row in found.rows[:2]] == [False, True]
    assert (found.underway, found.hidden, str(found.mean_score)) == (1, 0, "4.00")
