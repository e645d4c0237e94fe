"""manage.py usage import: job rows from a saved `sacct -P` file, as if they had been read from slurmdbd."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.core.management.base import CommandError
from django.utils import timezone

from accounting.history.importing import Importing, ImportReport
from accounting.history.job_file import JobFile, JobFileError
from portal.management.usage.task import Task, moment
from portal.slurm.names import CLUSTER

NAME = "import"
HELP = "take over job rows from a file that `sacct -P` wrote, compressed or not"
DELIMITERS = {"tab": "\t", "\\t": "\t", "\\x1f": "\x1f"}
PASSED_OVER = {
    "steps of jobs": "steps of jobs",
    "of another cluster": "rows of another cluster",
    "waiting": "jobs that only waited",
    "known better": "running jobs of which the portal knows more than the file",
    "sealed": "rows of sealed days (--sealed takes each as a difference to decide about)",
}


def zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (KeyError, OSError, ValueError) as error:
        raise ArgumentTypeError(f"{text!r} is no time zone: write for example Asia/Seoul or UTC.") from error


def cluster(text: str) -> str:
    if not CLUSTER.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is no name of a cluster.")
    return text


def delimiter(text: str) -> str:
    text = DELIMITERS.get(text, text)
    if len(text) != 1:
        raise ArgumentTypeError("The delimiter is one character.")
    return text


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="its first line names the columns as sacct does, in any order")
    parser.add_argument("--cluster", type=cluster, required=True, help="the cluster that the jobs ran on")
    parser.add_argument("--zone", type=zone, help="of times without an offset, for example Asia/Seoul")
    parser.add_argument("--delimiter", type=delimiter, help="default: | or the control character 0x1f")
    parser.add_argument(
        "--saved-at", type=moment, help="when sacct wrote it: what ran then is charged until then; default: its date"
    )
    parser.add_argument("--sealed", action="store_true", help="take rows of sealed days too, to be decided about")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    options = task.options
    file = JobFile(options["file"], options["cluster"], options["zone"], options["delimiter"])
    try:
        report = Importing(
            file,
            at=timezone.now(),
            saved_at=options["saved_at"] or _saved_at(file.path),
            sealed=options["sealed"],
            dry_run=options["dry_run"],
        ).run()
    except JobFileError as error:
        raise CommandError(str(error)) from error
    task.out.write(json.dumps(report.as_dict()) if options["json"] else _sentences(report, options["dry_run"]))


def _saved_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise JobFileError(f"{path} cannot be read: {error}") from error


def _sentences(report: ImportReport, dry_run: bool) -> str:
    lines = [
        f"{report.rows} rows of {report.gpu_seconds} GPU-seconds: {report.changed} jobs new or changed, "
        f"{report.unreadable} rows newly put aside, {report.held} newly held.",
        *(f"Passed over: {count} {PASSED_OVER[reason]}." for reason, count in report.passed_over.items()),
        *(f"Unreadable: {reason}" for reason in report.reasons),
    ]
    return "\n".join([*lines, *(["Nothing was stored: this was a dry run."] if dry_run else [])])
