"""The report's pages and files: read by whoever may see the center as a whole, frozen by operators."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls.converters import StringConverter
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from accounting.models import Target
from accounting.report.editions import edition_freeze, targets_set
from accounting.report.forms import FreezeForm, TargetsForm
from accounting.report.periods import Kind, Period, parse_period
from accounting.report.rows import flat_sheet, sheets
from accounting.report.selectors import Reading, period_rows, reading_of
from accounting.usage import day_of
from allocations.services.outcomes import Refused
from allocations.views.base import SignedInRequest, requires
from allocations.workflow import LostRace
from portal.people.permissions import Permission
from portal.web.sheets import csv_file, xlsx_file

PERIODS_A_PAGE = 24
# Years that may have targets.
EARLIEST_YEAR, YEARS_AHEAD = 2020, 5
# In the query string: the period as all is known of it by now, rather than as it was frozen.
NOW = "now"


class PeriodConverter(StringConverter):
    """`2026-10`, `2026Q3` or `2026` in an address."""

    regex = "2[0-9]{3}(?:-[0-9]{2}|Q[1-4])?"

    def to_python(self, value: str) -> Period:  # type: ignore[override]
        return parse_period(value)

    def to_url(self, value: Period | str) -> str:
        return str(value)


@require_GET
@requires(Permission.CENTER_VIEW)
def report_list(request: SignedInRequest) -> HttpResponse:
    kind = request.GET.get("kind", Kind.MONTH)
    if kind not in Kind:
        raise Http404
    rows = period_rows(Kind(kind), timezone.now())
    context = {
        "kind": kind,
        "periods": Paginator(rows, PERIODS_A_PAGE).get_page(request.GET.get("page")),
        "year": day_of(timezone.now()).year,
    }
    return render(request, "accounting/reports.html", context)


@require_GET
@requires(Permission.CENTER_VIEW)
def report(request: SignedInRequest, period: Period) -> HttpResponse:
    """An edition, the newest where none is named; as now; or while there is none, so far."""
    return render(request, "accounting/report.html", {"reading": _reading(request, period)})


@require_GET
@requires(Permission.CENTER_VIEW)
def report_csv(request: SignedInRequest, period: Period) -> HttpResponse:
    reading = _reading(request, period)
    return csv_file(flat_sheet(reading.content, reading.standing), _file_name(reading))


@require_GET
@requires(Permission.CENTER_VIEW)
def report_xlsx(request: SignedInRequest, period: Period) -> HttpResponse:
    reading = _reading(request, period)
    return xlsx_file(sheets(reading.content, reading.standing, reading.changed), _file_name(reading))


@requires(Permission.OPERATIONS_CHANGE)
def freeze(request: SignedInRequest, period: Period) -> HttpResponse:
    """Asks with the figures in sight; what is frozen is what was shown, or nothing."""
    at = timezone.now()
    form = FreezeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            edition = edition_freeze(period=period, seen=form.cleaned_data["seen"], by=request.user, at=at)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect("report", period)
        except LostRace:
            messages.warning(request, _("The figures have changed meanwhile. Please look at them again."))
        else:
            messages.success(request, _("Edition %(number)s is frozen.") % {"number": edition.number})
            return redirect("report", period)
    reading = _reading_as_now(period)
    if not reading.may_be_frozen:
        nothing_new = _("Nothing has changed since the last edition.")
        messages.info(request, nothing_new if reading.says_nothing_new else reading.waits[0].label)
        return redirect("report", period)
    form = FreezeForm(initial={"seen": reading.content.digest})
    return render(request, "accounting/report_freeze.html", {"reading": reading, "form": form})


@requires(Permission.OPERATIONS_CHANGE)
def targets(request: SignedInRequest, year: int) -> HttpResponse:
    if not EARLIEST_YEAR <= year <= day_of(timezone.now()).year + YEARS_AHEAD:
        raise Http404
    found = dict(Target.objects.filter(year=year).values_list("indicator", "value"))
    form = TargetsForm(request.POST if request.method == "POST" else None, targets=found)
    if form.is_valid():
        changed = targets_set(year=year, values=form.values(), by=request.user, at=timezone.now())
        said = _("The targets of %(year)s are saved.") if changed else _("Nothing was changed.")
        messages.success(request, said % {"year": year})
        return redirect("report_list")
    context = {"form": form, "year": year, "earlier": year - 1, "later": year + 1}
    return render(request, "accounting/report_targets.html", context)


def _reading(request: SignedInRequest, period: Period) -> Reading:
    """What the query string asks for. Raises Http404 for a period that has not begun, or an edition there is not."""
    asked = request.GET.get("edition", "")
    number = int(asked) if asked.isdecimal() and len(asked) < 4 else None
    if asked and number is None:
        raise Http404
    reading = reading_of(period, timezone.now(), edition=number, as_now=request.GET.get("as") == NOW)
    if reading is None:
        raise Http404
    return reading


def _reading_as_now(period: Period) -> Reading:
    reading = reading_of(period, timezone.now(), as_now=True)
    if reading is None:
        raise Http404
    return reading


def _file_name(reading: Reading) -> str:
    return f"report-{reading.edition.number if reading.edition else reading.period}"
