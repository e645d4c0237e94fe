"""A call's ranking as a CSV file for the panel, as the reader may see it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from allocations.selectors.panel import Ranking, RankingLine, RankingRow
from portal.web.sheets import BYTE_ORDER_MARK, Echo, neutral
from portal.web.templatetags.figures import hours_text


def ranking_csv(ranking: Ranking) -> Iterator[str]:
    """One line for each application and pool; hours with two places, rounded down."""
    writer = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(
        [
            _("Rank"),
            _("Number"),
            _("Title"),
            _("Applicant"),
            _("Institution"),
            _("Score"),
            _("Spread"),
            _("Reviews in"),
            _("Reviews needed"),
            _("Technical verdict"),
            _("Status"),
            _("Outcome"),
            _("Pool"),
            _("Requested GPU-hours"),
            _("Minimum useful GPU-hours"),
            _("Recommended GPU-hours"),
            _("Awarded GPU-hours"),
        ]
    )
    for row in ranking.rows:
        for line in row.lines:
            yield writer.writerow([neutral(value) for value in [*_application(row), *_line(line)]])


def _application(row: RankingRow) -> list[Any]:
    application, decision = row.application, row.decision
    return [
        row.rank or "",
        application.number,
        application.title,
        application.applicant.display_name,
        str(application.institution),
        "" if row.score is None else row.score,
        "" if row.spread is None else row.spread,
        row.submitted_reviews,
        application.reviews_needed,
        row.technical.label if row.technical else "",
        application.get_status_display(),
        decision.get_outcome_display() if decision else "",
    ]


def _line(line: RankingLine) -> list[str]:
    amounts = [line.requested, line.minimum, line.recommended, line.awarded]
    return [line.pool.name, *("" if value is None else hours_text(value, 2).replace(",", "") for value in amounts)]
