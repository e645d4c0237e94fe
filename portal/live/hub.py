"""Which open pages of this process listen to which topic, and telling them.

News of a topic is told at once; what follows within PACE_SECONDS is told together at the end of that, so that however
much happens a page is told a bounded number of times, and the last thing that happened is never left out.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Protocol

PACE_SECONDS = 0.5
SPREAD_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class News:
    """That something happened under a topic; `event_id` is None for what is no Event."""

    topic: str
    action: str
    event_id: int | None

    def after(self, earlier: News | None) -> News:
        """The same, told in place of both: what depends on Events alone must still hear that there was one."""
        if earlier is None or self.event_id is not None:
            return self
        return replace(self, event_id=earlier.event_id)


class Listener(Protocol):
    def hear(self, news: News) -> None:
        """Called in the event loop: must neither wait nor raise."""


class Hub:
    """Of one event loop; holds no more than the topics that somebody listens to."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Listener]] = defaultdict(set)
        # Topics told less than PACE_SECONDS ago, each with what happened since.
        self._resting: dict[str, News | None] = {}

    def join(self, topic: str, listener: Listener) -> None:
        self._listeners[topic].add(listener)

    def leave(self, topic: str, listener: Listener) -> None:
        self._listeners[topic].discard(listener)
        if not self._listeners[topic]:
            del self._listeners[topic]

    def tell(self, news: News) -> None:
        if news.topic in self._resting:
            self._resting[news.topic] = news.after(self._resting[news.topic])
        elif news.topic in self._listeners:
            self._tell_now(news)

    def tell_all(self, action: str) -> None:
        """Every page, of each of its topics; over some seconds, since all of them will ask the server."""
        loop = asyncio.get_running_loop()
        topics = list(self._listeners)
        for place, topic in enumerate(topics):
            loop.call_later(SPREAD_SECONDS * place / len(topics), self.tell, News(topic, action, None))

    def _tell_now(self, news: News) -> None:
        for listener in self._listeners.get(news.topic, ()):
            listener.hear(news)
        self._resting[news.topic] = None
        asyncio.get_running_loop().call_later(PACE_SECONDS, self._rested, news.topic)

    def _rested(self, topic: str) -> None:
        if news := self._resting.pop(topic):
            self._tell_now(news)
