"""manage.py usage ingest: read what Slurm has and the portal has not."""

from __future__ import annotations

import json
from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.utils import timezone

from accounting.balance import update_line_charges
from accounting.history.ingest import IngestReport, ingest
from portal.management.usage.task import Task, moment

NAME = "ingest"
HELP = "read what Slurm has and the portal has not"
# A long history is told of now and then.
ROWS_A_LINE = 500_000


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--since", type=moment, help="read again from there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    """Until all is read that Slurm has. Exit 1 where somebody else is at it."""
    gateway, since = task.gateway(), task.options["since"]
    while True:
        report = ingest(gateway, at=timezone.now(), since=since, most=ROWS_A_LINE)
        if report.busy:
            raise CommandError("Job history is being read just now; nothing was done.")
        task.out.write(json.dumps(report.as_dict()) if task.options["json"] else _sentence(report))
        if report.caught_up:
            break
        since = None
    update_line_charges(at=timezone.now())


def _sentence(report: IngestReport) -> str:
    until = f"{timezone.localtime(report.read_until):%Y-%m-%d %H:%M:%S}" if report.read_until else "nothing"
    return (
        f"{report.rows} rows read up to {until}: {report.changed} jobs new or changed, "
        f"{report.days} daily figures changed, {report.unreadable} rows put aside, {report.held} held."
    )
