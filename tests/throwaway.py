"""A PostgreSQL of this test run's own: loaded by pytest before Django's settings, removed when the run ends."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from portal import postgres

_folder = Path(tempfile.mkdtemp(prefix="pohang-test-"))
_folder.chmod(0o755)
os.environ["PORTAL_VAR"] = str(_folder)
os.environ["DATABASE_URL"] = postgres.url(_folder / "postgres")
postgres.ensure_running(_folder / "postgres")


def pytest_unconfigure() -> None:
    postgres.stop(_folder / "postgres")
    shutil.rmtree(_folder, ignore_errors=True)
