"""Pages under ASGI: Django's WSGI handler in a few threads that stay, each with its database connection.

Django's own ASGI handler gives every request a thread, and so a connection, of its own, hands it to and fro for each
middleware, and collects a streamed file whole in memory before the first byte is sent. No view here is asynchronous,
so nothing is gained by that.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from asgiref.wsgi import WsgiToAsgiInstance
from django.core.wsgi import get_wsgi_application

# Each keeps a connection. Python runs one at a time; more only help while others wait for the database or for mail.
THREADS = 8
# Handing over to the event loop costs as much as many rows of a file.
PART_BYTES = 64 * 1024
REFUSED = {"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]}


def collect_rarely() -> None:
    """A page makes tens of thousands of objects, nearly all of which go by themselves. Looking for circles among them
    as often as Python does by itself takes a quarter of the page's time; what is loaded at the start never goes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Pages:
    """The ASGI application of everything but the WebSocket."""

    def __init__(self) -> None:
        self._wsgi = get_wsgi_application()
        collect_rarely()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="page")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with contextlib.suppress(_Gone):
            await _Request(self._wsgi, self._threads, send)(scope, _while_there(receive), send)


class _Gone(Exception):
    """Whoever asked went away before the request was whole."""


def _while_there(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    async def received() -> Any:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        return message

    return received


class _Request(WsgiToAsgiInstance):
    """Reading the request and making its environment are asgiref's; answering is ours: in our threads, with the
    response closed in the end, without which Django neither ends the request nor gives its connection back."""

    def __init__(self, wsgi: Any, threads: ThreadPoolExecutor, send: Any) -> None:
        super().__init__(wsgi)
        self._threads, self._asgi_send = threads, send

    async def run_wsgi_app(self, body: BinaryIO) -> None:
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(self._threads, self._answer, body)

    def _answer(self, body: BinaryIO) -> None:
        try:
            environ = self.build_environ(self.scope, body)
        except ValueError:
            # What no browser sends: bytes beyond ASCII in the query, a header a hundred times over.
            self._send(REFUSED, _part(b"Bad Request", more=False))
            return
        answer = self.wsgi_application(environ, self.start_response)
        try:
            if answer.streaming:
                self._send(self.response_start)
                self._stream(answer)
            else:
                self._send(self.response_start, _part(answer.content, more=False))
        finally:
            answer.close()

    def _stream(self, chunks: Iterable[bytes]) -> None:
        gathered = bytearray()
        for chunk in chunks:
            gathered += chunk
            if len(gathered) >= PART_BYTES:
                self._send(_part(bytes(gathered), more=True))
                gathered.clear()
        self._send(_part(bytes(gathered), more=False))

    def _send(self, *messages: Mapping[str, Any]) -> None:
        """From a thread of ours: returns when the server has taken them."""
        asyncio.run_coroutine_threadsafe(self._send_all(messages), self._loop).result()

    async def _send_all(self, messages: tuple[Mapping[str, Any], ...]) -> None:
        for message in messages:
            await self._asgi_send(message)


def _part(content: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}
