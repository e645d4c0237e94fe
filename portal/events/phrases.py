"""Action code -> sentence. Sentences are translated when they are read, so a log written in Korean reads in English.

Each app registers its own at start:  register({"grant.suspended": _("The grant was suspended: %(reason)s")})
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_phrases: dict[str, str | Promise] = {
    "person.joined": _("Signed up"),
    "institution.registered": _("Institution %(name)s registered, to be confirmed"),
    "institution.confirmed": _("Institution %(name)s confirmed"),
}


def register(phrases: Mapping[str, str | Promise]) -> None:
    _phrases.update(phrases)


def is_registered(action: str) -> bool:
    return action in _phrases


def registered() -> dict[str, str | Promise]:
    return dict(_phrases)


def phrase(action: str, data: Mapping[str, Any]) -> str:
    """The sentence for an action with its values filled in; a missing value shows as a dash, never as an error."""
    return str(_phrases.get(action, action)) % defaultdict(lambda: "–", data)
