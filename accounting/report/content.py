"""What a report says. Amounts are integer GPU-seconds, shares hundredths of a percent, durations seconds.

Nothing in it is translated: names and definitions are kept in both languages, so that a frozen edition can be read in
either, as it was worded then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import override

from accounting.report.indicators import BY_CODE, TABLES
from accounting.report.periods import Period, parse_period
from accounting.statements.content import Name

Figures = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Row:
    """Of a table of use. `parties` are whom it is about: firms, each once, and the projects of other institutions."""

    key: str
    name: Name
    gpu_seconds: int
    projects: int
    parties: int


@dataclass(frozen=True, slots=True)
class Definition:
    name: Name
    words: Name


@dataclass(frozen=True, slots=True)
class Content:
    """`figures` of the period and `so_far` of its year up to its end, by indicator, None where it is not known; targets
    of that year; `behind`: how many parties (Row) stand behind a bundle of figures."""

    period: Period
    figures: Figures
    so_far: Figures
    targets: Mapping[str, int]
    tables: Mapping[str, Sequence[Row]]
    behind: Mapping[str, int]
    version: int
    definitions: Mapping[str, Definition]
    read_until: datetime | None
    verified_until: datetime | None

    def as_json(self) -> dict[str, Any]:
        """As `Edition.figures` keeps it."""
        figures: dict[str, Any] = json.loads(
            json.dumps(asdict(self) | {"period": str(self.period)}, cls=DjangoJSONEncoder)
        )
        return figures

    @property
    def digest(self) -> str:
        """The same for the same figures, whenever they were reckoned."""
        said = {name: value for name, value in self.as_json().items() if name not in ("read_until", "verified_until")}
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Change:
    """A figure in which two readings of a period differ: of an indicator, its year so far, its target, or of a row."""

    part: str
    key: str
    before: int | None
    after: int | None


def content_of(figures: Mapping[str, Any]) -> Content:
    """The content that `Content.as_json` gave."""
    return Content(
        period=parse_period(figures["period"]),
        figures=_in_order(figures["figures"]),
        so_far=_in_order(figures["so_far"]),
        targets=_in_order(figures["targets"]),
        tables={name: [_row(row) for row in rows] for name, rows in _in_order(figures["tables"]).items()},
        behind=figures["behind"],
        version=figures["version"],
        definitions={
            code: Definition(Name(**row["name"]), Name(**row["words"]))
            for code, row in _in_order(figures["definitions"]).items()
        },
        read_until=_moment(figures["read_until"]),
        verified_until=_moment(figures["verified_until"]),
    )


def changes(before: Content, after: Content) -> list[Change]:
    """Every figure in which they differ, in the order of the report; what one of them does not name is None."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return [
        Change(part, key, old.get((part, key)), new.get((part, key)))
        for part, key in dict.fromkeys([*old, *new])
        if old.get((part, key)) != new.get((part, key))
    ]


def _flat(content: Content) -> Iterator[tuple[tuple[str, str], int | None]]:
    yield ("version", ""), content.version
    for part in ("figures", "so_far", "targets"):
        for code, value in getattr(content, part).items():
            yield (part, code), value
    for table, rows in content.tables.items():
        for row in rows:
            yield (table, row.key), row.gpu_seconds
            yield (f"{table}.projects", row.key), row.projects


def _in_order(values: Mapping[str, Any]) -> dict[str, Any]:
    """That of the report: a JSON column keeps none."""
    return {code: values[code] for code in (*BY_CODE, *TABLES) if code in values}


def _row(row: Mapping[str, Any]) -> Row:
    return Row(**{**row, "name": Name(**row["name"])})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def both(words: Any) -> Name:
    """Lazily translated words in both languages."""
    with override("ko"):
        korean = str(words)
    with override("en"):
        return Name(korean, str(words))
