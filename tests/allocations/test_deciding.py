"""The panel: who may decide, what is asked before it is final, and two people deciding at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse

from allocations.models import Application, Decision, Project
from allocations.selectors import panel_rows, to_decide
from allocations.services import Refused
from allocations.services.decisions import decision_award, decision_decline
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import HOUR, NOW, ApplicationFactory, CallFactory, PoolFactory, ReviewFactory, UserFactory, kst

AWARD = {"outcome": "awarded", "award_h100": "500", "reason": ""}
DECLINE = {"outcome": "declined", "award_h100": "500", "reason": "Not enough GPUs this time."}


@pytest.fixture
def address(reviewed):
    return reverse("decide", args=[reviewed.pk])


def test_the_list_shows_what_a_decision_needs(reviewed, dana, browser):
    row = panel_rows(dana)[0]
    assert (row.submitted_reviews, str(row.score), row.recommended_gpu_seconds) == (1, "4.00", 800 * HOUR)
    page = browser(dana).get(reverse("panel")).content.decode()
    assert "1 of 1" in page
    assert "4.00" in page


def test_what_can_be_decided_comes_first(call, dana):
    waiting = ApplicationFactory(call=call, submitted_at=kst(2026, 2, 1))
    ready = ReviewFactory(application=ApplicationFactory(call=call)).application
    assert [row.application for row in panel_rows(dana)] == [ready, waiting]
    assert [row.application for row in to_decide(dana)] == [ready]


def test_nothing_is_to_be_decided_by_who_may_not(reviewed, charlie):
    assert to_decide(charlie) == []


def test_the_award_is_prefilled_with_what_is_recommended(address, dana, browser):
    assert 'name="award_h100" value="800"' in browser(dana).get(address).content.decode()


def test_without_a_recommendation_with_what_is_requested(call, dana, browser):
    review = ReviewFactory(application=ApplicationFactory(call=call, hours=960), recommended_gpu_seconds=None)
    page = browser(dana).get(reverse("decide", args=[review.application_id])).content.decode()
    assert 'name="award_h100" value="960"' in page


def test_the_reviews_are_all_there(address, dana, browser):
    page = browser(dana).get(address).content.decode()
    assert "계획이 충실합니다." in page
    assert "선정을 권합니다." in page


def test_an_award_is_asked_about_once_and_then_final(reviewed, address, dana, browser):
    client = browser(dana)
    asked = client.post(address, AWARD | {"action": "check"}).content.decode()
    assert "Award GPU time?" in asked
    assert "500 GPU-hours" in asked
    assert not Decision.objects.exists()
    back = client.post(address, AWARD | {"action": "back"}).content.decode()
    assert 'name="award_h100" value="500"' in back
    done = client.post(address, AWARD | {"action": "confirm"})
    assert done.url == reverse("panel")
    reviewed.refresh_from_db()
    assert reviewed.status == "awarded"
    assert reviewed.decision.awarded_gpu_seconds == 500 * HOUR


def test_declining_needs_a_reason(reviewed, address, dana, browser):
    client = browser(dana)
    page = client.post(address, DECLINE | {"action": "check", "reason": " "}).content.decode()
    assert 'href="#id_reason"' in page
    client.post(address, DECLINE | {"action": "confirm"})
    reviewed.refresh_from_db()
    assert (reviewed.status, reviewed.decision.reason) == ("declined", DECLINE["reason"])
    assert not Project.objects.exists()


def test_an_award_of_nothing_is_no_award(reviewed, address, dana, browser):
    page = browser(dana).post(address, AWARD | {"action": "confirm", "award_h100": "0"}).content.decode()
    assert 'href="#id_award_h100"' in page
    assert not Decision.objects.exists()


def test_too_few_reviews_are_said_and_refused(dana, browser):
    application = ReviewFactory(application=ApplicationFactory(call=CallFactory(reviews_needed=2))).application
    client = browser(dana)
    address = reverse("decide", args=[application.pk])
    assert "1 more review is needed." in client.get(address).content.decode()
    page = client.post(address, AWARD | {"action": "confirm"}).content.decode()
    assert "1 more review is needed." in page
    with pytest.raises(Refused, match="needs 2"):
        decision_award(application=application, awards={PoolFactory(): HOUR}, by=dana, at=NOW)
    assert not Decision.objects.exists()


def test_a_review_in_progress_does_not_count(review, dana):
    with pytest.raises(Refused):
        decision_decline(application=review.application, reason="No.", by=dana, at=NOW)


def test_nobody_decides_for_their_own_institution_or_team(reviewed, postech, browser):
    colleague = UserFactory(institution=postech, roles=["decider"])
    member = UserFactory(roles=["decider"])
    reviewed.proposed_members.create(email=member.email)
    for person in (colleague, member):
        with pytest.raises(Refused):
            decision_award(application=reviewed, awards={PoolFactory(): HOUR}, by=person, at=NOW)
        row = panel_rows(person)[0]
        assert (row.conflicted, row.score, row.recommended_gpu_seconds) == (True, None, None)
        page = browser(person).get(reverse("decide", args=[reviewed.pk])).content.decode()
        assert "선정을 권합니다." not in page
        assert to_decide(person) == []


def test_who_has_not_the_role_is_refused_by_the_service(reviewed, rhee, alice):
    for person in (rhee, alice):
        with pytest.raises(Refused):
            decision_decline(application=reviewed, reason="No.", by=person, at=NOW)


@pytest.mark.parametrize("awards", [{}, {"h100": 0}, {"h100": 90}, {"h100": -60}])
def test_only_positive_whole_gpu_minutes_are_awarded(awards, reviewed, dana):
    pools = {PoolFactory(code=code): seconds for code, seconds in awards.items()}
    with pytest.raises(Refused):
        decision_award(application=reviewed, awards=pools, by=dana, at=NOW)


def test_the_second_browser_is_told_what_the_first_decided(reviewed, address, dana, browser):
    second = browser(UserFactory(roles=["decider"]))
    second.get(address)
    browser(dana).post(address, AWARD | {"action": "confirm"})
    page = second.post(address, DECLINE | {"action": "confirm"}, follow=True).content.decode()
    assert "Dana decided first: Selected, 500 GPU-hours. Yours was not recorded." in page
    reviewed.refresh_from_db()
    assert reviewed.status == "awarded"
    assert Decision.objects.count() == 1


def test_a_decision_on_a_stale_page_loses_the_race(reviewed, dana):
    stale = Application.objects.get(pk=reviewed.pk)
    decision_decline(application=reviewed, reason="No.", by=dana, at=NOW)
    with pytest.raises(LostRace):
        decision_award(application=stale, awards={PoolFactory(): HOUR}, by=dana, at=NOW)


def test_a_decision_after_the_withdrawal_says_so(reviewed, address, dana, browser, alice):
    browser(alice).post(reverse("application_withdraw", args=[reviewed.pk]))
    page = browser(dana).post(address, AWARD | {"action": "confirm"}, follow=True).content.decode()
    assert "Nothing was decided: the application stands at Withdrawn." in page


@pytest.mark.django_db(transaction=True)
def test_two_decisions_at_the_same_moment_end_with_one():
    application = ReviewFactory().application
    pool = PoolFactory()
    start = threading.Barrier(4)

    def decide(person):
        own = Application.objects.get(pk=application.pk)
        start.wait()
        try:
            return decision_award(application=own, awards={pool: HOUR}, by=person, at=NOW)
        except LostRace:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(decide, [UserFactory(roles=["decider"]) for _ in range(4)]))
    assert sum(outcome is not None for outcome in outcomes) == 1
    assert (Decision.objects.count(), Project.objects.count()) == (1, 1)
    assert Event.objects.filter(action="grant.awarded").count() == 1
