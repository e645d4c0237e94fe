"""협약: the applicant accepts or turns down, in time, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse

from allocations.models import Application, Consent, ConsentText, Grant, Project
from allocations.services import Refused
from allocations.services.offers import offer_accept, offer_turn_down, offers_lapse
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import NOW, ApplicationFactory, DecisionFactory, UserFactory


def agreement_text(code, **more):
    values = {"version": 1, "stage": "agreement", "title_ko": "협약서", "title_en": "Agreement", "created_at": NOW}
    return ConsentText.objects.create(code=code, text_ko="제1조", text_en="Article 1", **(values | more))


@pytest.fixture
def offered(call, alice):
    application = ApplicationFactory(
        call=call, applicant=alice, status="offered", number="2026-0001", due_at=NOW + timedelta(days=10)
    )
    DecisionFactory(application=application, hours=500, conditions="Report after a month.", outcome="conditional")
    return application


@pytest.fixture
def required(db):
    return agreement_text("agreement")


@pytest.fixture
def address(offered):
    return reverse("offer", args=[offered.pk])


def test_the_page_says_what_is_awarded_and_what_to_agree_to(offered, required, address, alice, browser):
    agreement_text("news", required=False, title_en="News")
    agreement_text("firms", track="firm", title_en="Firms only")
    page = browser(alice).get(address).content.decode()
    for words in ("500 GPU-hours", "Report after a month.", "Article 1", "Agreement", "News", "Please answer by"):
        assert words in page
    assert "Firms only" not in page


def test_accepting_records_each_answer_and_makes_the_grant(offered, required, address, alice, browser):
    news = agreement_text("news", required=False)
    done = browser(alice).post(address, {"agree_agreement_1": "on"})
    offered.refresh_from_db()
    assert offered.status == "awarded"
    assert done.url == reverse("onboarding", args=[offered.grant.project.code])
    answers = {consent.text: (consent.given, consent.sha256) for consent in Consent.objects.filter(application=offered)}
    assert answers == {required: (True, required.sha256), news: (False, news.sha256)}


def test_a_required_text_must_be_agreed_to(offered, required, address, alice, browser):
    page = browser(alice).post(address).content.decode()
    assert 'href="#id_agree_agreement_1"' in page
    with pytest.raises(Refused):
        offer_accept(application=offered, given={}, by=alice, at=NOW)
    assert not Consent.objects.exists()
    assert not Grant.objects.exists()


def test_a_text_renewed_meanwhile_is_shown_again(offered, required, address, alice, browser):
    agreement_text("agreement", version=2)
    page = browser(alice).post(address, {"agree_agreement_1": "on"}).content.decode()
    assert 'href="#id_agree_agreement_2"' in page
    assert not Grant.objects.exists()


def test_pressing_twice_changes_nothing(offered, address, alice, browser):
    client = browser(alice)
    first, second = client.post(address), client.post(address)
    assert first.url == second.url
    assert (Grant.objects.count(), Project.objects.count()) == (1, 1)
    with pytest.raises(LostRace):
        offer_accept(application=offered, given={}, by=alice, at=NOW)


def test_the_pi_is_shown_the_way_onto_the_cluster(offered, alice, mailoutbox, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        grant = offer_accept(application=offered, given={}, by=alice, at=NOW)
    letter = mailoutbox[0]
    assert letter.to == [alice.email]
    assert reverse("onboarding", args=[grant.project.code]) in letter.body
    assert "500 GPU-hours" in letter.body


def test_nobody_else_answers(offered, address, bob, dana, browser):
    for person in (bob, dana):
        assert browser(person).get(address).status_code == 404
        with pytest.raises(Refused):
            offer_accept(application=offered, given={}, by=person, at=NOW)
        with pytest.raises(Refused):
            offer_turn_down(application=offered, reason="No.", by=person, at=NOW)


def test_turning_down_asks_why_and_frees_the_hours(offered, alice, browser):
    client, address = browser(alice), reverse("offer_turn_down", args=[offered.pk])
    assert 'href="#id_reason"' in client.post(address).content.decode()
    client.post(address, {"reason": "We bought our own."})
    offered.refresh_from_db()
    assert offered.status == "turned_down"
    assert Event.objects.get(action="application.turned_down").data["reason"] == "We bought our own."
    page = client.post(address, {"reason": "Again."}, follow=True).content.decode()
    assert "There is no agreement to make." in page


def test_too_late_is_too_late(offered, address, alice, browser):
    Application.objects.filter(pk=offered.pk).update(due_at=NOW - timedelta(minutes=1))
    page = browser(alice).post(address).content.decode()
    assert "The time to make the agreement is over." in page
    assert not Grant.objects.exists()


def test_what_is_not_answered_in_time_lapses_with_a_letter(
    offered, alice, mailoutbox, django_capture_on_commit_callbacks
):
    in_time = DecisionFactory(application__due_at=NOW + timedelta(days=20)).application
    without = DecisionFactory(application__due_at=None).application
    late = offered.due_at + timedelta(seconds=1)
    with django_capture_on_commit_callbacks(execute=True):
        assert offers_lapse(late) == 1
        assert offers_lapse(late) == 0
    states = dict(Application.objects.values_list("pk", "status"))
    assert states == {offered.pk: "lapsed", in_time.pk: "offered", without.pk: "offered"}
    assert [letter.to for letter in mailoutbox] == [[alice.email]]
    with pytest.raises(LostRace):
        offer_accept(application=offered, given={}, by=alice, at=late)


def test_one_that_cannot_lapse_does_not_hold_up_the_others(offered, monkeypatch, caplog):
    other = DecisionFactory(application__due_at=NOW).application

    def poisoned(application):
        if application.pk == other.pk:
            raise RuntimeError

    monkeypatch.setattr("allocations.services.offers.mails.lapsed", poisoned)
    assert offers_lapse(offered.due_at + timedelta(days=1)) == 1
    other.refresh_from_db()
    assert other.status == "offered"


@pytest.mark.django_db(transaction=True)
def test_accepting_and_turning_down_at_the_same_moment_end_with_one():
    application = DecisionFactory().application
    start = threading.Barrier(4)

    def answer(accepts):
        own = Application.objects.get(pk=application.pk)
        start.wait()
        try:
            if accepts:
                return offer_accept(application=own, given={}, by=own.applicant, at=NOW)
            return offer_turn_down(application=own, reason="No.", by=own.applicant, at=NOW)
        except LostRace:
            return None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(answer, [True, False, True, False]))
    assert sum(outcome is not None for outcome in outcomes) == 1
    application.refresh_from_db()
    assert Grant.objects.count() == (application.status == "awarded")


def test_an_answer_needs_an_offer(call, alice, browser):
    application = ApplicationFactory(call=call, applicant=alice, status="panel")
    page = browser(alice).get(reverse("offer", args=[application.pk]), follow=True).content.decode()
    assert "There is no agreement to make." in page
    assert browser(UserFactory()).get(reverse("offer", args=[application.pk])).status_code == 404
