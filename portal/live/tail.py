"""The tail of the Event log: one LISTEN connection per web process, fanned out to its browsers' groups.

Whoever hears of an Event is told its topic and action only, never its content; the page then asks for what changed
through its ordinary, authorised view.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import Any

import psycopg2
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import connection

from portal.events.models import CHANNEL, Event

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
# Two transactions may commit in the other order of their ids; reading a little behind the newest finds the late one.
OVERLAP = 50
# A page is told that it is heard only when the tail listens; without a database it need not wait for ever.
READY_SECONDS = 5.0
_tails: dict[asyncio.AbstractEventLoop, EventTail] = {}


def group_name(topic: str) -> str:
    """Channel group of a topic: group names allow no colon."""
    return "live." + topic.replace(":", ".")


async def ensure_running() -> None:
    """Start this event loop's tail, once, and return when it listens."""
    loop = asyncio.get_running_loop()
    tail = _tails.get(loop)
    if tail is None or tail.task.done():
        tail = _tails[loop] = EventTail(loop)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(tail.listening.wait(), READY_SECONDS)


class EventTail:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.last_seen = 0
        self.delivered: set[int] = set()
        self.listening = asyncio.Event()
        self.task = loop.create_task(self.follow())

    async def follow(self) -> None:
        """Listen for ever; after a lost connection catch up on what was written meanwhile."""
        await self._fresh_events()  # what was there before anybody listened is nobody's news
        while True:
            listener = None
            try:
                listener = await asyncio.to_thread(_listen)
                self.listening.set()
                await self._deliver([])
                while True:
                    await self._deliver(await _notified(listener))
            except (psycopg2.Error, OSError) as error:
                log.warning("The event tail lost its database connection (%s); trying again.", error)
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self.listening.clear()
                if listener is not None:
                    with contextlib.suppress(psycopg2.Error):
                        listener.close()

    async def _deliver(self, payloads: list[str]) -> None:
        notices = [json.loads(payload) for payload in payloads]
        for notice in notices:
            if "topics" in notice:
                await _send(notice["topics"], notice["action"], None)
        for event_id, action, topics in await self._fresh_events():
            await _send(topics, action, event_id)

    @database_sync_to_async
    def _fresh_events(self) -> list[tuple[int, str, list[str]]]:
        if not self.last_seen:
            self.last_seen = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        events = Event.objects.filter(pk__gt=self.last_seen - OVERLAP).order_by("pk")
        rows = list(events.values_list("pk", "action", "topics"))
        fresh = [row for row in rows if row[0] not in self.delivered]
        self.delivered = {row[0] for row in rows}
        self.last_seen = max([self.last_seen, *self.delivered])
        return fresh


async def _send(topics: list[str], action: str, event_id: int | None) -> None:
    layer = get_channel_layer()
    for topic in topics:
        message = {"type": "live.event", "id": event_id, "topic": topic, "action": action}
        await layer.group_send(group_name(topic), message)


def _listen() -> Any:
    """A connection of its own, outside Django's: it waits in LISTEN and must never be in a transaction."""
    parameters = connection.get_connection_params()
    for key in ("cursor_factory", "context"):
        parameters.pop(key, None)
    listener = psycopg2.connect(**parameters)
    listener.autocommit = True
    with listener.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    return listener


async def _notified(listener: Any) -> list[str]:
    """The payloads of the next notifications. Raises psycopg2.Error when the connection is lost."""
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(listener.fileno(), _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(listener.fileno())
    listener.poll()
    payloads = [notification.payload for notification in listener.notifies]
    listener.notifies.clear()
    return payloads


def _resolve(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
