"""The portal as it runs for people: a Slurm sandbox with the worker inside, PostgreSQL, the web server, a browser.

Nothing here reaches into the portal's database: what a test does, it does through pages and Slurm's commands.
"""

from __future__ import annotations

import email
import email.policy
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg2
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from portal import postgres
from portal.demo.history import write_demo_history
from portal.demo.stack import Stack
from portal.slurm.sandbox import Sandbox
from tests import migrated

T = TypeVar("T")
CHROMIUM_ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium_path() -> str | None:
    """The lightest there is: without a window it needs none of the desktop's parts."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    return next(filter(None, map(shutil.which, names)), None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(what: str, probe: Callable[[], T], seconds: float = 90, every: float = 0.2) -> T:
    """The first true answer of `probe`. Raises AssertionError, naming what was waited for."""
    deadline = time.monotonic() + seconds
    while not (answer := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(every)
    return answer


class Rig:
    """One portal with its own database, state folder and cluster; `close()` leaves nothing behind."""

    def __init__(self, name: str = "rig") -> None:
        self.var = Path(tempfile.mkdtemp(prefix=f"pohang-{name}-"))
        self.var.chmod(0o755)
        self.sockets = self.var / "postgres"
        migrated.copy_to(self.sockets)
        postgres.ensure_running(self.sockets)
        self.sandbox = Sandbox(f"{name}-{os.getpid()}", state=self.var / "sandbox")
        self.stack = Stack(
            port=free_port(),
            sockets=self.sockets,
            database=postgres.DATABASE,
            var=self.var,
            sandbox=self.sandbox,
            secret_key=secrets.token_urlsafe(40),
            environment={"ALLOWED_HOSTS": "*", "LOG_LEVEL": "INFO"},
        )

    def start(self, *seed: str, worker: bool = True, past: bool = False) -> Rig:
        """Migrate, seed (with the arguments of `manage.py seed`), and start everything. `past`: with the demo's history
        of jobs, and what follows from it."""
        self.stack.manage("migrate", "--verbosity=0")
        self.stack.manage("seed", *seed)
        self.sandbox.up(binds=self.stack.binds(), pdeathsig=True)
        if past:
            write_demo_history(self.stack, datetime.now(UTC))
            self.stack.manage_inside("worker", "--once")
        if worker:
            self.stack.start_worker()
        self.stack.start_web()
        return self

    def close(self) -> None:
        self.stack.stop()
        self.sandbox.down(purge=True)
        postgres.stop(self.sockets)
        shutil.rmtree(self.var, ignore_errors=True)

    @property
    def address(self) -> str:
        return self.stack.address

    def mails_to(self, address: str) -> list[str]:
        """Texts of the mails the portal sent to the address, oldest first."""
        texts = []
        for path in sorted((self.var / "mail").glob("*"), key=lambda path: path.stat().st_mtime):
            for part in re.split(r"^-{70,}$", path.read_text(), flags=re.MULTILINE):
                message = email.message_from_string(part.strip(), policy=email.policy.default)
                if address in str(message["To"]):
                    body = message.get_body(("plain",))
                    texts.append(body.get_content() if body else "")
        return texts

    def worker_log(self) -> str:
        return (self.var / "log" / "worker.log").read_text()

    def web_log(self) -> str:
        """Without the lines of single requests."""
        lines = (self.var / "log" / "web.log").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if '" 200 ' not in line)

    def query(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        """For benchmarks, which take moments from the Event log; tests ask the pages."""
        connection = psycopg2.connect(postgres.url(self.sockets))
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, values)
                return cursor.fetchall()
        finally:
            connection.close()


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield launch(playwright)


def launch(playwright: Playwright) -> Browser:
    return playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)


class Person:
    """Somebody at a browser of their own."""

    def __init__(self, rig: Rig, browser: Browser, **context: object) -> None:
        self.rig = rig
        self.context: BrowserContext = browser.new_context(base_url=rig.address, **context)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(20_000)
        self.errors: list[str] = []
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def log_in(self, address: str, password: str) -> Person:
        log_in(self.page, address, password)
        return self


def log_in(page: Page, address: str, password: str) -> None:
    page.goto("/auth/login/")
    page.locator("input[name=login]").fill(address)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda url: "/auth/login" not in url)
