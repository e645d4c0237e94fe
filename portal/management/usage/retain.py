"""manage.py usage retain: drop job rows older than a set age; their usage per day stays, sealed."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from accounting.history.retention import retain
from allocations.services.outcomes import Refused
from portal.management.usage.task import Task

NAME = "retain"
HELP = "drop job rows older than so many days; their usage per day stays, sealed"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--keep", type=int, metavar="DAYS", help="default: USAGE_KEEP_DAYS")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    keep_days = settings.USAGE_KEEP_DAYS if task.options["keep"] is None else task.options["keep"]
    if keep_days is None:
        raise CommandError("Say how many days are kept (--keep DAYS), or set USAGE_KEEP_DAYS.")
    dry_run = task.options["dry_run"]
    try:
        retained = retain(keep_days=keep_days, by=None, at=timezone.now(), dry_run=dry_run)
    except Refused as refusal:
        raise CommandError(str(refusal)) from refusal
    if task.options["json"]:
        task.out.write(json.dumps(asdict(retained), default=str))
        return
    words = "would be dropped" if dry_run else "dropped"
    task.out.write(
        f"Days before {retained.sealed_before} are sealed: {retained.dropped} job rows {words}, "
        f"{retained.kept} still needed."
    )
