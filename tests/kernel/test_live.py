"""An Event reaches every open page that listens to one of its topics, and nobody else's."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.db import connection, connections, transaction
from django.utils import timezone

from portal.events.services import record
from portal.live import consumers, hub, tail, topics
from portal.live.consumers import LiveConsumer
from portal.live.notices import announce
from portal.people.models import RoleAssignment, User
from portal.people.permissions import Role

pytestmark = pytest.mark.django_db(transaction=True)


def open_page(user, *wanted):
    query = "&".join(f"topic={topic}" for topic in wanted)
    communicator = WebsocketCommunicator(LiveConsumer.as_asgi(), f"/live/?{query}")
    communicator.scope["user"] = user
    return communicator


async def stop_tail():
    running = tail._tails.pop(asyncio.get_running_loop(), None)
    if running:
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)
    await database_sync_to_async(connections.close_all)()


def run(scenario):
    async def whole():
        try:
            await scenario()
        finally:
            await stop_tail()

    asyncio.run(whole())


def test_an_event_and_a_notice_reach_the_page_that_listens():
    user = User.objects.create_user("kim@example.org", name_ko="김")

    async def scenario():
        page = open_page(user, f"person:{user.pk}")
        assert (await page.connect())[0]
        assert (await page.receive_json_from())["listening"] == [f"person:{user.pk}"]
        event = await database_sync_to_async(record)(
            "project.created", target=user, by=user, at=timezone.now(), topics=(f"person:{user.pk}",), code="p26001"
        )
        heard = await page.receive_json_from(timeout=10)
        assert heard == {"topic": f"person:{user.pk}", "action": "project.created", "event": event.pk}
        await database_sync_to_async(announce)([f"person:{user.pk}", "person:0"], "usage.refreshed")
        assert (await page.receive_json_from(timeout=10))["action"] == "usage.refreshed"
        assert await page.receive_nothing(timeout=0.2)
        await page.disconnect()

    run(scenario)


def test_a_topic_that_is_not_ones_own_is_refused():
    kim = User.objects.create_user("kim@example.org", name_ko="김")

    async def scenario():
        wanted = [(kim, "operations"), (kim, "person:0"), (kim, "project:p26001"), (AnonymousUser(), "person:1")]
        for user, topic in wanted:
            page = open_page(user, topic)
            connected, code = await page.connect()
            assert (connected, code) == (False, 4403), topic

    run(scenario)


def test_a_connection_ends_in_time_so_that_its_rights_are_asked_for_anew(monkeypatch):
    user = User.objects.create_user("kim@example.org", name_ko="김")
    monkeypatch.setattr(consumers, "LASTS_SECONDS", 0.1)

    async def scenario():
        page = open_page(user, f"person:{user.pk}")
        assert (await page.connect())[0]
        assert (await page.receive_json_from())["listening"]
        assert (await page.receive_output(timeout=10))["type"] == "websocket.close"

    run(scenario)


def test_an_operator_may_hear_of_operations():
    user = User.objects.create_user("op@example.org", name_ko="오")
    RoleAssignment.objects.create(user=user, role=Role.OPERATOR)
    assert topics.may_listen(user, "operations")
    assert not topics.may_listen(user, "nonsense")


def test_what_one_transaction_did_is_told_once_for_each_topic():
    user = User.objects.create_user("kim@example.org", name_ko="김")

    @database_sync_to_async
    def act():
        with transaction.atomic():
            for code in ("p26001", "p26002", "p26003"):
                record("project.created", target=user, by=user, at=timezone.now(), topics=mine, code=code)
            announce(mine, "usage.refreshed")

    mine = (f"person:{user.pk}",)

    async def scenario():
        page = open_page(user, *mine)
        await page.connect()
        await page.receive_json_from()
        await act()
        assert (await page.receive_json_from(timeout=10))["action"] == "project.created"
        assert await page.receive_nothing(timeout=hub.PACE_SECONDS + 0.2)
        await page.disconnect()

    run(scenario)


def test_a_browser_that_takes_nothing_is_kept_the_last_news_of_each_topic():
    """The server's own buffer is a browser's connection; what stands before it holds one piece of news a topic."""
    taken, free = [], asyncio.Event()

    async def send_slowly(message):
        await free.wait()
        taken.append(message["action"])

    async def scenario():
        page = LiveConsumer()
        page.untold, page.some_untold, page.send_json = {}, asyncio.Event(), send_slowly
        telling = asyncio.create_task(page._tell())
        for number in range(1000):
            page.hear(hub.News(f"project:p{number % 2}", f"n{number}", None))
            await asyncio.sleep(0)
        assert len(page.untold) <= 2
        free.set()
        await asyncio.sleep(0.05)
        telling.cancel()
        assert set(taken[-2:]) == {"n998", "n999"}
        assert len(taken) <= 4

    asyncio.run(scenario())


def test_after_a_lost_connection_to_the_database_every_page_looks_again():
    user = User.objects.create_user("kim@example.org", name_ko="김")

    @database_sync_to_async
    def end_the_listener():
        with connection.cursor() as cursor:
            listening = "datname = current_database() AND query LIKE 'LISTEN%'"
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {listening}")

    async def scenario():
        page = open_page(user, f"person:{user.pk}")
        await page.connect()
        await page.receive_json_from()
        await end_the_listener()
        assert (await page.receive_json_from(timeout=10))["action"] == "reconnected"
        await page.disconnect()

    run(scenario)
