"""What the report counts, and how each is defined in words. An edition keeps the words it was frozen with.

Whoever changes what an indicator means, or how it is reckoned, raises VERSION: readers of an edition see by it that two
editions may not be compared without a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

VERSION = 1


class Unit(StrEnum):
    """In what an indicator is kept."""

    GPU_SECONDS = "gpu_seconds"
    COUNT = "count"
    SHARE = "share"  # in hundredths of a percent
    SECONDS = "seconds"  # shown as days


UNITS = {Unit.GPU_SECONDS: _("GPU-hours"), Unit.SHARE: _("percent"), Unit.SECONDS: _("days")}


@dataclass(frozen=True, slots=True)
class Indicator:
    """Never taken away or kept in another unit, since editions name it by its code. `targeted`: a year may have a
    target for it. `bundle`: the cells of accounting/report/small_cells.py that it is hidden from the public with.
    `counted`: of what it is a count."""

    code: str
    unit: Unit
    name: Any
    definition: Any
    bundle: Sequence[str] = ()
    targeted: bool = False
    counted: Any = None

    @property
    def unit_words(self) -> str:
        return str(self.counted or UNITS[self.unit])


G, C, S, T = Unit.GPU_SECONDS, Unit.COUNT, Unit.SHARE, Unit.SECONDS
PROJECTS, PEOPLE = pgettext_lazy("unit", "projects"), pgettext_lazy("unit", "people")
FIRMS, APPLICATIONS = pgettext_lazy("unit", "firms"), pgettext_lazy("unit", "applications")
INDICATORS: tuple[Indicator, ...] = (
    Indicator("used", G, _("GPU-hours used"),
              _("GPU time held by jobs of projects within the period, to the second, whether a job completed or not. "
                "Refunds are not deducted. Jobs outside the portal's accounts are not counted."),
              bundle=("used",), targeted=True),
    Indicator("projects", C, _("Projects served"), _("Projects that used GPU time in the period."),
              bundle=("used", "projects"), targeted=True, counted=PROJECTS),
    Indicator("people", C, _("People served"),
              _("People who used GPU time in projects, each counted once however many projects they are in."),
              bundle=("used", "people"), targeted=True, counted=PEOPLE),
    Indicator("firms", C, _("Firms served"),
              _("Firms whose projects used GPU time, each counted once however many projects it has."),
              bundle=("used", "firms"), targeted=True, counted=FIRMS),
    Indicator("firms_new", C, _("New firms"),
              _("Of the firms served, those whose projects had not used GPU time before the period."),
              bundle=("firms_new",), targeted=True, counted=FIRMS),
    Indicator("applications", C, _("Applications received"),
              _("Applications handed in for the first time in the period, also where they were withdrawn later."),
              bundle=("applications",), targeted=True, counted=APPLICATIONS),
    Indicator("decided", C, _("Applications decided"),
              _("Applications whose result was announced in the period, or that were found not eligible in it. "
                "A place on the reserve list counts as not selected until it becomes a selection."),
              bundle=("decided",), counted=APPLICATIONS),
    Indicator("selected", C, _("Applications selected"),
              _("Of those decided, the ones that were selected, wholly, in part or with conditions."),
              bundle=("selected",), targeted=True, counted=APPLICATIONS),
    Indicator("selection_rate", S, _("Selection rate"), _("Applications selected in percent of those decided."),
              bundle=("decided", "selected")),
    Indicator("requested", G, _("GPU-hours requested"), _("What the applications decided in the period asked for."),
              bundle=("decided",)),
    Indicator("granted", G, _("GPU-hours granted"), _("What the applications selected in the period were awarded."),
              bundle=("selected",)),
    Indicator("granted_share", S, _("Granted of requested"),
              _("GPU-hours granted in percent of those requested by all applications decided."),
              bundle=("decided", "selected")),
    Indicator("days_mean", T, _("Days to decision, mean"),
              _("Calendar days from the first submission to the announcement, on average over the applications "
                "decided. Time in which an applicant corrected the application is part of it."),
              bundle=("decided",)),
    Indicator("days_median", T, _("Days to decision, median"),
              _("The same as the middle value: half of the applications took no longer."), bundle=("decided",)),
    Indicator("refunded", G, _("GPU-hours refunded"),
              _("GPU time given back in the period for jobs that a failure or maintenance of the center ended."),
              bundle=("refunded",)),
    Indicator("installed", G, _("GPU-hours installed"),
              _("GPUs of the cluster times the hours of the period, outages included. Days of which Slurm has no "
                "figures are left out here and below.")),
    Indicator("allocated", G, _("GPU-hours allocated"),
              _("GPU time held by jobs or reserved for somebody, accounts that are not the portal's included."),
              bundle=("used",)),
    Indicator("allocation_rate", S, _("Allocation rate"),
              _("GPU-hours allocated in percent of those installed. It does not say how busy the GPUs were."),
              bundle=("used",)),
    Indicator("availability", S, _("Availability"),
              _("GPU-hours installed less those in which GPUs had failed, were drained or in maintenance, in percent "
                "of those installed.")),
)  # fmt: skip

BY_CODE = {row.code: row for row in INDICATORS}
TARGETED = tuple(row for row in INDICATORS if row.targeted)

# Tables of use, each a partition of the GPU-hours used; what a table goes by is defined like an indicator.
TABLES: dict[str, tuple[Any, Any]] = {
    "group": (
        _("By institution"),
        _("The institution of a project. Firms stand together in one row, each counted once."),
    ),
    "sector": (_("By sector"), _("The kind of the project's institution.")),
    "domain": (
        _("By field"),
        _("The field named in the application of the project's newest grant that began before the period's end."),
    ),
    "pool": (_("By pool"), _("The pool of the Slurm account. A project may use several.")),
}
