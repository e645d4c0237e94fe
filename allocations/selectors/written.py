"""A proposal as it reads: its sections with label and text of everything that is written."""

from __future__ import annotations

from dataclasses import dataclass

from allocations.fields import FIELDS, Kind, Section
from allocations.models import Application
from allocations.services.versions import pool_names, snapshot_of, text_of


@dataclass(frozen=True, slots=True)
class WrittenRow:
    name: str
    label: str
    text: str
    long: bool


@dataclass(frozen=True, slots=True)
class WrittenSection:
    section: Section
    rows: list[WrittenRow]

    @property
    def short_rows(self) -> list[WrittenRow]:
        return [row for row in self.rows if not row.long]

    @property
    def long_rows(self) -> list[WrittenRow]:
        return [row for row in self.rows if row.long]


# Shown by links and by the page's head.
LEFT_OUT = frozenset({"attachments", "title_ko", "title_en"})


def written(application: Application) -> list[WrittenSection]:
    """Sections in the form's order, without what is empty."""
    snapshot, pools = snapshot_of(application), pool_names()
    sections: dict[Section, list[WrittenRow]] = {section: [] for section in Section}
    for field in FIELDS:
        if field.name in LEFT_OUT:
            continue
        text = text_of(field, snapshot.get(field.name), pools)
        if text:
            row = WrittenRow(field.name, str(field.label), text, field.kind == Kind.TEXT)
            sections[field.section].append(row)
    return [WrittenSection(section, rows) for section, rows in sections.items() if rows]
