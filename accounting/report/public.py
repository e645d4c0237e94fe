"""Statistics for everybody: what of the newest editions may be read without signing in."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import http_date
from django.views.decorators.http import require_GET

from accounting.models import Edition
from accounting.report.editions import published
from accounting.report.periods import Kind
from accounting.report.rows import flat_sheet, indicator_rows, tables
from accounting.report.selectors import newest_public
from portal.web.sheets import csv_file

# How long a reader's browser, and for the file any cache on the way, may show the same.
SECONDS_KEPT = 600
LANGUAGE_IS_IN = ["Cookie"]


@require_GET
def statistics(request: HttpRequest) -> HttpResponse:
    """The newest edition of a year, quarter or month; the widest there is where none is named."""
    editions = newest_public()
    if not editions:
        return render(request, "accounting/statistics.html", {"edition": None})
    edition = _chosen(request, editions)
    shown = published(edition)
    context = {
        "edition": edition,
        "editions": [(row, published(row).content.period) for row in editions],
        "period": shown.content.period,
        "content": shown.content,
        "indicators": indicator_rows(shown.content, shown.hidden),
        "tables": tables(shown.content, shown.hidden),
        "is_partial": bool(shown.hidden),
    }
    answer = render(request, "accounting/statistics.html", context)
    # Not by caches on the way: the frame of the page is each reader's own.
    patch_cache_control(answer, private=True, max_age=SECONDS_KEPT if request.user.is_anonymous else 0)
    patch_vary_headers(answer, LANGUAGE_IS_IN)
    return answer


@require_GET
def statistics_csv(request: HttpRequest) -> HttpResponse:
    editions = newest_public()
    if not editions:
        raise Http404
    edition = _chosen(request, editions)
    shown = published(edition)
    answer = csv_file(
        flat_sheet(shown.content, edition.number, shown.hidden, public=True), f"statistics-{edition.number}"
    )
    patch_cache_control(answer, public=True, max_age=SECONDS_KEPT)
    patch_vary_headers(answer, LANGUAGE_IS_IN)
    answer["Last-Modified"] = http_date(edition.frozen_at.timestamp())
    return answer


def _chosen(request: HttpRequest, editions: list[Edition]) -> Edition:
    """By the kind that is asked for. Raises Http404 where there is none of it."""
    kind = request.GET.get("of", editions[0].kind)
    if kind not in Kind:
        raise Http404
    found = next((row for row in editions if row.kind == kind), None)
    if found is None:
        raise Http404
    return found
