"""Who is signed in is asked anew at each request: what changed meanwhile holds at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from portal.people.backend import PortalBackend
from portal.people.models import RoleAssignment, User
from portal.people.permissions import Role
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PASSWORD = "gpu-hours-2026!"


@pytest.fixture
def kim() -> User:
    return UserFactory(roles=["operator", "reviewer"], password=PASSWORD)


def opens(client: Client, page: str) -> int:
    return client.get(reverse(page)).status_code


def test_the_person_comes_with_roles_and_institution_in_one_query(kim: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        found = PortalBackend().get_user(kim.pk)
        assert found == kim
        assert found.roles == {Role.OPERATOR, Role.REVIEWER}
        assert found.institution == kim.institution


def test_who_left_or_is_not_there_is_nobody(client: Client, kim: User) -> None:
    client.force_login(kim)
    assert opens(client, "profile") == 200
    User.objects.update(is_active=False)
    assert opens(client, "profile") == 302
    assert PortalBackend().get_user(kim.pk) is None
    assert PortalBackend().get_user(0) is None


def test_a_role_given_or_taken_holds_from_the_next_request_on(client: Client, kim: User) -> None:
    client.force_login(kim)
    assert opens(client, "operations") == 200
    RoleAssignment.objects.all().delete()
    assert opens(client, "operations") == 403
    RoleAssignment.objects.create(user=kim, role=Role.OPERATOR)
    assert opens(client, "operations") == 200


def test_a_changed_password_ends_the_sessions_elsewhere(kim: User) -> None:
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        browser.post(reverse("account_login"), {"login": kim.email, "password": PASSWORD})
        assert opens(browser, "profile") == 200
    new = {"oldpassword": PASSWORD, "password1": "other-hours-2027!", "password2": "other-hours-2027!"}
    assert here.post(reverse("account_change_password"), new).status_code == 302
    assert opens(here, "profile") == 200
    assert opens(elsewhere, "profile") == 302
