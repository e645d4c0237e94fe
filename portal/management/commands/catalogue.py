"""The Korean catalogue: gather the texts, check that every one is translated, compile."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

NOT_OURS = [".venv", "var", "tests", "static", "staticfiles", "node_modules", "docs"]


class Command(BaseCommand):
    help = "Gather texts into portal/locale/ko (needs gettext), check that every one has its Korean, compile."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--compile", action="store_true", help="only compile what is there (no gettext needed)")
        parser.add_argument("--check", action="store_true", help="fail where a text is missing or not translated")

    def handle(self, *args: Any, compile: bool, check: bool, **options: Any) -> None:
        path = Path(settings.LOCALE_PATHS[0]) / "ko" / "LC_MESSAGES" / "django.po"
        if not compile:
            before = path.read_text()
            _gather(path)
            if check and path.read_text() != before:
                path.write_text(before)
                raise CommandError("The catalogue does not hold today's texts: run `manage.py catalogue`.")
        with path.open("rb") as file:
            catalogue = read_po(file)
        if check:
            wanting = [str(m.id) for m in catalogue if m.id and (m.fuzzy or not _is_translated(m.string))]
            if wanting:
                raise CommandError("Not translated:\n  " + "\n  ".join(wanting))
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, catalogue)
        self.stdout.write(f"{len(catalogue)} texts.")


def _gather(path: Path) -> None:
    """makemessages, without the line numbers and dates that would change the file at every run."""
    ignored = [option for name in NOT_OURS for option in ("--ignore", name)]
    call_command(
        "makemessages", "--locale=ko", "--no-location", "--no-obsolete", "--no-wrap", *ignored,
        stdout=io.StringIO(),
    )  # fmt: skip
    text = path.read_text()
    path.write_text(re.sub(r'"(POT-Creation-Date|PO-Revision-Date|Last-Translator|Language-Team):.*\\n"\n', "", text))


def _is_translated(string: Any) -> bool:
    return all(string) if isinstance(string, (tuple, list)) else bool(string)
