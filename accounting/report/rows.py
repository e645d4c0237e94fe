"""A report as rows in the reader's language: the same for the page, the CSV file and the workbook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounting.report.content import Change, Content
from accounting.report.indicators import BY_CODE, Unit
from accounting.report.small_cells import Key
from portal.web.sheets import Sheet, hours_cell
from portal.web.templatetags.figures import gpu_hours

DAY = 86_400
NOTHING_HIDDEN: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in its unit, as text and as a number for a spreadsheet; `hidden` from whoever reads it here."""

    value: int | None
    unit: Unit
    hidden: bool = False

    def __str__(self) -> str:
        if self.hidden:
            return _("not shown")
        if self.value is None:
            return "–"
        if self.unit == Unit.GPU_SECONDS:
            return gpu_hours(self.value)
        return f"{self.value:,}" if self.unit == Unit.COUNT else f"{self._decimal(1):,}"

    @property
    def cell(self) -> Any:
        if self.hidden:
            return _("not shown")
        if self.value is None:
            return ""
        if self.unit == Unit.GPU_SECONDS:
            return hours_cell(self.value)
        return self.value if self.unit == Unit.COUNT else self._decimal(2)

    def _decimal(self, places: int) -> Decimal:
        """Percent or days, rounded down."""
        whole = 100 if self.unit == Unit.SHARE else DAY
        return Decimal((self.value or 0) * 10**places // whole).scaleb(-places)


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """`reached`: the year so far in percent of its target."""

    code: str
    name: str
    words: str
    figure: Figure
    so_far: Figure
    target: Figure
    reached: Figure

    @property
    def unit_words(self) -> str:
        return BY_CODE[self.code].unit_words


@dataclass(frozen=True, slots=True)
class TableRow:
    key: str
    name: str
    used: Figure
    projects: Figure
    share: Figure


@dataclass(frozen=True, slots=True)
class Table:
    key: str
    name: str
    words: str
    rows: Sequence[TableRow]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    part: str
    name: str
    before: Figure
    after: Figure


def indicator_rows(content: Content, hidden: frozenset[Key] = NOTHING_HIDDEN) -> list[IndicatorRow]:
    return [_indicator_row(content, code, hidden) for code in content.figures]


def _indicator_row(content: Content, code: str, hidden: frozenset[Key]) -> IndicatorRow:
    indicator, said = BY_CODE[code], content.definitions[code]
    so_far, target = content.so_far[code], content.targets.get(code)
    reached = so_far * 10_000 // target if target and so_far is not None else None
    return IndicatorRow(
        code=code,
        name=str(said.name),
        words=str(said.words),
        figure=Figure(content.figures[code], indicator.unit, any((cell, "") in hidden for cell in indicator.bundle)),
        so_far=Figure(so_far, indicator.unit),
        target=Figure(target, indicator.unit),
        reached=Figure(reached, Unit.SHARE),
    )


def tables(content: Content, hidden: frozenset[Key] = NOTHING_HIDDEN) -> list[Table]:
    return [_table(content, key, hidden) for key in content.tables]


def _table(content: Content, key: str, hidden: frozenset[Key]) -> Table:
    said, total = content.definitions[key], content.figures["used"] or 0
    no_total = ("used", "") in hidden
    rows = []
    for row in content.tables[key]:
        away = (key, row.key) in hidden
        rows.append(
            TableRow(
                key=row.key,
                name=str(row.name),
                used=Figure(row.gpu_seconds, Unit.GPU_SECONDS, away),
                projects=Figure(row.projects, Unit.COUNT, away),
                share=Figure(row.gpu_seconds * 10_000 // total if total else None, Unit.SHARE, away or no_total),
            )
        )
    return Table(key, str(said.name), str(said.words), rows)


def change_rows(found: Sequence[Change], content: Content) -> list[ChangeRow]:
    """What changed, in words; `content` names the rows."""
    parts = {
        "version": _("Version of the definitions"),
        "figures": _("Of the period"),
        "so_far": _("Of the year so far"),
        "targets": _("Target of the year"),
        **{table: str(content.definitions[table].name) for table in content.tables},
        **{f"{table}.projects": str(content.definitions[table].name) for table in content.tables},
    }
    return [_change_row(row, parts[row.part], content) for row in found if row.part in parts]


def _change_row(row: Change, part: str, content: Content) -> ChangeRow:
    if row.part == "version":
        name, unit = "", Unit.COUNT
    elif row.part in ("figures", "so_far", "targets"):
        name, unit = str(BY_CODE[row.key].name), BY_CODE[row.key].unit
    else:
        table, _dot, counts = row.part.partition(".")
        names = {found.key: str(found.name) for found in content.tables[table]}
        name = names.get(row.key, row.key)
        name, unit = (f"{name}, {_('projects')}", Unit.COUNT) if counts else (name, Unit.GPU_SECONDS)
    return ChangeRow(part, name, Figure(row.before, unit), Figure(row.after, unit))


# --- Files ---


def sheets(content: Content, standing: str, found: Sequence[ChangeRow] = ()) -> list[Sheet]:
    """The workbook: indicators, a sheet for each table, definitions, and what changed since the last edition."""
    changed = [Sheet(_("What changed"), [_("Where"), _("Item"), _("Before"), _("After")], _change_cells(found))]
    return [
        _summary(content, standing),
        *[_table_sheet(table) for table in tables(content)],
        _definitions(content, standing),
        *(changed if found else ()),
    ]


def _summary(content: Content, standing: str) -> Sheet:
    head = [_("Indicator"), _("Unit"), content.period.words, _("Year so far"), _("Target of the year"),
            _("Reached in percent"), _("Standing")]  # fmt: skip
    rows = [
        [row.name, row.unit_words, row.figure.cell, row.so_far.cell, row.target.cell, row.reached.cell, standing]
        for row in indicator_rows(content)
    ]
    return Sheet(_("Indicators"), head, rows)


def _table_sheet(table: Table) -> Sheet:
    head = [_("Item"), _("GPU-hours"), _("GPU-seconds"), _("Share in percent"), _("Projects")]
    rows = [[row.name, row.used.cell, row.used.value, row.share.cell, row.projects.cell] for row in table.rows]
    return Sheet(table.name, head, rows)


def _definitions(content: Content, standing: str) -> Sheet:
    said: list[Sequence[Any]] = [[str(row.name), str(row.words)] for row in content.definitions.values()]
    moments = {_("Jobs read up to"): content.read_until, _("Verified against Slurm up to"): content.verified_until}
    known = [[words, f"{localtime(moment):%Y-%m-%d %H:%M}" if moment else ""] for words, moment in moments.items()]
    version = [_("Version of the definitions"), content.version]
    return Sheet(
        _("Definitions"), [_("Indicator"), _("Definition")], [*said, version, *known, [_("Standing"), standing]]
    )


def _change_cells(found: Sequence[ChangeRow]) -> list[Sequence[Any]]:
    return [[row.part, row.name, row.before.cell, row.after.cell] for row in found]


def flat_sheet(
    content: Content, standing: str, hidden: frozenset[Key] = NOTHING_HIDDEN, *, public: bool = False
) -> Sheet:
    """All of it as one table, for a CSV file; the public one has neither the year so far nor targets."""
    head = [_("Reported period"), _("Standing"), _("Table"), _("Item"), _("Unit"), _("Value")]
    more = [] if public else [_("Year so far"), _("Target of the year"), _("Reached in percent")]
    rows: list[Sequence[Any]] = []
    for row in indicator_rows(content, hidden):
        beside = [] if public else [row.so_far.cell, row.target.cell, row.reached.cell]
        rows.append([_("Indicators"), row.name, row.unit_words, row.figure.cell, *beside])
    nothing = [""] * len(more)
    for table in tables(content, hidden):
        for part in table.rows:
            rows.append([table.name, part.name, _("GPU-hours"), part.used.cell, *nothing])
            rows.append([table.name, part.name, _("projects"), part.projects.cell, *nothing])
    whose = [str(content.period), standing]
    return Sheet(_("Report"), [*head, *more], [[*whose, *row] for row in rows])
