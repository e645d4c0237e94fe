"""Who changes what is known of jobs: one process reads slurmdbd, and one transaction at a time stores rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

INGEST, STORE = "accounting.history.ingest", "accounting.history.store"


@contextmanager
def alone() -> Iterator[bool]:
    """Whether nobody else reads slurmdbd just now; until the end nobody else will. Freed by itself if this process
    dies."""
    got = _ask("SELECT pg_try_advisory_lock(hashtext(%s))", INGEST)
    try:
        yield got
    finally:
        if got:
            _ask("SELECT pg_advisory_unlock(hashtext(%s))", INGEST)


def take_turn() -> None:
    """Wait until nobody else stores rows; until the end of this transaction nobody else will.

    Usage is computed from all rows of a day, so two transactions that store rows of the same day take turns.
    """
    _ask("SELECT pg_advisory_xact_lock(hashtext(%s))", STORE)


def _ask(statement: str, lock: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement, [lock])
        return bool(cursor.fetchone()[0])
