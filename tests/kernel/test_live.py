"""An Event reaches every open page that listens to one of its topics, and nobody else's."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from django.utils import timezone

from portal.events.services import record
from portal.live import tail, topics
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


def test_an_operator_may_hear_of_operations():
    user = User.objects.create_user("op@example.org", name_ko="오")
    RoleAssignment.objects.create(user=user, role=Role.OPERATOR)
    assert topics.may_listen(user, "operations")
    assert not topics.may_listen(user, "nonsense")
