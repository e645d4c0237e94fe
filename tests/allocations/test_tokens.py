"""A person's access tokens: made once, shown once, listed, revoked; nobody else's business."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from allocations.services import Refused
from allocations.services.tokens import MOST_TOKENS, token_create, token_revoke
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.people.models import AccessToken
from portal.people.tokens import token_of
from portal.post.models import Mail
from tests.factories import NOW, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def alice():
    return UserFactory(name_en="Alice Kim", language="en")


def make(by, name="login node", days=90, at=NOW):
    return token_create(name=name, days=days, by=by, at=at)


def test_the_secret_is_shown_once_and_kept_nowhere(client, alice, django_capture_on_commit_callbacks):
    client.force_login(alice)
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("tokens"), {"name": "login node", "days": "90"})
    [secret] = set(re.findall(r"gpuh_[\w-]{43}", answer.content.decode()))
    assert "no-store" in answer["Cache-Control"]
    token = AccessToken.objects.get()
    assert secret not in str(vars(token)) and token.beginning == secret[:9]
    page = client.get(reverse("tokens")).content.decode()
    assert secret not in page and token.beginning in page and "never" in page
    assert Event.objects.get().sentence == "Access token login node made"
    [mail] = Mail.objects.all()
    assert (mail.kind, mail.to, mail.daily) == ("sign_in", alice.email, False)
    assert token_of(secret, NOW) == token


def test_the_page_sent_again_makes_no_second_token(client, alice):
    client.force_login(alice)
    sent = {"name": "login node", "days": "90"}
    client.post(reverse("tokens"), sent)
    again = client.post(reverse("tokens"), sent).content.decode()
    assert "You have a valid token of this name." in again and "gpuh_" in again
    assert AccessToken.objects.count() == 1
    assert "This field is required" in client.post(reverse("tokens"), {"name": "", "days": "90"}).content.decode()


def test_a_token_opens_until_it_is_revoked_expires_or_its_person_goes(alice):
    token, secret = make(alice, days=30)
    assert token_of(secret, NOW) == token
    assert token_of(secret[:-1], NOW) is None and token_of("", NOW) is None
    assert token_of(secret, NOW + timedelta(days=30)) is None
    alice.is_active = False
    alice.save()
    assert token_of(secret, NOW) is None
    alice.is_active = True
    alice.save()
    token_revoke(token=token, by=alice, at=NOW)
    assert token_of(secret, NOW) is None
    with pytest.raises(LostRace):
        token_revoke(token=token, by=alice, at=NOW)


def test_its_use_is_noted_to_the_hour(alice, django_assert_num_queries):
    _, secret = make(alice)
    token_of(secret, NOW)
    with django_assert_num_queries(2):
        token_of(secret, NOW + timedelta(minutes=59))
    assert AccessToken.objects.get().last_used_at == NOW
    token_of(secret, NOW + timedelta(minutes=60))
    assert AccessToken.objects.get().last_used_at == NOW + timedelta(minutes=60)


def test_rules_of_tokens(alice):
    token, _ = make(alice, days=1)
    with pytest.raises(Refused, match="this name"):
        make(alice)
    with pytest.raises(Refused, match="a year"):
        make(alice, name="other", days=366)
    later = NOW + timedelta(days=2)
    make(alice, at=later)  # the name is free again
    token_revoke(token=AccessToken.objects.valid(later).get(), by=alice, at=later)
    for number in range(MOST_TOKENS):
        make(alice, name=f"script {number}")
    with pytest.raises(Refused, match="10 valid tokens"):
        make(alice, name="one more")
    with pytest.raises(Refused, match="not yours"):
        token_revoke(token=token, by=UserFactory(), at=NOW)


def test_revoking_asks_before_and_is_for_the_owner_alone(client, alice):
    token, _ = make(alice)
    address = reverse("token_revoke", args=[token.pk])
    for page in (reverse("tokens"), address):
        assert client.get(page)["Location"].startswith(reverse("account_login"))
    client.force_login(UserFactory(roles=["operator"]))
    assert client.get(address).status_code == client.post(address).status_code == 404
    assert token.beginning not in client.get(reverse("tokens")).content.decode()
    client.force_login(alice)
    assert "Revoke the token login node?" in client.get(address).content.decode()
    assert AccessToken.objects.valid(NOW).exists()
    page = client.post(address, follow=True).content.decode()
    assert "The token login node is revoked" in page and "No longer valid" in page
    assert not AccessToken.objects.valid(NOW).exists()
    assert client.post(address).status_code == 404
