"""Consents: each by itself, in the version that was read, with its hash and moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.models import Consent, ConsentText
from allocations.services import Refused
from allocations.services.consents import answers_of, consent_give, refused_texts, texts_for
from tests.allocations.applying import Form, completed
from tests.factories import NOW

pytestmark = pytest.mark.django_db
STAGE = ConsentText.Stage.APPLICATION


@pytest.fixture(autouse=True)
def _no_other_texts():
    ConsentText.objects.all().delete()


def text(code="privacy", version=1, **more):
    words = {"title_ko": "개인정보 수집·이용", "title_en": f"Use of {code}", "text_ko": "본문", "text_en": "Text"}
    return ConsentText.objects.create(code=code, version=version, stage=STAGE, created_at=NOW, **words | more)


@pytest.fixture
def form(draft, alice, browser):
    return Form(browser(alice), completed(draft))


def box(code, given=True, version=1):
    ticked = {f"consent-{code}": "on"} if given else {}
    return ticked | {f"consent-{code}-version": version}


def test_the_newest_version_of_each_text_of_the_track_is_asked_for():
    text(version=1)
    newest = text(version=2, position=2)
    terms = text("terms", position=1)
    text("firm", track="firm", position=1)
    text("old", retired=True)
    assert texts_for(STAGE, "academic") == [terms, newest]
    assert [row.code for row in texts_for(STAGE, "firm")] == ["firm", "terms", "privacy"]


def test_a_text_kept_for_one_track_from_now_on_is_not_asked_for_in_its_older_version():
    """Nobody could agree to it: consent_give takes the newest version only."""
    text(version=1)
    newest = text(version=2, track="firm")
    assert texts_for(STAGE, "academic") == []
    assert texts_for(STAGE, "firm") == [newest]


def test_a_text_retired_in_its_newest_version_is_not_asked_for_in_an_older_one():
    text(version=1)
    text(version=2, retired=True)
    assert texts_for(STAGE) == []


def test_what_was_agreed_to_is_kept_with_hash_and_moment_and_once(draft, alice):
    privacy = text()
    for _again in range(2):
        consent_give(user=alice, texts_given={privacy: True}, application=draft, at=NOW)
    row = Consent.objects.get()
    assert (row.given, row.sha256, row.at, row.application) == (True, privacy.sha256, NOW, draft)


def test_a_changed_answer_is_a_new_row(draft, alice):
    news = text("news", required=False)
    consent_give(user=alice, texts_given={news: True}, application=draft, at=NOW)
    consent_give(user=alice, texts_given={news: False}, application=draft, at=NOW + timedelta(hours=1))
    assert Consent.objects.count() == 2
    assert answers_of(alice, [news], draft) == {news.pk: False}


def test_required_ones_are_missing_until_agreed_to_and_again_in_a_newer_version(draft, alice):
    old = text()
    text("news", required=False)
    assert refused_texts(alice, texts_for(STAGE), draft) == [old]
    consent_give(user=alice, texts_given={old: True}, application=draft, at=NOW)
    assert refused_texts(alice, texts_for(STAGE), draft) == []
    new = text(version=2)
    assert refused_texts(alice, texts_for(STAGE), draft) == [new]


def test_nobody_agrees_to_a_version_that_is_no_longer_in_use(draft, alice):
    old = text()
    text(version=2)
    with pytest.raises(Refused, match="changed meanwhile"):
        consent_give(user=alice, texts_given={old: True}, application=draft, at=NOW)
    assert not Consent.objects.exists()


def test_submitting_asks_for_each_required_text_and_takes_a_no_to_the_others(form):
    text()
    text("news", required=False)
    page = form.post("submit", box("privacy", False) | box("news", False), "submit").content.decode()
    assert "Agree to: Use of privacy." in page
    assert "Use of news." not in page
    form.post("submit", box("privacy") | box("news", False), "submit")
    form.application.refresh_from_db()
    assert form.application.status == "submitted"
    answers = [("news", False), ("privacy", True)]
    assert list(Consent.objects.values_list("text__code", "given").order_by("pk")) == answers


def test_a_text_changed_while_the_page_was_open_is_asked_for_again(form):
    text()
    form.get("submit")
    text(version=2)
    page = form.post("submit", box("privacy", version=1), "submit").content.decode()
    form.application.refresh_from_db()
    assert form.application.status == "draft"
    assert "changed meanwhile" in page
    assert form.post("submit", box("privacy", version=2), "submit").status_code == 200
    assert Consent.objects.filter(given=True).get().text.version == 2


def test_the_whole_text_can_be_read_beside_the_box(form):
    text(text_en="Every word of it.")
    assert "Every word of it." in form.get("submit")
