"""Signing up by a code sent to the address, in the words of the portal."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.people.models import User
from tests.factories import InstitutionDomainFactory, UserFactory

pytestmark = pytest.mark.django_db

ALICE = {
    "name_ko": "이앨리스",
    "name_en": "Alice Lee",
    "email": "alice@postech.ac.kr",
    "password1": "gpu-hours-2026!",
    "password2": "gpu-hours-2026!",
}


@pytest.fixture(autouse=True)
def no_earlier_tries() -> None:
    """Allauth counts tries per address in the cache, which outlives a test."""
    cache.clear()


@pytest.fixture
def reader() -> Client:
    client = Client()
    client.cookies["django_language"] = "en"
    return client


def test_the_code_from_the_mail_opens_the_portal(reader: Client) -> None:
    domain = InstitutionDomainFactory(domain="postech.ac.kr")
    reader.post("/auth/signup/", ALICE)
    (message,) = mail.outbox
    code = re.search(r"^    (\S+)$", message.body, re.MULTILINE)
    assert code
    assert message.subject == f"Your code for the allocation portal: {code[1]}"
    reader.post("/auth/confirm-email/", {"code": code[1]})
    alice = User.objects.get(email="alice@postech.ac.kr")
    assert alice.institution == domain.institution
    assert reader.get("/projects/").status_code == 200


def test_a_wrong_code_is_said_beside_its_field(reader: Client) -> None:
    reader.post("/auth/signup/", ALICE)
    html = reader.post("/auth/confirm-email/", {"code": "WRONG"}).content.decode()
    assert '<a href="#id_code">' in html
    assert 'aria-describedby="id_code_error"' in html


def test_a_forgotten_password_is_set_anew_by_a_link(reader: Client) -> None:
    reader.post("/auth/signup/", ALICE)
    mail.outbox.clear()
    Client().post("/auth/password/reset/", {"email": ALICE["email"]})
    (message,) = mail.outbox
    link = re.search(r"http://testserver(/\S+)", message.body)
    assert link
    assert reader.get(link[1], follow=True).status_code == 200


@pytest.mark.parametrize(
    ("address", "data"),
    [("/auth/signup/", ALICE), ("/auth/password/reset/", {"email": "nobody@postech.ac.kr"})],
)
def test_who_tries_an_address_does_not_learn_whether_it_is_signed_up(
    reader: Client, address: str, data: dict[str, str]
) -> None:
    UserFactory(email=ALICE["email"], password=ALICE["password1"])
    assert reader.post(address, data).status_code == 302
    assert len(mail.outbox) == 1
