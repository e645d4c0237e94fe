"""manage.py worker: applies grants to Slurm and brings usage back. Run one, where Slurm's commands are."""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from portal.schedule import tasks
from portal.worker import Worker


class Command(BaseCommand):
    help = "Apply grants to Slurm and bring usage back, until stopped (TERM). A second worker waits for the first."
    # The worker waits for the database and its migrations by itself.
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="go through all tasks once; exit 1 if one failed")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        worker = Worker(tasks())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        if not worker.run(once=once) and once:
            sys.exit(1)
