"""Sums over whole tables that are read along with another row: many figures in one query."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce


def one_figure(rows: QuerySet[Any], figure: Sum | Count) -> Coalesce:
    """The figure over all of the rows; 0 where there are none."""
    return Coalesce(Subquery(rows.order_by().values(one=Value(1)).annotate(figure=figure).values("figure")), 0)


def count_of(rows: QuerySet[Any]) -> Coalesce:
    return one_figure(rows, Count("pk"))
