"""`make demo`'s foreground process: it comes up, says where, and takes everything along when it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.demo.texts import LOGINS
from portal.slurm.sandbox import Sandbox
from tests.rig import free_port
from tests.slurm_cluster import require_sandbox

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(300)]
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def var() -> Iterator[Path]:
    """A state folder of the demo's own. (pytest's are too deep for PostgreSQL's socket.)"""
    require_sandbox()
    folder = Path(tempfile.mkdtemp(prefix="pohang-demo-"))
    folder.chmod(0o755)
    yield folder
    Sandbox("demo", state=folder / "sandbox" / "demo").down(purge=True)
    shutil.rmtree(folder, ignore_errors=True)


def start(var: Path, port: int) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-u", "manage.py", "demo", "--port", str(port)],
        cwd=CHECKOUT, env={**environment, "PORTAL_VAR": str(var)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def lines_until(demo: subprocess.Popen[str], last: str) -> list[str]:
    """What it says until the line that begins so. Fails where it ends before."""
    lines: list[str] = []
    assert demo.stdout is not None
    for line in demo.stdout:
        lines.append(line)
        if line.startswith(last):
            return lines
    pytest.fail("The demo ended:\n" + "".join(lines))


def left_over(var: Path) -> list[str]:
    """Processes that still have the state folder in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(var) in command:
            found.append(command)
    return found


def test_it_comes_up_goes_on_after_it_was_killed_and_ends_whole(var):
    port = free_port()
    demo = start(var, port)
    assert "Two months of jobs" in "".join(lines_until(demo, "Mails:"))
    demo.kill()
    demo.wait()
    deadline = time.monotonic() + 30
    # The embedded PostgreSQL lives on by design; the next start uses it and stops it.
    while any("postgres" not in command for command in left_over(var)):
        assert time.monotonic() < deadline, left_over(var)
        time.sleep(0.2)

    again = start(var, port)
    try:
        said = "".join(lines_until(again, "Mails:"))
        assert f"http://localhost:{port}" in said
        assert all(login.email in said for login in LOGINS)
        assert "Two months of jobs" not in said
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            assert "포항 AI가속기 센터" in page.read().decode()
    finally:
        again.send_signal(signal.SIGINT)
        said = again.communicate(timeout=60)[0]
    assert again.returncode == 0, said
    assert left_over(var) == []
    assert str(var) not in Path("/proc/mounts").read_text()
