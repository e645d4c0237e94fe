"""However much happens under a topic, its pages are told a bounded number of times, and of the last of it."""

import asyncio

import pytest

from portal.live import hub as hubs
from portal.live.hub import Hub, News


class Page:
    def __init__(self):
        self.heard, self.events = [], []

    def hear(self, news):
        self.heard.append((news.topic, news.action))
        self.events.append(news.event_id)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(hubs, "PACE_SECONDS", 0.05)
    monkeypatch.setattr(hubs, "SPREAD_SECONDS", 0.05)


def told(hub, *actions, topic="project:p26001"):
    for action in actions:
        hub.tell(News(topic, action, None))


def test_the_first_news_is_told_at_once_and_the_last_at_the_end_of_the_pace():
    async def scenario():
        hub, page = Hub(), Page()
        hub.join("project:p26001", page)
        told(hub, *[f"n{number}" for number in range(1000)])
        assert page.heard == [("project:p26001", "n0")]
        await asyncio.sleep(0.08)
        assert page.heard == [("project:p26001", "n0"), ("project:p26001", "n999")]
        await asyncio.sleep(0.08)
        told(hub, "again")
        assert page.heard[2:] == [("project:p26001", "again")]

    asyncio.run(scenario())


def test_an_event_is_told_though_a_notice_came_after_it():
    async def scenario():
        hub, page = Hub(), Page()
        hub.join("project:p26001", page)
        for event_id in (None, 7, None):
            hub.tell(News("project:p26001", "n", event_id))
        await asyncio.sleep(0.08)
        assert page.events == [None, 7]

    asyncio.run(scenario())


def test_a_topic_does_not_wait_for_another_and_nobody_hears_what_is_not_theirs():
    async def scenario():
        hub, mine, other = Hub(), Page(), Page()
        hub.join("project:p26001", mine)
        hub.join("project:p26002", other)
        told(hub, "a")
        told(hub, "b", topic="project:p26002")
        told(hub, "c", topic="project:p26003")
        assert mine.heard == [("project:p26001", "a")]
        assert other.heard == [("project:p26002", "b")]

    asyncio.run(scenario())


def test_who_left_hears_nothing_more_and_nothing_is_kept_of_a_topic_without_pages():
    async def scenario():
        hub, page = Hub(), Page()
        hub.join("project:p26001", page)
        told(hub, "a", "b")
        hub.leave("project:p26001", page)
        await asyncio.sleep(0.12)
        assert page.heard == [("project:p26001", "a")]
        assert not hub._listeners
        assert not hub._resting

    asyncio.run(scenario())


def test_all_pages_are_told_over_some_time_after_nothing_could_be_heard():
    async def scenario():
        hub, pages = Hub(), [Page() for _ in range(10)]
        for number, page in enumerate(pages):
            hub.join(f"person:{number}", page)
        hub.tell_all("reconnected")
        await asyncio.sleep(0.01)
        assert sum(len(page.heard) for page in pages) < 10
        await asyncio.sleep(0.1)
        assert [len(page.heard) for page in pages] == [1] * 10

    asyncio.run(scenario())
