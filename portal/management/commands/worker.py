"""manage.py worker: applies grants to Slurm, brings usage back, sends mails and reminders.

Run one, where Slurm's commands are; where there is no cluster, run it with --without-slurm.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.schedule import chores, tasks
from portal.worker import Worker


class Command(BaseCommand):
    help = (
        "Apply grants to Slurm, bring usage back, send mails and reminders, until stopped (TERM). "
        "A second worker waits for the first."
    )
    # The worker waits for the database and its migrations by itself.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="go through all tasks once; exit 1 if one failed")
        parser.add_argument("--without-slurm", action="store_true", help="only mails and reminders: no cluster yet")

    def handle(self, *args: Any, once: bool, without_slurm: bool, **options: Any) -> None:
        worker = Worker(chores() if without_slurm else tasks())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        if not worker.run(once=once) and once:
            sys.exit(1)
