"""Signed out in between: what was sent is carried over, never sent by itself, and only for our own pages; and a link
leads, however one signs in, to the page that was asked for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django import forms
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.models import Mail
from portal.web import session
from portal.web.autosave import left_out, not_saved, saved
from tests.factories import NOW, UserFactory
from tests.web import tiny_form
from tests.web.tiny_form import Stored

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]
PASSWORD = "gpu-hours-2026!"
OURS = {"HTTP_ORIGIN": "http://testserver"}
AUTOSAVE = {"HTTP_X_REQUESTED_WITH": "autosave"}
DEEP = "/me/mails/?from=mail"


@pytest.fixture(autouse=True)
def no_earlier_tries() -> None:
    """Allauth counts tries per address in the cache, which outlives a test."""
    cache.clear()


@pytest.fixture
def stored() -> Stored:
    return tiny_form.start_again(text="first")


@pytest.fixture
def alice() -> User:
    return UserFactory(email="alice@postech.ac.kr", password=PASSWORD)


def reader(**options: Any) -> Client:
    client = Client(**options)
    client.cookies["django_language"] = "en"
    return client


def signed_in(user: User, **options: Any) -> Client:
    client = reader(**options)
    client.force_login(user)
    return client


# --- autosave ----------------------------------------------------------------------------------------------------


def test_an_autosave_while_signed_out_is_told_so(stored):
    answer = reader().post("/tiny/", {"text": "second"}, **AUTOSAVE)
    assert (answer.status_code, answer.json()) == (401, {"message": "You are signed out."})
    assert stored.text == "first"


def test_an_autosave_with_an_old_token_is_told_so_in_short(alice, stored):
    answer = signed_in(alice, enforce_csrf_checks=True).post("/tiny/", {"text": "second"}, **AUTOSAVE, **OURS)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/json")
    assert stored.text == "first"


def test_an_autosave_answers_the_new_revision(alice, stored):
    answer = signed_in(alice).post("/tiny/", {"text": "second", "revision": "0"}, **AUTOSAVE)
    told = answer.json()
    assert (told["revision"], told["meter"], told["problems"]) == (1, 100, 0)
    assert re.fullmatch(r"\d\d:\d\d", told["saved_at"])


def test_an_autosave_over_another_windows_text_is_refused(alice, stored):
    answer = signed_in(alice).post("/tiny/", {"text": "second", "revision": "7"}, **AUTOSAVE)
    assert (answer.status_code, answer.json()) == (409, {"message": "Not saved: this was changed in another window."})


def test_the_answers_say_what_there_is_to_say():
    assert saved(3, at=NOW).content == b'{"revision": 3, "saved_at": "10:00"}'
    assert not_saved("Closed.").content == b'{"message": "Closed."}'


def test_what_is_invalid_is_named_as_left_out_and_what_is_empty_is_not():
    class Pool(forms.Form):
        hours = forms.IntegerField()
        runs = forms.IntegerField()
        title = forms.CharField()

    rows = forms.formset_factory(Pool, extra=0)
    written = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-hours": "7", "form-0-runs": "many"}
    form = Pool({"hours": "a few", "title": "x"})
    form.add_error(None, "As a whole.")
    assert left_out(form, rows(written), None) == ["hours", "form-0-runs"]


def test_the_browser_may_ask_who_is_signed_in(alice):
    assert reader().get("/me/session/").status_code == 401
    client = signed_in(alice)
    told = client.get("/me/session/").json()
    assert told["person"] == str(alice.pk)
    strict = signed_in(alice, enforce_csrf_checks=True)
    token = strict.get("/me/session/").json()["token"]
    assert strict.post("/tiny/short/", {"text": "x", "csrfmiddlewaretoken": token}).status_code == 302


# --- what was sent while signed out ------------------------------------------------------------------------------


def test_a_form_sent_while_signed_out_is_on_the_page_that_says_so(stored):
    sent = {"text": 'one "two" <three>', "many": ["a", "b"], "action": "submit", "csrfmiddlewaretoken": "old"}
    answer = reader().post("/tiny/short/?step=2", sent)
    html = answer.content.decode()
    assert answer.status_code == 401
    assert '<form method="post" action="/tiny/short/?step=2"' in html
    assert '<input type="hidden" name="text" value="one &quot;two&quot; &lt;three&gt;" />' in html
    assert html.count('name="many"') == 2
    assert 'value="old"' not in html
    assert 'href="/auth/login/?next=%2Fme%2Fsigned-in%2F" target="_blank"' in html
    assert stored.text == "first"


def test_a_password_is_never_written_into_a_page():
    assert "secret" not in reader().post("/tiny/short/", {"new_password": "secret"}).content.decode()


def test_what_is_too_long_for_a_page_is_not_promised(monkeypatch):
    monkeypatch.setattr(session, "MOST_CHARACTERS", 10)
    html = reader().post("/tiny/short/", {"text": "x" * 11}).content.decode()
    assert "too long for this page" in html
    assert "xxx" not in html


def test_a_form_with_a_token_from_before_signing_in_is_offered_again(alice, stored):
    client = signed_in(alice, enforce_csrf_checks=True)
    answer = client.post("/tiny/short/", {"text": "second", "csrfmiddlewaretoken": "x" * 64}, **OURS)
    html = answer.content.decode()
    assert answer.status_code == 403
    assert stored.text == "first"
    assert 'name="text" value="second"' in html
    token = re.search(r'action="/tiny/short/".*?name="csrfmiddlewaretoken" value="(\w+)"', html, re.DOTALL)
    assert token
    assert client.post("/tiny/short/", {"text": "second", "csrfmiddlewaretoken": token[1]}).status_code == 302
    assert stored.text == "second"


def test_a_form_of_our_own_without_any_cookie_is_carried_over_too(stored):
    answer = Client(enforce_csrf_checks=True).post("/tiny/short/", {"text": "second"}, **OURS)
    assert 'name="text" value="second"' in answer.content.decode()


@pytest.mark.parametrize(
    "sender",
    [
        {},
        {"HTTP_ORIGIN": "https://elsewhere.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_REFERER": "https://elsewhere.example/http://testserver/"},
        {"HTTP_ORIGIN": "https://elsewhere.example", "HTTP_REFERER": "http://testserver/tiny/short/"},
    ],
)
def test_another_sites_form_is_never_offered(alice, stored, sender):
    client = signed_in(alice, enforce_csrf_checks=True)
    answer = client.post("/tiny/short/", {"text": "forged"}, **sender)
    assert answer.status_code == 403
    assert "forged" not in answer.content.decode()
    assert "The page was out of date" in answer.content.decode()


def test_signing_in_itself_is_not_carried_over():
    answer = Client(enforce_csrf_checks=True).post("/auth/login/", {"login": "a@b.example", "password": "x"}, **OURS)
    assert (answer.status_code, "a@b.example" in answer.content.decode()) == (403, False)


def test_the_second_tab_ends_with_a_word(alice):
    assert reader().get("/me/signed-in/").headers["Location"] == "/auth/login/?next=/me/signed-in/"
    assert "Close this tab" in signed_in(alice).get("/me/signed-in/").content.decode()


# --- a link survives signing in ----------------------------------------------------------------------------------


def ask_for(client: Client, address: str) -> str:
    """The sign-in page that a deep link leads to."""
    answer = client.get(address)
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def form_value(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1].replace("&amp;", "&")


def code_in(message: Any) -> str:
    found = re.search(r"^    (\S+)$", message.body, re.MULTILINE)
    assert found
    return found[1]


@pytest.mark.parametrize("switch", [False, True])
def test_after_signing_in(alice, switch):
    client = reader()
    page = client.get(ask_for(client, DEEP)).content.decode()
    wanted = re.findall(r'name="next" value="([^"]*)"', page)
    if switch:
        back = next(address for address in wanted if address.startswith("/auth/login/"))
        answer = client.post("/language/", {"language": "ko", "next": back.replace("&amp;", "&")})
        page = client.get(answer.headers["Location"]).content.decode()
        wanted = re.findall(r'name="next" value="([^"]*)"', page)
    assert DEEP in wanted
    answer = client.post("/auth/login/", {"login": alice.email, "password": PASSWORD, "next": DEEP})
    assert answer.headers["Location"] == DEEP


@pytest.mark.parametrize("switch", [False, True])
def test_after_signing_up_with_a_code(db, switch):
    client = reader()
    page = client.get(ask_for(client, DEEP)).content.decode()
    signup = re.search(r'href="(/auth/signup/\?next=[^"]*)"', page)
    assert signup
    html = client.get(signup[1].replace("&amp;", "&")).content.decode()
    assert f'name="next" value="{DEEP}"' in html
    person = {"name_ko": "이새봄", "email": "new@postech.ac.kr", "password1": PASSWORD, "password2": PASSWORD}
    answer = client.post("/auth/signup/", person | {"next": DEEP})
    if switch:
        client.post("/language/", {"language": "ko", "next": answer.headers["Location"]})
    client.get(answer.headers["Location"])
    answer = client.post(answer.headers["Location"], {"code": code_in(mail.outbox[0])})
    assert answer.headers["Location"] == DEEP


def test_after_setting_a_new_password_in_another_browser(alice):
    client = reader()
    page = client.get(ask_for(client, DEEP)).content.decode()
    forgotten = re.search(r'href="(/auth/password/reset/\?next=[^"]*)"', page)
    assert forgotten
    html = client.get(forgotten[1].replace("&amp;", "&")).content.decode()
    wanted = re.findall(r'<input type="hidden" name="next" value="([^"]*)"', html)
    assert DEEP in wanted
    client.post("/auth/password/reset/", {"email": alice.email, "next": DEEP})
    phone = reader()
    answer = phone.get(code_in(mail.outbox[0]), follow=True)
    html = answer.content.decode()
    assert DEEP in re.findall(r'name="next" value="([^"]*)"', html)
    data = {"password1": "another-2026!", "password2": "another-2026!", "next": DEEP}
    assert phone.post(answer.request["PATH_INFO"], data).headers["Location"] == DEEP


def test_a_foreign_address_is_no_place_to_go_on_to(alice):
    client = reader()
    client.post("/auth/password/reset/", {"email": alice.email, "next": "https://elsewhere.example/"})
    assert "elsewhere" not in mail.outbox[0].body


# --- mails about signing in --------------------------------------------------------------------------------------


def test_codes_are_not_kept_after_they_were_sent(alice, settings):
    settings.DEMO = False
    reader().post("/auth/password/reset/", {"email": alice.email})
    row = Mail.objects.get()
    assert (row.kind, row.body, row.receiver, row.sent_at is None) == (MailKind.SIGN_IN, "", alice, False)
    assert "/auth/password/reset/key/" in mail.outbox[0].body


def test_the_demo_keeps_them_for_its_mailbox(alice, settings):
    settings.DEMO = True
    client = reader()
    client.post("/auth/password/reset/", {"email": alice.email})
    assert "/auth/password/reset/key/" in client.get("/demo/mailbox/").content.decode()
