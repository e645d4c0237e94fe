"""Open dashboards without a browser: what static/js/live.js and htmx do with the network, and nothing else.

A real browser each would need more machine than the portal that is to be measured. The times below are those of
live.js.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import re
import time
import zlib
from dataclasses import dataclass, field

GATHER, PACE, SETTLE = 0.05, 0.5, 0.05
SHORTEST_WAIT, FIRST_WAIT, LONGEST_WAIT = 0.3, 4.0, 15.0
LOST = (OSError, EOFError)
SECTION = re.compile(r'hx-get="(?P<address>[^"]+)"[^>]*?hx-trigger="live from:body')
# What htmx sends with what a section asks for, and live.js where an Event happened.
PART, HAPPENED = "HX-Request: true\r\n", "Live-Event: 1\r\n"
TOPICS = re.compile(r'data-live-topics="([^"]*)"')
# What the bench makes happen is the number of a job, in no other text of a page.
MARK = re.compile(rb"\b7\d{8}\b")


class Connection:
    """One connection of a browser, kept open; raises ConnectionError where the server closes it."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self.reader: asyncio.StreamReader | None = None

    async def get(self, address: str, more: str = "") -> bytes:
        """The body of what stands at the address, which has to be there; `more` are further headers."""
        if self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        self.writer.write(self._head(address, more))
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1")
        assert " 200 " in head.split("\r\n", 1)[0], (address, head)
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if headers.get("transfer-encoding") == "chunked":
            body = await self._chunks()
        else:
            body = await self.reader.readexactly(int(headers["content-length"]))
        return zlib.decompress(body, 31) if headers.get("content-encoding") == "gzip" else body

    def _head(self, address: str, more: str) -> bytes:
        return (
            f"GET {address} HTTP/1.1\r\nHost: localhost:{self.port}\r\nOrigin: http://localhost:{self.port}\r\n"
            f"Cookie: {self.cookie}\r\nAccept-Encoding: gzip\r\nAccept-Language: ko\r\n{more}\r\n"
        ).encode()

    async def _chunks(self) -> bytes:
        assert self.reader
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def open_socket(self, address: str) -> None:
        """Become a WebSocket."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
        )
        self.writer.write(self._head(address, upgrade))
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head.split(b"\r\n", 1)[0], head

    async def message(self) -> bytes:
        """The next text. Answers what asks whether the browser is still there."""
        assert self.reader
        while True:
            kind, size = await self.reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2))
            payload = await self.reader.readexactly(size)
            if kind == 0x81:
                return payload
            if kind == 0x88:
                raise ConnectionResetError("closed by the server")
            if kind == 0x89:
                # Masked with zeros, which leaves it as it is.
                self.writer.write(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + payload)

    def close(self) -> None:
        if self.reader is not None:
            self.writer.close()


@dataclass
class Section:
    address: str
    connection: Connection


@dataclass
class Dashboard:
    """A project's page, open. `seen`: when each refreshed part was there, and the newest mark in it."""

    port: int
    cookie: str
    page: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    asked: int = 0
    messages: int = 0
    connected_at: float = 0.0
    current_at: float = 0.0
    happened: bool = False

    async def open(self) -> None:
        text = (await self._once(self.page)).decode()
        named = TOPICS.search(text)
        assert named, f"{self.page} names no topics"
        self.topics = named[1].split()
        self.sections = [
            Section(found["address"], Connection(self.port, self.cookie)) for found in SECTION.finditer(text)
        ]
        self.news = asyncio.Event()
        self.tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._refresh())]

    async def _once(self, address: str) -> bytes:
        connection = Connection(self.port, self.cookie)
        body = await connection.get(address)
        connection.close()
        return body

    async def _listen(self) -> None:
        """Comes back after a lost connection as live.js does."""
        failures = 0
        while True:
            self.connected_at = 0.0
            socket = Connection(self.port, self.cookie)
            with contextlib.suppress(*LOST):
                await socket.open_socket("/live/?" + "&".join(f"topic={topic}" for topic in self.topics))
                while message := json.loads(await socket.message()):
                    if "listening" in message:
                        self.connected_at, failures = time.time(), 0
                    self.messages += 1
                    # One without an Event is a mere notice; what happened before it listened nobody knows.
                    self.happened |= message.get("event", True) is not None or message["action"] == "reconnected"
                    self.news.set()
            await asyncio.sleep(SHORTEST_WAIT + random.random() * min(LONGEST_WAIT, FIRST_WAIT * 2**failures))  # noqa: S311
            failures += 1

    async def _refresh(self) -> None:
        """As live.js tells its sections: soon, not before the last ones are in place, and PACE apart."""
        told_at = -PACE
        while True:
            await self.news.wait()
            await asyncio.sleep(max(GATHER, told_at + PACE - time.monotonic()))
            self.news.clear()
            happened, self.happened = self.happened, False
            told_at = time.monotonic()
            await asyncio.gather(*(self._ask(section, happened) for section in self.sections))
            await asyncio.sleep(SETTLE)

    async def _ask(self, section: Section, happened: bool) -> None:
        more = PART + (HAPPENED if happened else "")
        try:
            body = await section.connection.get(section.address, more)
        except LOST:
            # Kept open since before the server was gone: a browser, too, asks once more over a new one.
            section.connection = Connection(self.port, self.cookie)
            try:
                body = await section.connection.get(section.address, more)
            except LOST:
                return
        self.asked += 1
        self.current_at = time.time()
        if marks := MARK.findall(body):
            self.seen.append((self.current_at, int(max(marks))))

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        ended = await asyncio.gather(*self.tasks, return_exceptions=True)
        for section in self.sections:
            section.connection.close()
        for error in ended:
            if not isinstance(error, asyncio.CancelledError) and isinstance(error, BaseException):
                raise error
