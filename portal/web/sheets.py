"""CSV and XLSX files that a spreadsheet opens as they are meant."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

from django.http import HttpResponse
from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What Excel allows in a sheet's title.
TITLE_LENGTH = 31
NOT_IN_TITLES = str.maketrans(dict.fromkeys("[]:*?/\\", "-"))
WIDEST_COLUMN = 60
# Without it Excel takes UTF-8 for something else and Korean becomes unreadable.
BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
# A cell that begins so is run as a formula by spreadsheets, Korean and Japanese ones take the wide signs too (OWASP,
# CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Echo:
    """A file that hands back what is written, so that a csv.writer can feed a streamed answer."""

    def write(self, text: str) -> str:
        return text


def neutral(value: Any) -> Any:
    """The value, or for text that a spreadsheet would run as a formula, the same behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its title and the heads of its columns. Cells are text, whole numbers or Decimals."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[Any]]


def hours_cell(seconds: int) -> Decimal:
    """Hours with two places, rounded towards zero as on the pages, as a number that a spreadsheet can add."""
    sign = -1 if seconds < 0 else 1
    return Decimal(sign * (abs(seconds) * 100 // 3600)).scaleb(-2)


def csv_file(sheet: Sheet, name: str) -> HttpResponse:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerows([neutral(cell) for cell in row] for row in [sheet.head, *sheet.rows])
    return _file(BYTE_ORDER_MARK + text.getvalue(), "text/csv; charset=utf-8", f"{name}.csv")


def xlsx_file(sheets: Iterable[Sheet], name: str) -> HttpResponse:
    book = Workbook()
    del book[book.active.title]
    for sheet in sheets:
        _add(book, sheet)
    content = BytesIO()
    book.save(content)
    return _file(content.getvalue(), XLSX, f"{name}.xlsx")


def _add(book: Workbook, sheet: Sheet) -> None:
    page = book.create_sheet(sheet.title.translate(NOT_IN_TITLES)[:TITLE_LENGTH])
    for row in [sheet.head, *sheet.rows]:
        page.append([_cell(cell) for cell in row])
    for cell in page[1]:
        cell.font = Font(bold=True)
    page.freeze_panes = "A2"
    for position, cells in enumerate(page.iter_cols(), start=1):
        longest = max(len(str(cell.value or "")) for cell in cells)
        page.column_dimensions[get_column_letter(position)].width = min(WIDEST_COLUMN, longest + 4)


def _cell(value: Any) -> Any:
    """XLSX is XML: a control character in a name would make the file unreadable."""
    return neutral(ILLEGAL_CHARACTERS_RE.sub("", value)) if isinstance(value, str) else value


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    answer = HttpResponse(content, content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
