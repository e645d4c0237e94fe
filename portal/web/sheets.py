"""CSV files that a spreadsheet opens as they are meant."""

from __future__ import annotations

from typing import Any

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
