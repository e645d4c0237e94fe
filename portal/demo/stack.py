"""The portal's processes beside a sandbox: the worker inside it, where Slurm is, and the web server outside. Without a
sandbox the worker does what needs no Slurm: mails and reminders.

Used by `manage.py demo`, by the browser tests and by the benchmarks, so that all three run the same thing.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.slurm.sandbox import PYTHON, Sandbox
from portal.web.storage import pack

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Where the sandbox sees the checkout (read-only) and the folder of PostgreSQL's socket.
INSIDE_CHECKOUT = "/srv/portal"
INSIDE_MANAGE = [PYTHON, f"{INSIDE_CHECKOUT}/manage.py"]
INSIDE_SOCKETS = "/run/portal-db"
# A child ends with whoever started it, also when that is killed, where the system can do so.
DIES_WITH_US = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


class StackError(Exception):
    """A process did not come up; the text ends with what it wrote."""


class Stack:
    """Web server and worker on one database. `sockets` is the folder in which PostgreSQL keeps its socket."""

    def __init__(
        self,
        *,
        port: int,
        sockets: Path,
        database: str,
        var: Path,
        sandbox: Sandbox | None,
        secret_key: str,
        environment: Mapping[str, str] | None = None,
        host: str = "127.0.0.1",
        web_processes: int = 1,
    ) -> None:
        self.port, self.host, self.web_processes = port, host, web_processes
        self.sockets, self.database, self.var = sockets, database, var
        self.sandbox = sandbox
        self.common = {"SECRET_KEY": secret_key, "PORTAL_DEMO": "1", "PORTAL_URL": self.address, **(environment or {})}
        self.web: list[subprocess.Popen[bytes]] = []
        self.worker: subprocess.Popen[Any] | None = None
        (var / "log").mkdir(parents=True, exist_ok=True)

    @property
    def address(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """For processes outside the sandbox."""
        own = {
            "DATABASE_URL": f"postgresql://postgres:@/{self.database}?host={self.sockets}",
            "PORTAL_VAR": str(self.var),
        }
        return {**os.environ, **self.common, **own}

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a management command outside the sandbox. Raises StackError with its output where it fails."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=CHECKOUT, env=self.environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise StackError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done

    def binds(self) -> list[tuple[Path, str, bool]]:
        """What the sandbox must see of outside: (source, target, read-only)."""
        return [(CHECKOUT, INSIDE_CHECKOUT, True), (self.sockets, INSIDE_SOCKETS, False)]

    @property
    def inside_environment(self) -> dict[str, str]:
        """For management commands inside the sandbox."""
        return {
            **self.common,
            "DATABASE_URL": f"postgresql://postgres:@/{self.database}?host={INSIDE_SOCKETS}",
            "PORTAL_VAR": "/tmp/portal",  # noqa: S108  (the sandbox's own)
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def manage_inside(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command where Slurm is, as the worker does. Raises CommandFailed where it fails."""
        assert self.sandbox is not None
        return self.sandbox.run([*INSIDE_MANAGE, *arguments], env=self.inside_environment, timeout=300, check=check)

    def start_worker(self, **environment: str) -> None:
        with (self.var / "log" / "worker.log").open("a") as log:
            if self.sandbox is None:
                self.worker = subprocess.Popen(
                    [*DIES_WITH_US, sys.executable, "manage.py", "worker", "--without-slurm"],
                    cwd=CHECKOUT, env={**self.environment, **environment}, stdout=log, stderr=log,
                )  # fmt: skip
                return
            self.worker = self.sandbox.popen(
                [*INSIDE_MANAGE, "worker"], env={**self.inside_environment, **environment}, stdout=log, stderr=log
            )

    def start_web(self) -> None:
        """Start the web server; return when it answers."""
        self.spawn_web()
        self.wait_for_web()

    def spawn_web(self) -> None:
        """All web processes on one listening socket: whichever is free takes the next connection.

        In a thread that stays, since they end with it.
        """
        pack()
        with (
            (self.var / "log" / "web.log").open("ab") as log,
            socket.create_server((self.host, self.port), backlog=1024) as listening,
        ):
            number = listening.fileno()
            command = [sys.executable, "-m", "daphne", "--fd", str(number), "portal.asgi:application"]
            self.web = [
                subprocess.Popen(
                    [*DIES_WITH_US, *command],
                    cwd=CHECKOUT, env=self.environment, stdout=log, stderr=log, pass_fds=[number],
                )
                for _ in range(self.web_processes)
            ]  # fmt: skip

    def wait_for_web(self) -> None:
        """Raises StackError with what it wrote where it does not come up."""
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.web_ended() or time.monotonic() > deadline:
                log = (self.var / "log" / "web.log").read_text()
                raise StackError("The web server did not start:\n" + log[-3000:])
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def web_ended(self) -> bool:
        """Whether one of the web processes is no more."""
        return any(process.poll() is not None for process in self.web)

    def stop_web(self) -> None:
        for process in self.web:
            process.terminate()
        for process in self.web:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        self.web = []

    def stop_worker(self) -> None:
        """End the worker; it finishes the operation it is at."""
        if self.worker is not None and self.worker.poll() is None:
            self.worker.terminate()
            try:
                self.worker.wait(20)
            except subprocess.TimeoutExpired:
                self.worker.kill()
        self.worker = None

    def stop(self) -> None:
        """Stop what was started here. The sandbox and PostgreSQL are their owner's."""
        self.stop_web()
        self.stop_worker()
