"""manage.py usage: job history read from Slurm, and our sums held against Slurm's own. Runs where Slurm is."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounting.balance import update_line_charges
from accounting.ingest import IngestReport, ingest
from accounting.verify import CannotVerify, Row, compare, default_period, keep
from portal.slurm.drivers import open_gateway
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway


def moment(text: str) -> datetime:
    """An ISO time; one without a zone is meant in the portal's own, a date its first moment."""
    parsed = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00")
    if parsed is None:
        raise ArgumentTypeError(f"{text!r} is no time: write for example 2026-03-02T15:00 or 2026-03-02.")
    return parsed if parsed.tzinfo else timezone.make_aware(parsed)


class Command(BaseCommand):
    help = "Read job history from Slurm (ingest), or hold the portal's sums against sreport (verify)."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        reading = actions.add_parser("ingest", help="read what Slurm has and the portal has not")
        reading.add_argument("--since", type=moment, help="read again from there")
        verifying = actions.add_parser("verify", help="compare with sreport; exit 1 on any difference")
        verifying.add_argument("--start", type=moment, help="default: the beginning of the day")
        verifying.add_argument("--end", type=moment, help="default: the last hour that is over")
        for action in (reading, verifying):
            action.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            gateway = open_gateway(
                settings.SLURM_GATEWAY,
                settings.SLURM_CLUSTER,
                settings.SLURM_ROOT_ACCOUNT,
                settings.SLURM_COMMAND_PREFIX,
            ).gateway
            if action == "ingest":
                self._ingest(gateway, options["since"], as_json=options["json"])
            else:
                self._verify(gateway, options["start"], options["end"], as_json=options["json"])
        except SlurmError as error:
            raise CommandError(f"{error}\n{error.words}".strip()) from error
        except CannotVerify as error:
            raise CommandError(str(error), returncode=2) from error

    def _ingest(self, gateway: SlurmGateway, since: datetime | None, *, as_json: bool) -> None:
        """Until all is read that Slurm has. Exit 1 where somebody else is at it."""
        while True:
            report = ingest(gateway, at=timezone.now(), since=since)
            if report.busy:
                raise CommandError("Job history is being read just now; nothing was done.")
            self.stdout.write(json.dumps(report.as_dict()) if as_json else _sentence(report))
            if report.caught_up:
                break
            since = None
        update_line_charges(at=timezone.now())

    def _verify(self, gateway: SlurmGateway, start: datetime | None, end: datetime | None, *, as_json: bool) -> None:
        at = timezone.now()
        start, end = default_period(at, start, end)
        rows = compare(gateway, start=start, end=end, at=at)
        verification = keep(rows, start=start, end=end, at=at)
        if as_json:
            self.stdout.write(json.dumps(verification.as_dict()))
        else:
            self._print(rows, start, end)
        if not verification.agrees:
            raise CommandError(
                f"{verification.unexplained_gpu_seconds} GPU-seconds differ from what Slurm says.", returncode=1
            )

    def _print(self, rows: list[Row], start: datetime, end: datetime) -> None:
        zone = timezone.get_current_timezone()
        self.stdout.write(f"{start.astimezone(zone):%Y-%m-%d %H:%M} to {end.astimezone(zone):%Y-%m-%d %H:%M} {zone}")
        self.stdout.write(f"{'account':<24} {'user':<16} {'portal':>14} {'Slurm':>14} {'difference':>12}")
        for row in rows:
            self.stdout.write(f"{row.account:<24} {row.user:<16} {row.ours:>14} {row.slurm:>14} {row.difference:>12}")
        ours, slurm = sum(row.ours for row in rows), sum(row.slurm for row in rows)
        self.stdout.write(f"{'all':<24} {len(rows):<16} {ours:>14} {slurm:>14} {ours - slurm:>12}")


def _sentence(report: IngestReport) -> str:
    until = f"{timezone.localtime(report.read_until):%Y-%m-%d %H:%M:%S}" if report.read_until else "nothing"
    return (
        f"{report.rows} rows read up to {until}: {report.changed} jobs new or changed, "
        f"{report.days} daily figures changed, {report.unreadable} rows put aside, {report.held} held."
    )
