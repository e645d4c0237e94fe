"""`make demo`: the whole portal with a real Slurm, in the foreground; Ctrl-C stops every process it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from allocations.models import Account
from allocations.selectors.usernames import names_to_make
from portal import postgres
from portal.demo.history import ACCOUNT, write_demo_history
from portal.demo.progress import say, step
from portal.demo.stack import Stack, StackError
from portal.demo.texts import LOGINS, PASSWORD
from portal.slurm.sandbox import Sandbox, SandboxError


class Command(BaseCommand):
    help = "Run the whole portal with demo data and a real Slurm; Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--web", type=int, default=1, metavar="N", help="web processes behind the one address")
        parser.add_argument("--reset", action="store_true", help="forget the demo's database and cluster, and end")

    def handle(self, *args: Any, port: int, host: str, web: int, reset: bool, **options: Any) -> None:
        # What a signal interrupts must still be cleaned up, so all arrive as the same exception. (A shell that starts
        # this in the background makes it ignore SIGINT.)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        demo = Demo(port, host, web)
        if reset:
            demo.forget()
            say("The demo's database and cluster are gone; `make demo` makes new ones.")
            return
        try:
            demo.run()
        except KeyboardInterrupt:
            say("")
        except (StackError, SandboxError, postgres.PostgresError) as error:
            raise CommandError(str(error)) from error
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            demo.stop()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


class Demo:
    def __init__(self, port: int, host: str, web_processes: int) -> None:
        self.var = Path(settings.VAR_DIR).resolve()
        self.sockets = postgres.data_dir()
        self.absent_reason = Sandbox.unavailable_reason()
        self.sandbox = None if self.absent_reason else Sandbox("demo", state=self.var / "sandbox" / "demo")
        self.stack = Stack(
            port=port,
            host=host,
            web_processes=web_processes,
            sockets=self.sockets,
            database=postgres.DATABASE,
            var=self.var,
            sandbox=self.sandbox,
            secret_key=settings.SECRET_KEY,
            environment={"SLURM_ABSENT_REASON": self.absent_reason or "", "ALLOWED_HOSTS": "*"},
        )

    def run(self) -> None:
        if os.environ.get("DATABASE_URL"):
            raise StackError("The demo uses its own database: unset DATABASE_URL.")
        _check_port_is_free(self.stack.host, self.stack.port)
        with step("PostgreSQL"):
            postgres.ensure_running()
        with step("Tables"):
            self.stack.manage("migrate", "--verbosity=0")
        if self.sandbox is not None and not self.sandbox.state.exists() and Account.objects.exists():
            say("The demo's cluster is gone, so its database begins anew as well.")
            connection.close()
            self.forget()
            postgres.ensure_running()
            self.stack.manage("migrate", "--verbosity=0")
        with step("Demo data"):
            self.stack.manage("seed")
        if self.sandbox is None:
            say(f"No cluster is attached: {self.absent_reason}")
        else:
            self.sandbox.build(report=say)
            with step("Slurm"):
                self.sandbox.up(resume=True, binds=self.stack.binds(), pdeathsig=True)
            if Account.objects.filter(name=ACCOUNT, offset_gpu_seconds=0).exists():
                with step("Two months of jobs"):
                    write_demo_history(self.stack, timezone.now())
        self.stack.start_worker()
        with step("Web server"):
            self.stack.start_web()
        self._say_where()
        self._watch()

    def _say_where(self) -> None:
        say(f"\nOpen {self.stack.address} — every password is {PASSWORD}\n")
        width = max(len(login.email) for login in LOGINS)
        for login in LOGINS:
            say(f"  {login.email:<{width}}  {login.role_ko} · {login.role_en}")
        say(f"\nMails: {self.stack.address}/demo/mailbox/   Ctrl-C ends it.\n")
        if self.sandbox is not None:
            say("Run a job as a member, in a second terminal:\n")
            say(f"  .venv/bin/python manage.py sandbox run --as minjun -- {EXAMPLE_JOB}\n")

    def _watch(self) -> None:
        """Until Ctrl-C; a process that ends by itself is said and started again."""
        while True:
            time.sleep(1)
            if self.stack.web_ended():
                raise StackError(f"The web server ended; see {self.var / 'log' / 'web.log'}")
            if self.stack.worker is not None and self.stack.worker.poll() is not None:
                say("The worker ended; starting it again.")
                self.stack.start_worker()
            self._make_logins()

    def _make_logins(self) -> None:
        """What a center's administrators do: a login for every approved name. The worker finds it there."""
        if self.sandbox is not None:
            for name in names_to_make().values_list("cluster_username", flat=True):
                self.sandbox.person(str(name))

    def stop(self) -> None:
        self.stack.stop()
        if self.sandbox is not None:
            self.sandbox.down()
        postgres.stop()

    def forget(self) -> None:
        self.stop()
        if self.sandbox is not None:
            self.sandbox.down(purge=True)
        for folder in (self.sockets, self.var / "mail", self.var / "uploads"):
            shutil.rmtree(folder, ignore_errors=True)


EXAMPLE_JOB = (
    "sbatch --account=p26001-h100 --partition=h100 --gpus=1 --time=00:05:00 -D /tmp -o /dev/null --wrap='sleep 60'"
)


def _check_port_is_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(f"Port {port} is taken ({error.strerror}). Choose another: make demo PORT=8001") from error
