"""manage.py grants import|export: the grants of a center that comes from spreadsheets, and the same columns back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from allocations.services.bulk import BadFile, Imported, grants_export, grants_import
from allocations.services.bulk_rows import COLUMNS, BadRow, read_rows, write_rows
from portal.people.models import User
from portal.people.permissions import Permission

EPILOGUE = f"Columns, in English or Korean: {', '.join(f'{name} ({korean})' for name, korean in COLUMNS.items())}."


class Command(BaseCommand):
    help = "Import grants from a CSV file, all or nothing (import), or write them as one (export). " + EPILOGUE

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        importing = actions.add_parser("import", help="make what is not there yet; a second run changes nothing")
        importing.add_argument("file", type=Path)
        importing.add_argument("--by", metavar="EMAIL", help="who answers for it in the ledger: an operator")
        importing.add_argument("--check", action="store_true", help="say what would be made, and make nothing")
        importing.add_argument("--invite", action="store_true", help="tell new people by mail how to sign in")
        actions.add_parser("export", help="write every grant to the standard output")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if action == "export":
            self.stdout.write(write_rows(grants_export()), ending="")
            return
        rows, bad = self._read(options["file"])
        if bad:
            self._refuse(bad)
        try:
            done = grants_import(
                rows=rows,
                by=self._operator(options["by"]),
                at=timezone.now(),
                invite=options["invite"],
                check=options["check"],
            )
        except BadFile as file:
            self._refuse(file.rows)
        self.stdout.write(_sentence(done, check=options["check"]))

    def _read(self, path: Path) -> tuple[list[Any], list[BadRow]]:
        try:
            return read_rows(path.read_bytes())
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from error

    def _operator(self, email: str | None) -> User:
        """Who is named, else the only operator there is."""
        operators = User.objects.who_can(Permission.OPERATIONS_CHANGE)
        if email is not None:
            operators = operators.filter(email__iexact=email)
        found = list(operators[:2])
        if len(found) != 1:
            who = f"{email} is no operator" if email else "There is not exactly one operator"
            raise CommandError(f"{who}: name one with --by EMAIL.")
        return found[0]

    def _refuse(self, bad: list[BadRow]) -> None:
        for row in bad:
            self.stderr.write(str(row))
        self.stderr.write(f"{len(bad)} problems; nothing was imported.")
        sys.exit(1)


def _sentence(done: Imported, *, check: bool) -> str:
    made = (
        f"{done.projects} projects, {done.grants} grants with {done.lines} lines, "
        f"{done.people} people, {done.members} memberships"
    )
    return f"Nothing is wrong. To be made: {made}." if check else f"Made: {made}."
