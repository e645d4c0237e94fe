"""Who may listen to which topic. Apps register a check per kind of topic ("project", "application", …)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from portal.people.models import User
from portal.people.permissions import Permission

Check = Callable[[User, str], bool]

_checks: dict[str, Check] = {
    "person": lambda user, key: str(user.pk) == key,
    "operations": lambda user, key: user.can(Permission.OPERATIONS_VIEW),
}


def register(kind: str, check: Check) -> None:
    _checks[kind] = check


def may_listen(user: User, topic: str) -> bool:
    """Whether the person may hear that something changed under the topic."""
    kind, _, key = topic.partition(":")
    check = _checks.get(kind)
    return bool(user.is_authenticated and check and check(user, key))


def may_listen_to(user: User, topics: Iterable[str]) -> list[str]:
    """Those of the topics that the person may hear of, each once."""
    return [topic for topic in dict.fromkeys(topics) if may_listen(user, topic)]
