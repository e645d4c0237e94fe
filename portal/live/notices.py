"""Passing news for open pages that is no Event, such as refreshed figures. Nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable

from django.db import connection

from portal.events.models import CHANNEL

# A NOTIFY payload holds 8,000 bytes; a topic at most 60 characters.
TOPICS_A_NOTICE = 100


def announce(topics: Iterable[str], action: str) -> None:
    """Tell every open page that listens to one of the topics; heard at the commit of the caller's transaction."""
    every = sorted(set(topics))
    with connection.cursor() as cursor:
        for start in range(0, len(every), TOPICS_A_NOTICE):
            payload = json.dumps({"topics": every[start : start + TOPICS_A_NOTICE], "action": action})
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])
