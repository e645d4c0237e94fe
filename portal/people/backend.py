"""Who is signed in, as every page reads them: the person with institution and roles, in one query."""

from __future__ import annotations

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, QuerySet

from portal.people.models import RoleAssignment, User
from portal.people.permissions import Role
from portal.prepared import Prepared


def _person(key: int) -> QuerySet[User, Any]:
    roles = RoleAssignment.objects.filter(user=OuterRef("pk")).order_by().values("role")
    return User.objects.filter(pk=key).select_related("institution").annotate(role_names=ArraySubquery(roles))


PERSON = Prepared(_person, -1)


class PortalBackend(AuthenticationBackend):
    def get_user(self, user_id: Any) -> User | None:
        user = next(iter(PERSON(user_id)), None)
        if user is None or not self.user_can_authenticate(user):
            return None
        user.roles = {Role(name) for name in user.role_names}
        return user
