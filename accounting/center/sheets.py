"""The tables of the center's page as files: what the page shows, from the same figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from accounting.center.capacity import Capacity, Time
from accounting.center.use import CenterUse, Group
from portal.web.sheets import Sheet, hours_cell


def days_sheet(capacity: Capacity, use: CenterUse) -> Sheet:
    head = [_("From"), _("To (inclusive)"), *_time_head()]
    rows = [[span.first.isoformat(), span.last.isoformat(), *_time_cells(time)] for span, time in capacity.steps]
    return Sheet(_("Installed GPU time"), head, rows)


def pools_sheet(capacity: Capacity, use: CenterUse) -> Sheet:
    head = [
        _("Pool"),
        _("GPUs installed"),
        *_time_head(),
        _("Used by projects"),
        _("Awarded"),
        _("Used of it (GPU-hours)"),
    ]
    rows = []
    for pool, group in use.by_pool:
        amounts = map(hours_cell, (group.used, group.granted, group.drawn))
        rows.append([pool.name, pool.gpus, *_time_cells(capacity.by_kind.get(pool.gpu_kind, Time())), *amounts])
    return Sheet(_("By pool"), head, rows)


def institutions_sheet(capacity: Capacity, use: CenterUse) -> Sheet:
    return _groups_sheet(_("Institution"), use.by_institution)


def sectors_sheet(capacity: Capacity, use: CenterUse) -> Sheet:
    return _groups_sheet(_("Sector"), use.by_sector)


def tracks_sheet(capacity: Capacity, use: CenterUse) -> Sheet:
    return _groups_sheet(_("Track"), use.by_track)


def _groups_sheet(what: str, groups: Iterable[Group]) -> Sheet:
    head = [what, _("Projects"), _("Used (GPU-hours)"), _("GPU-seconds"), _("Open projects"), _("Awarded"),
            _("Used of it (GPU-hours)")]  # fmt: skip
    rows: list[list[Any]] = [
        [g.label, len(g.projects), hours_cell(g.used), g.used, len(g.open_projects), hours_cell(g.granted),
         hours_cell(g.drawn)]
        for g in groups
    ]  # fmt: skip
    return Sheet(what, head, rows)


def _time_head() -> list[str]:
    return [
        _("Installed (GPU-hours)"),
        _("Allocated"),
        _("Free"),
        _("Maintenance"),
        _("Down"),
        _("Allocation rate (%)"),
        _("Availability (%)"),
    ]


def _time_cells(time: Time) -> list[Any]:
    amounts = (time.installed, time.allocated, time.free, time.planned_down, time.down)
    rates = (_percent(part, time.installed) for part in (time.allocated, time.available))
    return [*map(hours_cell, amounts), *rates]


def _percent(part: int, whole: int) -> Any:
    """With one place, rounded down as on the pages; empty where there is no whole."""
    return Decimal(part * 1000 // whole).scaleb(-1) if whole else ""


SHEETS: Mapping[str, Callable[[Capacity, CenterUse], Sheet]] = {
    "days": days_sheet,
    "pools": pools_sheet,
    "institutions": institutions_sheet,
    "sectors": sectors_sheet,
    "tracks": tracks_sheet,
}
