"""A project's statements: for its PI and members, and for operators."""

from __future__ import annotations

from datetime import date

from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls.converters import StringConverter
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounting.statements.months import parse_month
from accounting.statements.rows import entries_sheet, flat_sheet, summary_sheet, use_sheet
from accounting.statements.selectors import Reading, month_rows, reading_of
from allocations.models import Project
from allocations.views.base import SignedInRequest, signed_in
from portal.web.sheets import csv_file, xlsx_file

MONTHS_A_PAGE = 24
# In the query string: the month as all is known of it by now, rather than as it was closed.
NOW = "now"


class MonthConverter(StringConverter):
    """`2026-03` in an address."""

    regex = "[0-9]{4}-[0-9]{2}"

    def to_python(self, value: str) -> date:  # type: ignore[override]
        return parse_month(value)

    def to_url(self, value: date | str) -> str:
        return f"{value:%Y-%m}" if isinstance(value, date) else value


@require_GET
@signed_in
def statement_list(request: SignedInRequest, code: str) -> HttpResponse:
    project = _project(request, code)
    months = Paginator(month_rows(project, timezone.now()), MONTHS_A_PAGE)
    context = {"project": project, "months": months.get_page(request.GET.get("page"))}
    return render(request, "accounting/statements.html", context)


@require_GET
@signed_in
def statement(request: SignedInRequest, code: str, month: date) -> HttpResponse:
    """One month: as closed, or as now; while it is open, so far."""
    reading = _reading(request, code, month)
    return render(request, "accounting/statement.html", {"project": reading.project, "reading": reading})


@require_GET
@signed_in
def statement_csv(request: SignedInRequest, code: str, month: date) -> HttpResponse:
    reading = _reading(request, code, month)
    return csv_file(flat_sheet(reading.content, reading.standing), _file_name(reading))


@require_GET
@signed_in
def statement_xlsx(request: SignedInRequest, code: str, month: date) -> HttpResponse:
    reading = _reading(request, code, month)
    content = reading.content
    sheets = [summary_sheet(content, reading.standing), use_sheet(content), entries_sheet(content)]
    return xlsx_file(sheets, _file_name(reading))


def _project(request: SignedInRequest, code: str) -> Project:
    rows = Project.objects.visible_to(request.user).select_related("pi", "institution")
    return get_object_or_404(rows, code=code)


def _reading(request: SignedInRequest, code: str, month: date) -> Reading:
    as_now = request.GET.get("as") == NOW
    reading = reading_of(_project(request, code), month, timezone.now(), as_now=as_now)
    if reading is None:
        raise Http404
    return reading


def _file_name(reading: Reading) -> str:
    number = reading.statement.number if reading.statement and not reading.as_now else reading.address
    return f"{reading.project.code}-{number}"
