"""The one worker's seat: a database connection of its own that holds the worker's lock and hears of Events."""

from __future__ import annotations

import contextlib
import json
import select
from types import TracebackType

import psycopg2
from django.db import connection

from portal.events.models import CHANNEL

# Any number will do, so long as nothing else in this database takes the same one.
LOCK_KEY = 0x706F68616E67


class Seat:
    """Whoever holds the lock may write to Slurm. Lock and connection end together: when the process dies, when the
    database restarts. Every method may raise psycopg2.Error; the seat is lost then."""

    def __init__(self) -> None:
        parameters = connection.get_connection_params()
        for key in ("cursor_factory", "context"):
            parameters.pop(key, None)
        self._connection = psycopg2.connect(**parameters)
        # Never in a transaction: it waits in LISTEN for hours.
        self._connection.autocommit = True

    def __enter__(self) -> Seat:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The server takes a moment to see that a connection is closed; whoever comes next need not wait for it.
        with contextlib.suppress(psycopg2.Error), self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
        self._connection.close()

    def take(self) -> bool:
        """Take the lock and begin to listen; False where another worker holds it."""
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
            taken = bool(cursor.fetchone()[0])
            if taken:
                cursor.execute(f"LISTEN {CHANNEL}")
        return taken

    def is_held(self) -> bool:
        """Whether the connection, and with it the lock, is still there."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True

    def wait(self, seconds: float, wake_up: int) -> bool:
        """Wait until an Event is recorded (True), the file descriptor `wake_up` is readable, or the time is over."""
        if not self._connection.notifies:
            select.select([self._connection.fileno(), wake_up], [], [], max(0, seconds))
        self._connection.poll()
        payloads = [notification.payload for notification in self._connection.notifies]
        self._connection.notifies.clear()
        return any("event" in json.loads(payload) for payload in payloads)
