"""record(): the only writer of the Event log."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db import connection, models

from portal.events.models import CHANNEL, Event
from portal.events.phrases import is_registered


def record(
    action: str,
    *,
    target: models.Model,
    by: Any | None,
    at: datetime,
    topics: tuple[str, ...] = (),
    **data: Any,
) -> Event:
    """Write an Event in the caller's transaction and wake every listening process at its commit.

    Topics are the target's own (`event_topics()`, where it has them) and those given. `data` holds JSON values
    that the action's phrase names. Raises ValueError for an action without a phrase.
    """
    if not is_registered(action):
        raise ValueError(f"The action {action!r} has no phrase; add it to the app's phrases.py.")
    own = target.event_topics() if hasattr(target, "event_topics") else []
    event = Event.objects.create(
        at=at,
        by=by,
        action=action,
        target_kind=target._meta.model_name or "",
        target_id=str(target.pk),
        data=data,
        topics=sorted({*own, *topics}),
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, json.dumps({"event": event.pk})])
    return event
