"""Grants as rows of a table: a project, one of its grants and a pool each, with the project's people.

Read from what spreadsheets write (UTF-8 with or without a mark, CP949), with English or Korean column names.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from allocations.forms.amounts import GpuHoursField
from allocations.models import Project
from portal.people.models import cluster_username_validator
from portal.web.sheets import BYTE_ORDER_MARK, FORMULA_STARTS, neutral

# Column -> how Korean files call it. The order is that of the export.
COLUMNS = {
    "project_code": "과제코드",
    "title": "과제명",
    "institution": "기관",
    "pi_email": "연구책임자 이메일",
    "members": "참여연구원",
    "pool": "풀",
    "gpu_hours": "GPU시간",
    "start": "시작일",
    "end": "종료일",
}
OPTIONAL = frozenset({"members"})
# Accounts in Slurm are named after it, so it is a name that Slurm takes as it is.
CODE = re.compile(r"[a-z][a-z0-9_-]{1,11}")
# The portal's own numbers (services/numbers.py); another code that begins so would end its counting.
NUMBERED = re.compile(r"p\d\d")
OWN_NUMBER = re.compile(r"p\d\d\d{3,4}")
DAY = re.compile(r"(\d{4})\s*[-./년]\s*(\d{1,2})\s*[-./월]\s*(\d{1,2})\s*[.일]?")


@dataclass(frozen=True, slots=True)
class BadRow:
    """What is wrong in a file: `line` as an editor counts it, `column` "" where it is about the whole row."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        where = _("line %(line)s") % {"line": self.line}
        return f"{where}, {self.column}: {self.reason}" if self.column else f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Member:
    email: str
    username: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a grant, as written and well-formed. `end` is the last day (inclusive)."""

    line: int
    project_code: str
    title: str
    institution: str
    pi_email: str
    members: tuple[Member, ...]
    pool: str
    gpu_seconds: int
    start: date
    end: date


def read_rows(content: bytes) -> tuple[list[Row], list[BadRow]]:
    """Rows in their order, and everything that is malformed."""
    try:
        reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
        header = next(reader, [])
        columns = [_column(name) for name in header]
        if bad := _bad_header(columns):
            return [], bad
        rows: list[Row] = []
        problems: list[BadRow] = []
        begins = reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                _read_row(begins, dict(zip(columns, cells, strict=False)), rows, problems)
            begins = reader.line_num + 1
    except (UnicodeDecodeError, csv.Error) as error:
        return [], [BadRow(1, "", _("The file is no CSV in UTF-8 or CP949: %(error)s") % {"error": error})]
    return rows, problems


def write_rows(rows: Iterable[Row]) -> str:
    """The same columns as a file that a spreadsheet opens and `read_rows` reads back."""
    target = io.StringIO(newline="")
    target.write(BYTE_ORDER_MARK)
    writer = csv.writer(target)
    writer.writerow(COLUMNS)
    for row in rows:
        members = ";".join(f"{member.email}:{member.username}".rstrip(":") for member in row.members)
        cells = [row.project_code, row.title, row.institution, row.pi_email, members, row.pool]
        days = [row.start.isoformat(), row.end.isoformat()]
        writer.writerow([*map(neutral, cells), GpuHoursField().prepare_value(row.gpu_seconds), *days])
    return target.getvalue()


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp949")


def _column(name: str) -> str:
    """A column by its English or Korean name, written with or without blanks."""
    plain = "".join(name.split()).lower()
    for column, korean in COLUMNS.items():
        if plain in {column, column.replace("_", ""), "".join(korean.split()).lower()}:
            return column
    return plain


def _bad_header(columns: list[str]) -> list[BadRow]:
    missing = [column for column in COLUMNS if column not in columns and column not in OPTIONAL]
    twice = sorted({column for column in columns if columns.count(column) > 1 and column})
    return [
        *(BadRow(1, column, _("The column is missing.")) for column in missing),
        *(BadRow(1, column, _("The column is there twice.")) for column in twice),
    ]


def _read_row(line: int, cells: dict[str, str], rows: list[Row], problems: list[BadRow]) -> None:
    values: dict[str, Any] = {}
    before = len(problems)
    for column in COLUMNS:
        try:
            values[column] = READERS[column](_plain(cells.get(column, "")))
        except ValidationError as error:
            problems.append(BadRow(line, column, " ".join(error.messages)))
    if len(problems) == before and values["end"] < values["start"]:
        problems.append(BadRow(line, "end", _("It ends before it starts.")))
    if len(problems) == before:
        rows.append(Row(line, gpu_seconds=values.pop("gpu_hours"), **values))


def _plain(cell: str) -> str:
    """Without the apostrophe that `neutral` puts before what a spreadsheet would run."""
    cell = cell.strip()
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _code(cell: str) -> str:
    if not CODE.fullmatch(cell):
        raise ValidationError(_("Use 2 to 12 lower-case letters, digits, - and _, starting with a letter."))
    if NUMBERED.match(cell) and not OWN_NUMBER.fullmatch(cell):
        raise ValidationError(_("Codes that begin so are numbered by the portal: p, the year, three digits (p26001)."))
    return cell


def _text_of(most: int) -> Callable[[str], str]:
    field = forms.CharField(max_length=most)
    return lambda cell: str(field.clean(cell))


def _email(cell: str) -> str:
    validate_email(cell)
    return cell.lower()


def _members(cell: str) -> tuple[Member, ...]:
    return tuple(_member(part.strip()) for part in cell.split(";") if part.strip())


def _member(part: str) -> Member:
    email, _colon, username = (piece.strip() for piece in part.partition(":"))
    try:
        validate_email(email)
        if username:
            cluster_username_validator(username)
    except ValidationError as error:
        raise ValidationError(f"{part}: {' '.join(error.messages)}") from None
    return Member(email.lower(), username)


def _day(cell: str) -> date:
    if found := DAY.fullmatch(cell):
        try:
            return date(*map(int, found.groups()))
        except ValueError:
            pass
    raise ValidationError(_("Write a day such as 2026-03-01."))


READERS: dict[str, Callable[[str], Any]] = {
    "project_code": _code,
    "title": _text_of(Project._meta.get_field("title_ko").max_length or 160),
    "institution": _text_of(120),
    "pi_email": _email,
    "members": _members,
    "pool": _text_of(60),
    "gpu_hours": lambda cell: GpuHoursField().clean(cell),
    "start": _day,
    "end": _day,
}


def members_of_rows(rows: Iterable[Row]) -> Iterator[tuple[Row, Member]]:
    """Everybody named, the PI first; who is PI may be named among the members too, with a user name."""
    for row in rows:
        named = {member.email: member for member in row.members}
        yield row, named.pop(row.pi_email, Member(row.pi_email))
        for member in named.values():
            yield row, member
