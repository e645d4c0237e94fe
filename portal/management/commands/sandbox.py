"""manage.py sandbox build|up|down|status|run|person: a throw-away, real Slurm cluster."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.slurm.sandbox import SandboxError
from portal.slurm.sandbox.cli import add_arguments, execute


class Command(BaseCommand):
    """A thin layer over portal.slurm.sandbox; it needs no database."""

    help = "Builds, starts and uses a throw-away, real Slurm cluster (docs/sandbox.md)."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        """The verbs of the package's own command line."""
        add_arguments(parser)

    def handle(self, **options: Any) -> None:
        """Runs a verb and ends with its exit code."""
        try:
            code = execute(options)
        except SandboxError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)
