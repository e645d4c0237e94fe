"""manage.py usage: job history read from Slurm, and our sums held against Slurm's own. Each action is a module of
portal/management/usage/."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounting.verification.verify import CannotVerify
from portal.management.usage import check, import_file, ingest, rebuild, retain, verify
from portal.management.usage.task import Task
from portal.slurm.drivers import open_gateway
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway

ACTIONS = {action.NAME: action for action in (ingest, import_file, retain, verify, check, rebuild)}


class Command(BaseCommand):
    help = "Job history: read it from Slurm, prove it, look after it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, action in ACTIONS.items():
            action.add_arguments(actions.add_parser(name, help=action.HELP))

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            ACTIONS[action].run(Task(self.stdout, options, _gateway))
        except SlurmError as error:
            raise CommandError(f"{error}\n{error.words}".strip()) from error
        except CannotVerify as error:
            raise CommandError(str(error), returncode=2) from error


def _gateway() -> SlurmGateway:
    """Raises SlurmError where there is no way to Slurm."""
    return open_gateway(
        settings.SLURM_GATEWAY, settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, settings.SLURM_COMMAND_PREFIX
    ).gateway
