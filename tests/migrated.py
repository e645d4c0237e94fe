"""A PostgreSQL with all migrations applied, made once for each state of the migrations and then copied: applying them
takes a quarter of a minute of computing."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from portal import postgres

CHECKOUT = Path(__file__).parent.parent
KEPT = CHECKOUT / "var" / "migrated"


def copy_to(folder: Path) -> None:
    """Data of a server that is not running, its database migrated, as `folder`, which must not be there yet."""
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = KEPT / _state()
        if not kept.exists():
            for old in KEPT.glob("*/"):
                shutil.rmtree(old)
            _make(kept)
    _copy(kept, folder)


def _copy(source: Path, target: Path) -> None:
    # With its owner, who is not root.
    subprocess.run(["cp", "-a", source, target], check=True)


def _state() -> str:
    """Changes with what is migrated, and with what migrates it."""
    digest = hashlib.sha256()
    migrations = (path for app in ("portal", "allocations", "accounting") for path in CHECKOUT.glob(f"{app}/**/0*.py"))
    for path in sorted([*migrations, CHECKOUT / "requirements.txt"]):
        digest.update(f"{path.relative_to(CHECKOUT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(kept: Path) -> None:
    # Of a short path: the server's socket lies beside its data.
    folder = Path(tempfile.mkdtemp(prefix="pohang-migrated-"))
    folder.chmod(0o755)
    making = folder / "postgres"
    postgres.ensure_running(making)
    environment = {**os.environ, "DATABASE_URL": postgres.url(making)}
    try:
        subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=CHECKOUT, env=environment, check=True)
    finally:
        postgres.stop(making)
    unfinished = kept.with_suffix(".unfinished")
    _copy(making, unfinished)
    unfinished.rename(kept)
    shutil.rmtree(folder)
