"""Every page stands in one frame, in the reader's language, without anything the security policy forbids."""

from __future__ import annotations

import re

import pytest
from django.test import Client, override_settings

from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.urls")]

OPEN_PAGES = [
    "/",
    "/components/",
    "/auth/login/",
    "/auth/signup/",
    "/auth/password/reset/",
    "/auth/password/reset/done/",
    "/forbidden/",
    "/nowhere/",
    "/broken/",
]
OWN_PAGES = ["/", "/auth/email/", "/auth/password/change/", "/auth/2fa/", "/auth/logout/", "/auth/reauthenticate/"]


@pytest.fixture
def reader() -> Client:
    return Client(raise_request_exception=False)


def signed_in(client: Client, *roles: str) -> Client:
    client.force_login(UserFactory(roles=list(roles)))
    return client


def assert_framed(html: str) -> None:
    assert html.count("<h1") == 1
    assert html.count("<main") == 1
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
    scripts = re.findall(r"<script([^>]*)>", html)
    assert all("src=" in script or "application/json" in script for script in scripts)


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("address", OPEN_PAGES)
def test_an_open_page_is_framed(reader: Client, address: str, language: str) -> None:
    reader.cookies["django_language"] = language
    html = reader.get(address).content.decode()
    assert_framed(html)
    if address != "/broken/":
        assert f'<html lang="{language}">' in html


@pytest.mark.parametrize("address", OWN_PAGES)
def test_a_page_of_ones_own_is_framed(reader: Client, address: str) -> None:
    assert_framed(signed_in(reader).get(address, follow=True).content.decode())


def test_a_failure_is_told_in_both_languages_without_asking_the_database(reader: Client) -> None:
    answer = reader.get("/broken/")
    assert answer.status_code == 500
    assert "처리 중 오류가 발생했습니다" in answer.content.decode()
    assert "Something went wrong" in answer.content.decode()


def test_an_outdated_page_is_explained(reader: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies["django_language"] = "en"
    answer = strict.post("/auth/login/", {"login": "a@example.org", "password": "x"})
    assert answer.status_code == 403
    assert "The page was out of date" in answer.content.decode()


@pytest.mark.parametrize(
    ("roles", "present", "absent"),
    [
        ([], ["/applications/", "/projects/"], ["/reviews/", "/panel/", "/center/", "/operations/"]),
        (["reviewer"], ["/reviews/"], ["/panel/", "/operations/"]),
        (["decider"], ["/panel/", "/center/"], ["/reviews/", "/operations/"]),
        (["operator"], ["/operations/", "/center/"], ["/reviews/", "/panel/"]),
        (["observer"], ["/center/"], ["/reviews/", "/panel/", "/operations/"]),
    ],
)
def test_navigation_shows_what_one_may_see(
    reader: Client, roles: list[str], present: list[str], absent: list[str]
) -> None:
    html = signed_in(reader, *roles).get("/auth/logout/").content.decode()
    navigation = re.findall(r'<nav class="site-nav.*?</nav>', html, re.DOTALL)[0]
    assert all(f'href="{address}"' in navigation for address in present)
    assert not any(f'href="{address}"' in navigation for address in absent)


def test_without_signing_in_one_sees_home_and_calls(reader: Client) -> None:
    navigation = re.findall(r'<nav class="site-nav.*?</nav>', reader.get("/").content.decode(), re.DOTALL)[0]
    assert re.findall(r'href="([^"]*)"', navigation) == ["/", "/calls/"]


@pytest.mark.parametrize("demo", [True, False])
def test_the_demo_says_so_and_nobody_else_does(reader: Client, demo: bool) -> None:
    with override_settings(DEMO=demo):
        assert ("demo-line" in reader.get("/auth/login/").content.decode()) is demo


def test_changing_the_language_leads_back_to_the_page(reader: Client) -> None:
    html = reader.get("/nowhere/?page=2").content.decode()
    assert '<input type="hidden" name="next" value="/nowhere/?page=2" />' in html
    answer = reader.post("/language/", {"language": "en", "next": "/nowhere/?page=2"})
    assert answer.headers["Location"] == "/nowhere/?page=2"
    assert '<html lang="en">' in reader.get("/").content.decode()


def test_the_display_follows_the_system_until_somebody_chooses_with_or_without_an_account(reader: Client) -> None:
    page = reader.get("/auth/login/").content.decode()
    assert '<meta name="color-scheme" content="light dark" />' in page
    assert 'media="screen and (prefers-color-scheme: dark)"' in page
    answer = reader.post("/theme/", {"theme": "dark", "next": "/calls/?page=2"})
    assert answer.headers["Location"] == "/calls/?page=2"
    page = reader.get("/auth/login/").content.decode()
    assert '<meta name="color-scheme" content="dark" />' in page
    assert 'media="screen"' in page
    reader.post("/theme/", {"theme": "light"})
    assert 'id="dark"' not in reader.get("/auth/login/").content.decode()
    reader.post("/theme/", {"theme": ""})
    assert 'content="light dark"' in reader.get("/auth/login/").content.decode()


def test_a_choice_of_display_leads_nowhere_else(reader: Client) -> None:
    answer = reader.post("/theme/", {"theme": "no such", "next": "https://elsewhere.example/"})
    assert answer.headers["Location"] == "/"
    assert reader.get("/theme/").status_code == 405


def test_pages_are_compressed(reader: Client) -> None:
    answer = reader.get("/auth/login/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(answer.content) < 6_000
