"""The WebSocket at /live/: a page names its topics, and hears when something happened under them."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from portal.live import tail
from portal.live.topics import may_listen

MOST_TOPICS = 20


class LiveConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        wanted = parse_qs(self.scope["query_string"].decode()).get("topic", [])[:MOST_TOPICS]
        user = self.scope["user"]
        self.topics = [topic for topic in wanted if await database_sync_to_async(may_listen)(user, topic)]
        if not self.topics:
            await self.close(code=4403)
            return
        for topic in self.topics:
            await self.channel_layer.group_add(tail.group_name(topic), self.channel_name)
        await tail.ensure_running()
        await self.accept()
        await self.send_json({"listening": self.topics})

    async def disconnect(self, code: int) -> None:
        for topic in getattr(self, "topics", []):
            await self.channel_layer.group_discard(tail.group_name(topic), self.channel_name)

    async def live_event(self, message: dict[str, Any]) -> None:
        await self.send_json({"topic": message["topic"], "action": message["action"], "event": message["id"]})
