"""The demo's reports: what the year is to reach, and the months and quarters that are over, frozen."""

from __future__ import annotations

from datetime import datetime

from accounting.models import Edition
from accounting.report.editions import edition_freeze, targets_set, waits_of
from accounting.report.periods import Kind
from accounting.report.reckon import reckon
from accounting.report.selectors import period_rows
from accounting.statements.closing import MAY_BE_SKIPPED
from accounting.usage import day_of
from portal.demo.seed import HOUR, person

TARGETS = {"used": 12_000 * HOUR, "projects": 20, "people": 60, "firms": 8, "firms_new": 8, "applications": 50}


def seed_reports(at: datetime) -> None:
    """Once; what is not all read yet is left for an operator."""
    if Edition.objects.exists():
        return
    by = person("operator")
    targets_set(year=day_of(at).year, values=TARGETS, by=by, at=at)
    for kind in (Kind.MONTH, Kind.QUARTER):
        for row in reversed(period_rows(kind, at)):
            if row.is_over and MAY_BE_SKIPPED.issuperset(waits_of(row.period, at)):
                edition_freeze(period=row.period, seen=reckon(row.period).digest, by=by, at=at)
