"""manage.py usage verify: our sums held against Slurm's own."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone

from accounting.verification.verify import Row, compare, default_period, keep
from portal.management.usage.task import Task, moment

NAME = "verify"
HELP = "compare with sreport and name what is behind every difference; exit 1 on any that stays unexplained"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--start", type=moment, help="default: the beginning of the day")
    parser.add_argument("--end", type=moment, help="default: the last hour that is over")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    at = timezone.now()
    start, end = default_period(at, task.options["start"], task.options["end"])
    rows = compare(task.gateway(), start=start, end=end, at=at)
    verification = keep(rows, start=start, end=end, at=at)
    if task.options["json"]:
        task.out.write(json.dumps(verification.as_dict()))
    else:
        _print(task.out, rows, start, end)
    if not verification.explained:
        raise CommandError(f"{verification.unexplained_gpu_seconds} GPU-seconds stay unexplained.", returncode=1)


def _print(out: OutputWrapper, rows: list[Row], start: datetime, end: datetime) -> None:
    zone = timezone.get_current_timezone()
    out.write(f"{start.astimezone(zone):%Y-%m-%d %H:%M} to {end.astimezone(zone):%Y-%m-%d %H:%M} {zone}")
    out.write(f"{'account':<24} {'user':<16} {'portal':>14} {'Slurm':>14} {'difference':>12} {'unexplained':>12}")
    for row in rows:
        _print_row(out, row.account, row.user, row.ours, row.slurm, row.unexplained)
        for cause in row.causes:
            out.write(f"    {cause.gpu_seconds:+d} {cause.kind}: {cause.what}")
    ours, slurm = sum(row.ours for row in rows), sum(row.slurm for row in rows)
    _print_row(out, "all", str(len(rows)), ours, slurm, sum(row.unexplained for row in rows))


def _print_row(out: OutputWrapper, account: str, user: str, ours: int, slurm: int, unexplained: int) -> None:
    out.write(f"{account:<24} {user:<16} {ours:>14} {slurm:>14} {ours - slurm:>12} {unexplained:>12}")
