"""Programmes, texts people agree to, the center's own words, pools."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.core.management import call_command
from django.urls import reverse

from allocations.default_texts import CONSENTS, NEWS, PERSONAL_DATA, PROGRAMMES
from allocations.defaults import make_defaults
from allocations.models import CenterText, Consent, ConsentText, Programme
from allocations.services import Refused
from allocations.services.texts import center_text_change, consent_text_publish, consent_text_retire
from allocations.texts import PLACES, center_text
from portal.events.models import Event
from tests.factories import NOW, CallFactory, PoolFactory, UserFactory

pytestmark = pytest.mark.django_db


def test_a_new_installation_begins_with_texts_and_programmes_once():
    assert make_defaults(NOW) == len(CONSENTS) + len(PROGRAMMES)
    Programme.objects.filter(name_ko="기타").delete()
    assert make_defaults(NOW) == 0
    call_command("defaults", verbosity=0)
    assert ConsentText.objects.count() == len(CONSENTS)
    assert set(ConsentText.objects.values_list("stage", flat=True)) == {"application", "agreement", "reviewer"}


def test_personal_data_is_asked_for_with_the_four_things_of_the_law():
    for words in ("목적", "항목", "기간", "거부할 권리"):
        assert words in PERSONAL_DATA.text_ko
        assert words in NEWS.text_ko
    assert PERSONAL_DATA.required
    assert not NEWS.required


def test_a_new_version_leaves_the_old_one_as_it_was(oh, alice):
    make_defaults(NOW)
    first = ConsentText.objects.get(code="terms")
    Consent.objects.create(text=first, user=alice, given=True, sha256=first.sha256, at=NOW)
    words = replace(CONSENTS["terms"], text_ko="새 약관")
    second = consent_text_publish(code="terms", words=words, by=oh, at=NOW)
    first.refresh_from_db()
    assert (first.version, second.version) == (1, 2)
    assert first.text_ko == CONSENTS["terms"].text_ko
    assert first.sha256 == Consent.objects.get().sha256 != second.sha256
    with pytest.raises(Refused, match="Nothing differs"):
        consent_text_publish(code="terms", words=words, by=oh, at=NOW)


def test_a_text_that_is_no_longer_asked_for_can_come_back(oh):
    make_defaults(NOW)
    consent_text_retire(code="news", by=oh, at=NOW)
    assert ConsentText.objects.get(code="news").retired
    with pytest.raises(Refused):
        consent_text_retire(code="news", by=oh, at=NOW)
    again = consent_text_publish(code="news", words=CONSENTS["news"], by=oh, at=NOW)
    assert (again.version, again.retired) == (2, False)


def test_the_stage_belongs_to_the_text(oh):
    make_defaults(NOW)
    moved = replace(CONSENTS["terms"], stage="reviewer", text_ko="다른 글")
    assert consent_text_publish(code="terms", words=moved, by=oh, at=NOW).stage == "application"


def test_only_the_office_writes(alice):
    with pytest.raises(Refused):
        consent_text_publish(code="terms", words=CONSENTS["terms"], by=alice, at=NOW)
    with pytest.raises(Refused):
        center_text_change(code="contact", text_ko="나", text_en="", by=alice, at=NOW)


def test_every_place_has_a_default_until_the_office_writes(oh, settings):
    assert {place.code for place in PLACES} == {
        "contact",
        "login_host",
        "key_or_password",
        "first_job",
        "account_rules",
        "acknowledgement",
    }
    for place in PLACES:
        assert place.default_ko
        assert place.default_en
        assert center_text(place.code) == place.default
    center_text_change(code="contact", text_ko="054-000-0000", text_en="", by=oh, at=NOW)
    assert center_text("contact") == "054-000-0000"
    center_text_change(code="contact", text_ko=" ", text_en="", by=oh, at=NOW)
    assert center_text("contact") == PLACES[0].default
    with pytest.raises(KeyError):
        center_text("nowhere")


# --- the pages ---


def test_programmes_are_added_and_put_aside(oh, browser):
    client = browser(oh)
    post = {"name_ko": "로봇", "name_en": "Robots", "position": "5", "active": "on"}
    client.post(reverse("office_programme_new"), post)
    programme = Programme.objects.get()
    CallFactory(programme=programme)
    address = reverse("office_programme", args=[programme.pk])
    client.post(address, {**post, "active": ""})
    programme.refresh_from_db()
    assert not programme.active
    assert "There is 1 problem" in client.post(reverse("office_programme_new"), post).content.decode()
    assert "Robots" in client.get(reverse("office_programmes")).content.decode()
    new = client.get(reverse("office_call_new")).content.decode()
    assert "Robots" not in new
    kept = client.get(reverse("office_call_basics", args=[programme.calls.get().pk])).content.decode()
    assert "Robots" in kept
    assert list(Event.objects.filter(target_kind="programme").values_list("action", flat=True)) == [
        "programme.changed",
        "programme.created",
    ]


def test_consents_show_who_agreed_to_which_version(oh, alice, bob, browser):
    make_defaults(NOW)
    news = ConsentText.objects.get(code="news")
    for user, given in ((alice, True), (alice, True), (bob, False)):
        Consent.objects.create(text=news, user=user, given=given, sha256=news.sha256, at=NOW)
    client = browser(oh)
    post = {
        "title_ko": news.title_ko,
        "title_en": news.title_en,
        "text_ko": "새 글\r\n둘째 줄",
        "text_en": "New text",
        "position": "60",
        "track": "",
    }
    assert client.post(reverse("office_consent_write", args=["news"]), post).status_code == 302
    newest = ConsentText.objects.get(code="news", version=2)
    assert (newest.text_ko, newest.required) == ("새 글\n둘째 줄", False)
    page = client.get(reverse("office_consent", args=["news"]))
    assert [(text.version, text.agreed, text.refused) for text in page.context["versions"]] == [(2, 0, 0), (1, 1, 1)]
    assert newest.sha256 in page.content.decode()
    assert "Nothing differs" in client.post(reverse("office_consent_write", args=["news"]), post).content.decode()
    client.post(reverse("office_consent_retire", args=["news"]))
    assert "no longer asked for" in client.get(reverse("office_consents")).content.decode()


def test_a_new_text_needs_a_code_of_its_own(oh, browser):
    make_defaults(NOW)
    client = browser(oh)
    words = {"title_ko": "글", "title_en": "Text", "text_ko": "글", "text_en": "Text", "position": "1", "track": "firm"}
    post = {**words, "stage": "application", "required": "on"}
    for code in ("terms", "new", "Big"):
        assert client.post(reverse("office_consent_new"), {**post, "code": code}).status_code == 200
    assert client.post(reverse("office_consent_new"), {**post, "code": "firm-terms"}).status_code == 302
    text = ConsentText.objects.get(code="firm-terms")
    assert (text.version, text.track, text.required) == (1, "firm", True)


def test_center_texts_are_written_by_page(oh, browser):
    client = browser(oh)
    address = reverse("office_text", args=["login_host"])
    assert "로그인 노드" in client.get(address).content.decode()
    client.post(address, {"text_ko": "login.center.example", "text_en": ""})
    text = CenterText.objects.get()
    assert (text.code, text.changed_by) == ("login_host", oh)
    assert "login.center.example" in client.get(reverse("office_texts")).content.decode()
    assert client.get(reverse("office_text", args=["nowhere"])).status_code == 404


def test_a_pool_keeps_what_slurm_knows_it_by(oh, browser):
    pool = PoolFactory()
    client = browser(oh)
    address = reverse("office_pool", args=[pool.code])
    assert "cut them off" in client.get(address).content.decode()
    post = {"name_ko": "새 이름", "name_en": "New", "rate": "1.5", "most_gpus_per_job": "2", "position": "3"}
    client.post(address, {**post, "qos": "other", "code": "other"})
    pool.refresh_from_db()
    assert (pool.name_en, pool.rate_hundredths, pool.most_gpus_per_job) == ("New", 150, 2)
    assert (pool.code, pool.qos) == ("h100", "h100")
    assert Event.objects.get(target_kind="pool").data["fields"]
    assert "1.50" in client.get(reverse("office_pools")).content.decode()


def test_the_pages_are_for_the_office(alice, dana, oh, browser):
    make_defaults(NOW)
    PoolFactory()
    addresses = [
        reverse("office_programmes"),
        reverse("office_programme_new"),
        reverse("office_consents"),
        reverse("office_consent_new"),
        reverse("office_consent", args=["terms"]),
        reverse("office_consent_write", args=["terms"]),
        reverse("office_consent_retire", args=["terms"]),
        reverse("office_texts"),
        reverse("office_text", args=["contact"]),
        reverse("office_pools"),
        reverse("office_pool", args=["h100"]),
    ]
    for address in addresses:
        assert browser(oh).get(address).status_code == 200
        for other in (alice, dana):
            assert browser(other).get(address).status_code == 403
        assert browser().get(address).status_code == 302


def test_consents_ask_as_often_when_there_are_more(oh, browser, django_assert_max_num_queries):
    client = browser(oh)
    make_defaults(NOW)
    with django_assert_max_num_queries(5) as short:
        client.get(reverse("office_consents"))
    for text in ConsentText.objects.all():
        Consent.objects.create(text=text, user=UserFactory(), given=True, sha256=text.sha256, at=NOW)
    with django_assert_max_num_queries(len(short)):
        client.get(reverse("office_consents"))
