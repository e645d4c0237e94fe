"""The WebSocket at /live/: a page names its topics, and hears when something happened under them."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from portal.live import tail
from portal.live.hub import News
from portal.live.topics import may_listen_to

MOST_TOPICS = 20
# Whoever may not hear any more is not told for longer than this: the page connects again, and is asked again.
LASTS_SECONDS = 3600


class LiveConsumer(AsyncJsonWebsocketConsumer):
    """What a slow browser has not taken yet is kept once for each topic, not once for each time it changed."""

    topics: list[str] = []
    telling: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        wanted = parse_qs(self.scope["query_string"].decode()).get("topic", [])[:MOST_TOPICS]
        topics = await database_sync_to_async(may_listen_to)(self.scope["user"], wanted)
        if not topics:
            await self.close(code=4403)
            return
        self.untold: dict[str, News] = {}
        self.some_untold = asyncio.Event()
        self.hub = await tail.running_hub()
        self.topics = topics
        for topic in topics:
            self.hub.join(topic, self)
        await self.accept()
        await self.send_json({"listening": topics})
        self.telling = asyncio.create_task(self._tell())

    async def disconnect(self, code: int) -> None:
        for topic in self.topics:
            self.hub.leave(topic, self)
        if self.telling:
            self.telling.cancel()

    def hear(self, news: News) -> None:
        self.untold[news.topic] = news.after(self.untold.get(news.topic))
        self.some_untold.set()

    async def _tell(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LASTS_SECONDS):
                await self._tell_on()
        await self.close()

    async def _tell_on(self) -> None:
        while True:
            await self.some_untold.wait()
            self.some_untold.clear()
            untold, self.untold = self.untold, {}
            for news in untold.values():
                await self.send_json({"topic": news.topic, "action": news.action, "event": news.event_id})
