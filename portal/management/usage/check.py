"""manage.py usage check: the portal's own books held against themselves. Needs no Slurm."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable

from django.core.management.base import CommandError, OutputWrapper
from django.utils import timezone, translation

from accounting.ledger_check.findings import Result
from accounting.ledger_check.run import check_ledger, results_of
from portal.management.usage.task import Task

NAME = "check"
HELP = "compute every kept sum anew; exit 1 where one is not what it should be"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    check = check_ledger(at=timezone.now())
    if task.options["json"]:
        task.out.write(json.dumps({"at": check.at.isoformat(), "results": check.results, "wrong": check.wrong}))
    else:
        with translation.override("en"):  # as all that this command says
            _print(task.out, results_of(check))
    if check.wrong:
        raise CommandError(f"{check.wrong:,} sums are not what they should be.", returncode=1)


def _print(out: OutputWrapper, results: Iterable[Result]) -> None:
    for result in results:
        out.write(f"{result.title}: {result.checked:,} checked, {result.wrong:,} wrong")
        for sentence in result.named:
            out.write(f"  {sentence}")
        if result.unnamed:
            out.write(f"  … and {result.unnamed:,} more")
