"""manage.py usage rebuild: usage of a project or an account, computed anew from job rows. Needs no Slurm."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import date

from django.core.management.base import CommandError
from django.utils import timezone

from accounting.history.rebuild import Rebuilt, rebuild
from allocations.models import Account
from portal.management.usage.task import Task

NAME = "rebuild"
HELP = "compute usage anew from job rows; exit 1 where something had to be corrected"


def add_arguments(parser: ArgumentParser) -> None:
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--project", help="all its accounts, by the project's code")
    whose.add_argument("--account", help="one account, by Slurm's name")
    parser.add_argument("--year", type=int, help="default: this year")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(task: Task) -> None:
    names, year = _names(task), task.options["year"] or timezone.localdate().year
    rebuilt = rebuild(names, first=date(year, 1, 1), last=date(year, 12, 31))
    if task.options["json"]:
        differing = [[day.isoformat(), account, user] for day, account, user in rebuilt.differing]
        task.out.write(json.dumps({"accounts": names, "differing": differing, "lines": rebuilt.lines}))
    else:
        task.out.write(_sentences(names, year, rebuilt))
    if rebuilt.differing:
        count = len(rebuilt.differing)
        raise CommandError(f"Figures that were not what the job rows say, and are now: {count}.", returncode=1)


def _names(task: Task) -> list[str]:
    if name := task.options["account"]:
        return [name]
    code = task.options["project"]
    names = list(Account.objects.filter(project__code=code).order_by("name").values_list("name", flat=True))
    if not names:
        raise CommandError(f"There is no project {code!r} with accounts.")
    return names


def _sentences(names: list[str], year: int, rebuilt: Rebuilt) -> str:
    lines = [f"Usage of {', '.join(names)} in {year} was computed anew."]
    if rebuilt.first > date(year, 1, 1):
        lines.append(f"Days before {rebuilt.first} are sealed and stayed as they are.")
    lines += [f"{day} {account} {user or 'in all'} was corrected." for day, account, user in rebuilt.differing]
    if rebuilt.lines:
        lines.append(f"{rebuilt.lines} grant lines are charged otherwise than before.")
    return "\n".join(lines if rebuilt.differing or rebuilt.lines else [*lines, "Everything was as it should be."])
