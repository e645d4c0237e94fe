"""Every page of the operators, by everybody: who is no operator neither sees it nor does anything there."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from portal.operations.urls import urlpatterns
from portal.people.permissions import Role
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ADDRESSES = [
    reverse(str(pattern.name), kwargs={name: "vision" if name == "name" else 1 for name in pattern.pattern.converters})
    for pattern in urlpatterns
]
OTHERS = [[], *([role] for role in Role if role != Role.OPERATOR)]


@pytest.mark.parametrize("roles", OTHERS)
def test_who_is_no_operator_is_turned_away_everywhere(roles: list[str]) -> None:
    client = Client()
    client.force_login(UserFactory(roles=roles))
    for address in ADDRESSES:
        assert (address, client.get(address).status_code) == (address, 403)
        assert (address, client.post(address, {"reason": "x"}).status_code) == (address, 403)


def test_who_is_not_signed_in_is_asked_to() -> None:
    client = Client()
    for address in ADDRESSES:
        assert (address, client.get(address).status_code) == (address, 302)
