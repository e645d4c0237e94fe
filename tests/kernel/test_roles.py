"""Roles carry permissions from one vocabulary, readable in both directions."""

import pytest

from portal.people.models import RoleAssignment, User
from portal.people.permissions import ROLE_PERMISSIONS, Permission, Role

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_a_person_can_what_their_role_carries_and_nothing_else(role, permission):
    user = User.objects.create_user("a@example.org", name_ko="가")
    RoleAssignment.objects.create(user=user, role=role)
    expected = permission in ROLE_PERMISSIONS[role]
    assert user.can(permission) is expected
    assert (user in User.objects.who_can(permission)) is expected


def test_somebody_without_a_role_can_nothing():
    user = User.objects.create_user("a@example.org", name_ko="가")
    assert not any(user.can(permission) for permission in Permission)


def test_a_person_who_left_can_nothing():
    user = User.objects.create_user("a@example.org", name_ko="가", is_active=False)
    RoleAssignment.objects.create(user=user, role=Role.OPERATOR)
    assert not user.can(Permission.OPERATIONS_VIEW)
    assert user not in User.objects.who_can(Permission.OPERATIONS_VIEW)
