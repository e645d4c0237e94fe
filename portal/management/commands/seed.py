"""Demo data. `--base` makes people, pools and a call only, and leaves the work to whoever tests it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from portal.demo.neighbours import seed_neighbours
from portal.demo.past import seed_past
from portal.demo.seed import seed_base
from portal.demo.work import seed_work
from portal.slurm.drivers import open_gateway
from portal.slurm.gateway import SlurmGateway


class Command(BaseCommand):
    help = "Fill an empty database with demo data; running it again changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--neighbours", action="store_true", help="begin the other running projects, and end")
        parser.add_argument("--past", action="store_true", help="take in the history that was written, and end")
        parser.add_argument("--base", action="store_true", help="people, pools and a call, but no applications")

    def handle(self, *args: Any, base: bool, neighbours: bool, past: bool, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Demo people with a known password belong in a demo only: set PORTAL_DEMO=1.")
        at = timezone.now()
        if neighbours:
            seed_neighbours(at)
            return
        if past:
            seed_past(_gateway(), at)
            return
        seed_base(at)
        if not base:
            seed_work(at)


def _gateway() -> SlurmGateway:
    """Raises SlurmError where there is no way to Slurm."""
    return open_gateway(
        settings.SLURM_GATEWAY, settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, settings.SLURM_COMMAND_PREFIX
    ).gateway
