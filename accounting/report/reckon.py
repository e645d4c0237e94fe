"""Reckoning a report from its books: pure but for `reckon`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from statistics import median
from typing import Any

from django.utils.translation import gettext_lazy as _

from accounting.models import Target
from accounting.report.books import FIRM, FIRMS, OTHERS, Books, Party, Use, books_of
from accounting.report.content import Content, Definition, Row, both
from accounting.report.indicators import INDICATORS, TABLES, VERSION
from accounting.report.periods import Period
from accounting.statements.closing import Known
from accounting.statements.content import Name
from accounting.verification.disputes import clear_until
from allocations.fields.choices import DOMAINS
from portal.people.models import Institution

GROUPS = {
    "postech": _("POSTECH"),
    "handong": _("Handong Global University"),
    FIRMS: _("Firms"),
    OTHERS: _("Other institutions"),
}
UNNAMED_DOMAIN = ("", _("Not named"))


def reckon(period: Period, known: Known | None = None) -> Content:
    """The period as all is known of it by now: provisional, whether it is over or not."""
    known = known or Known.now()
    return content_from(
        period,
        books_of(period),
        targets=dict(Target.objects.filter(year=period.first.year).values_list("indicator", "value")),
        read_until=known.read_until,
        verified_until=clear_until(known.covered_until, known.disputed),
    )


def content_from(
    period: Period,
    books: Books,
    *,
    targets: Mapping[str, int],
    read_until: datetime | None,
    verified_until: datetime | None,
) -> Content:
    """The report that these books of the period and its year come to."""
    first, last = period.of_year_so_far
    in_period = _Stretch(books, period.first, last)
    figures = _figures(in_period)
    return Content(
        period=period,
        figures=figures,
        so_far=figures if first == period.first else _figures(_Stretch(books, first, last)),
        targets=targets,
        tables={table: _rows(table, in_period) for table in TABLES},
        behind=_behind(in_period, figures),
        version=VERSION,
        definitions=_definitions(),
        read_until=read_until,
        verified_until=verified_until,
    )


# --- Of one stretch of time ---


class _Stretch:
    """What of the books lies within some months."""

    def __init__(self, books: Books, first: date, last: date) -> None:
        self.books = books
        self.use = [row for row in books.use if first <= row.month <= last]
        self.received = [row for row in books.cases if first <= row.received <= last]
        self.decided = [row for row in books.cases if row.decided and first <= row.decided <= last]
        self.refunds = [row for row in books.refunds if first <= row.month <= last]
        self.capacity = [row for row in books.capacity if first <= row.month <= last]
        self.firms = {row.holding.institution for row in self.use if row.holding.sector == FIRM}
        self.firms_new = {firm for firm in self.firms if books.firm_since[firm] >= first}


def _figures(of: _Stretch) -> dict[str, int | None]:
    selected = [row for row in of.decided if row.selected]
    requested, granted = sum(row.requested for row in of.decided), sum(row.awarded for row in selected)
    waited = [row.waited for row in of.decided]
    return {
        "used": sum(row.gpu_seconds for row in of.use),
        "projects": len({row.holding.project for row in of.use}),
        "people": len({row.user_name for row in of.use}),
        "firms": len(of.firms),
        "firms_new": len(of.firms_new),
        "applications": len(of.received),
        "decided": len(of.decided),
        "selected": len(selected),
        "selection_rate": _share(len(selected), len(of.decided)),
        "requested": requested,
        "granted": granted,
        "granted_share": _share(granted, requested),
        "days_mean": sum(waited) // len(waited) if waited else None,
        "days_median": int(median(waited)) if waited else None,
        "refunded": sum(row.gpu_seconds for row in of.refunds),
        **_capacity(of),
    }


def _capacity(of: _Stretch) -> dict[str, int | None]:
    installed, allocated, down = (
        sum(getattr(row, name) for row in of.capacity) for name in ("installed", "allocated", "down")
    )
    return {
        "installed": installed or None,
        "allocated": allocated if installed else None,
        "allocation_rate": _share(allocated, installed),
        "availability": _share(installed - down, installed),
    }


def _share(part: int, whole: int) -> int | None:
    """In hundredths of a percent, rounded down; None of nothing."""
    return part * 10_000 // whole if whole else None


def _behind(of: _Stretch, figures: Mapping[str, int | None]) -> dict[str, int]:
    """How many parties the figures of each bundle are about."""
    counts = {name: figures[name] or 0 for name in ("projects", "people", "firms", "firms_new")}
    return counts | {
        "used": _parties(row.holding.party for row in of.use),
        "applications": _parties(row.party for row in of.received),
        "decided": _parties(row.party for row in of.decided),
        "selected": _parties(row.party for row in of.decided if row.selected),
        "refunded": _parties(row.party for row in of.refunds),
    }


def _parties(found: Iterable[Party]) -> int:
    return len(set(found))


# --- Tables ---


def _rows(table: str, of: _Stretch) -> list[Row]:
    groups: defaultdict[str, list[Use]] = defaultdict(list)
    for use in of.use:
        groups[getattr(use.holding, table)].append(use)
    return [
        Row(
            key=key,
            name=name,
            gpu_seconds=sum(row.gpu_seconds for row in groups[key]),
            projects=len({row.holding.project for row in groups[key]}),
            parties=_parties(row.holding.party for row in groups[key]),
        )
        for key, name in _names(table, of.books, groups)
    ]


def _names(table: str, books: Books, used: Mapping[str, Sequence[Use]]) -> list[tuple[str, Name]]:
    """The rows of a table: what there may be, also where nothing was used, but for what is seldom there at all."""
    if table == "pool":
        return list({row.pool: row.pool_name for row in books.holdings}.items())
    words: dict[str, Any] = {
        "group": GROUPS,
        "sector": dict(Institution.Kind.choices),
        "domain": dict((*DOMAINS, UNNAMED_DOMAIN)),
    }[table]
    seldom = {Institution.Kind.CENTER, UNNAMED_DOMAIN[0]}
    known = [(key, both(text)) for key, text in words.items() if key in used or key not in seldom]
    return known + [(key, Name(key, key)) for key in used if key not in words]


def _definitions() -> dict[str, Definition]:
    said = {row.code: Definition(both(row.name), both(row.definition)) for row in INDICATORS}
    return said | {table: Definition(both(name), both(words)) for table, (name, words) in TABLES.items()}
