"""A PostgreSQL of this test run's own: loaded by pytest before Django's settings, removed when the run ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import psycopg2

from portal import postgres
from tests import migrated

_folder = Path(tempfile.mkdtemp(prefix="pohang-test-"))
_folder.chmod(0o755)
os.environ["PORTAL_VAR"] = str(_folder)
os.environ["DATABASE_URL"] = postgres.url(_folder / "postgres")
migrated.copy_to(_folder / "postgres")
postgres.ensure_running(_folder / "postgres")


def pytest_configure() -> None:
    """Django's test database is a copy of the migrated one. Nothing here has to outlive the machine, so no commit waits
    for the disk. (A bench's do.)"""
    from django.db import connection as default

    default.settings_dict["TEST"]["TEMPLATE"] = postgres.DATABASE
    with contextlib.closing(psycopg2.connect(os.environ["DATABASE_URL"])) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET fsync = off")
            cursor.execute("SELECT pg_reload_conf()")


def pytest_unconfigure() -> None:
    postgres.stop(_folder / "postgres")
    shutil.rmtree(_folder, ignore_errors=True)
