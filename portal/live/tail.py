"""The tail of the Event log: one LISTEN connection per web process, whose news go to the open pages of its hub.

Whoever hears of an Event is told its topic and action only, never its content; the page then asks for what changed
through its ordinary, authorised view.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Sequence
from typing import Any

import psycopg2
from django.db import connection

from portal.events.models import CHANNEL
from portal.live.hub import Hub, News

log = logging.getLogger(__name__)
RETRY_SECONDS = 1.0
# Events that come quicker than this are read together.
GATHER_SECONDS = 0.02
# A page is told that it is heard only when the tail listens; without a database it need not wait for ever.
READY_SECONDS = 5.0
EVENTS = "SELECT id, action, topics FROM events_event WHERE id = ANY(%s) ORDER BY id"
_tails: dict[asyncio.AbstractEventLoop, EventTail] = {}


async def running_hub() -> Hub:
    """This event loop's hub, whose tail is started once; returns when it listens."""
    loop = asyncio.get_running_loop()
    tail = _tails.get(loop)
    if tail is None or tail.task.done():
        tail = _tails[loop] = EventTail(loop, tail.hub if tail else Hub())
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(tail.listening.wait(), READY_SECONDS)
    return tail.hub


class EventTail:
    def __init__(self, loop: asyncio.AbstractEventLoop, hub: Hub) -> None:
        self.hub = hub
        self.listening = asyncio.Event()
        self.task = loop.create_task(self.follow())

    async def follow(self) -> None:
        """Listen for ever. What was said while the connection was lost nobody heard: then every page looks again."""
        lost = False
        while True:
            listener = None
            try:
                listener = await asyncio.to_thread(_listen)
                self.listening.set()
                if lost:
                    self.hub.tell_all("reconnected")
                while True:
                    payloads = await _notified(listener)
                    await self._deliver(listener, [json.loads(payload) for payload in payloads])
            except (psycopg2.Error, OSError) as error:
                log.warning("The event tail lost its database connection (%s); trying again.", error)
                lost = True
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                self.listening.clear()
                if listener is not None:
                    with contextlib.suppress(psycopg2.Error):
                        listener.close()

    async def _deliver(self, listener: Any, notices: Sequence[dict[str, Any]]) -> None:
        """What one transaction did, and whatever came along with it, is one piece of news for a topic."""
        news = {topic: News(topic, row["action"], None) for row in notices for topic in row.get("topics", ())}
        if ids := [row["event"] for row in notices if "event" in row]:
            for event_id, action, topics in await asyncio.to_thread(_read_events, listener, ids):
                news |= {topic: News(topic, action, event_id) for topic in topics}
        for one in news.values():
            self.hub.tell(one)


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


def _read_events(listener: Any, ids: Sequence[int]) -> list[tuple[int, str, list[str]]]:
    """Over the same connection: one of Django's would be opened and closed for it each time."""
    with listener.cursor() as cursor:
        cursor.execute(EVENTS, [ids])
        rows: list[tuple[int, str, list[str]]] = cursor.fetchall()
    return rows


async def _notified(listener: Any) -> list[str]:
    """The payloads of the next notifications. Raises psycopg2.Error when the connection is lost."""
    # Some may have come along with the answer to a query.
    if not listener.notifies:
        await _readable(listener)
        await asyncio.sleep(GATHER_SECONDS)
        listener.poll()
    payloads = [notification.payload for notification in listener.notifies]
    listener.notifies.clear()
    return payloads


async def _readable(listener: Any) -> None:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(listener.fileno(), _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(listener.fileno())


def _resolve(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
