"""A project's ledger 원장: every entry of its grant lines with what stood after it, on a page and as a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet, Sum, Window
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting.job_keys import job_numbers
from allocations.models import GrantLine, LedgerEntry, Project
from allocations.selectors.reports import last_day
from allocations.views.base import SignedInRequest, signed_in
from portal.web.sheets import Sheet, csv_file, hours_cell

ENTRIES_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class LineRow:
    line: GrantLine
    last_day: date


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """An entry, the sum of its line after it, and the number of the job that it is about."""

    entry: LedgerEntry
    running: int
    job: str


def ledger_entries(project: Project) -> QuerySet[LedgerEntry]:
    """Newest first, each with `running`: the sum of its line up to it."""
    running = Window(Sum("gpu_seconds"), partition_by="line", order_by="pk")
    rows = LedgerEntry.objects.filter(line__grant__project=project).annotate(running=running)
    return rows.select_related("line__grant__application", "line__grant__project", "line__pool", "by").order_by("-pk")


def with_jobs(entries: Iterable[Any]) -> list[LedgerRow]:
    """Rows of `ledger_entries`: two queries."""
    entries = list(entries)
    numbers = job_numbers(row.job_key for row in entries)
    return [LedgerRow(row, row.running, numbers.get(row.job_key, "")) for row in entries]


@require_GET
@signed_in
def ledger(request: SignedInRequest, code: str) -> HttpResponse:
    project = _project(request, code)
    lines = GrantLine.objects.filter(grant__project=project).with_amounts()
    lines = lines.select_related("grant__application", "grant__project", "pool").order_by("-grant__starts_at", "pk")
    page = Paginator(ledger_entries(project), ENTRIES_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "lines": [LineRow(row, last_day(row.grant)) for row in lines],
        "page": page,
        "rows": with_jobs(page.object_list),
    }
    return render(request, "accounting/ledger.html", context)


@require_GET
@signed_in
def ledger_csv(request: SignedInRequest, code: str) -> HttpResponse:
    project = _project(request, code)
    head = [_("Date"), _("Pool"), _("Grant"), _("Kind"), _("Reason"), _("By"), _("Job"), _("GPU-hours"),
            _("GPU-seconds"), _("GPU-seconds of the grant after it")]  # fmt: skip
    rows = with_jobs(ledger_entries(project).order_by("pk"))
    return csv_file(Sheet(_("Ledger"), head, [_cells(row) for row in rows]), f"{project.code}-ledger")


def _cells(row: LedgerRow) -> list[Any]:
    entry = row.entry
    said = [str(entry.get_kind_display()), entry.reason, entry.by.display_name if entry.by else "", row.job]
    what = [localtime(entry.at).date().isoformat(), entry.line.pool.name, entry.line.grant.reference, *said]
    return [*what, hours_cell(entry.gpu_seconds), entry.gpu_seconds, row.running]


def _project(request: SignedInRequest, code: str) -> Project:
    return get_object_or_404(Project.objects.visible_to(request.user), code=code)
