"""The tables of the usage page as files: what the page shows, from the same queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils.translation import gettext as _

from accounting.dashboard.breakdown import breakdown
from accounting.dashboard.calendar import calendar
from accounting.dashboard.ends import ends
from accounting.dashboard.forms import Asked
from accounting.dashboard.waits import waits
from accounting.words import state_words
from portal.web.sheets import Sheet, hours_cell


@dataclass(frozen=True, slots=True)
class Source:
    """What a table is read from: what was asked for, the project's accounts with their pools' names, and before which
    day job rows may be gone."""

    asked: Asked
    accounts: Mapping[str, str]
    sealed_before: date | None


def steps_sheet(source: Source) -> Sheet:
    """Use over time, a column for each group, also for those that the page shows as one."""
    found = breakdown(source.asked, source.accounts)
    head = [_("From"), _("To (inclusive)"), *[group.full_label for group in found.groups], _("GPU-hours"),
            _("GPU-seconds"), _("Jobs started")]  # fmt: skip
    rows: list[list[Any]] = []
    for row in found.rows:
        amounts = [hours_cell(amount) for amount in found.all_amounts(row.span)]
        days = [row.span.first.isoformat(), row.span.last.isoformat()]
        rows.append([*days, *amounts, hours_cell(row.gpu_seconds), row.gpu_seconds, row.jobs])
    return Sheet(_("Use in the course of the period"), head, rows)


def groups_sheet(source: Source) -> Sheet:
    found = breakdown(source.asked, source.accounts)
    head = [source.asked.by.label, _("User name"), _("GPU-hours"), _("GPU-seconds"), _("Jobs started")]
    rows = [[g.label, g.note, hours_cell(g.gpu_seconds), g.gpu_seconds, g.jobs] for g in found.groups]
    return Sheet(_("Use in the period"), [str(cell) for cell in head], rows)


def days_sheet(source: Source) -> Sheet:
    period = source.asked.period
    by_day = calendar(period, source.accounts).by_day
    days = [period.first + timedelta(days=number) for number in range(period.days)]
    rows = [[day.isoformat(), hours_cell(by_day.get(day, 0)), by_day.get(day, 0)] for day in days]
    return Sheet(_("Day by day"), [_("Day"), _("GPU-hours"), _("GPU-seconds")], rows)


def ends_sheet(source: Source) -> Sheet:
    head = [_("How it ended"), _("Slurm's state"), _("GPU-hours"), _("GPU-seconds"), _("Jobs started")]
    found = ends(source.asked.period, source.accounts)
    rows = [
        [str(state_words(row.state).words), row.state, hours_cell(row.gpu_seconds), row.gpu_seconds, row.jobs]
        for row in found.rows
    ]
    return Sheet(_("How jobs ended"), head, rows)


def waits_sheet(source: Source) -> Sheet:
    head = [_("GPUs of the job"), _("Jobs started"), _("Half waited at most (s)"), _("Nine in ten waited at most (s)")]
    found = waits(source.asked.period, source.accounts, source.sealed_before)
    total = [found.total] if found.total else []
    return Sheet(_("Wait times"), head, [[row.words, row.jobs, row.half, row.most] for row in [*found.rows, *total]])


def limits_sheet(source: Source) -> Sheet:
    found = waits(source.asked.period, source.accounts, source.sealed_before).limits
    head = [_("Jobs that ran through"), _("Half used at most (% of --time)"), _("Used less than half of it"),
            _("Reached it")]  # fmt: skip
    rows = [[found.jobs, found.half, found.under_half, found.reached]] if found else []
    return Sheet(_("Time asked for"), head, rows)


SHEETS: Mapping[str, Callable[[Source], Sheet]] = {
    "time": steps_sheet,
    "groups": groups_sheet,
    "days": days_sheet,
    "ends": ends_sheet,
    "waits": waits_sheet,
    "limits": limits_sheet,
}
