"""The figure of the center's pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from accounting.center.capacity import Capacity, Time
from accounting.charts import HOVER, graph_objects

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def capacity_figure(capacity: Capacity) -> Figure:
    """Where the installed GPU time went, step by step, in GPU-hours: the whole bar is what was installed."""
    go = graph_objects()
    parts: list[tuple[str, str, Callable[[Time], int]]] = [
        (_("Allocated"), "var(--series-1)", lambda time: time.allocated),
        (_("Free"), "var(--chart-grid)", lambda time: time.free),
        (_("Maintenance"), "var(--series-5)", lambda time: time.planned_down),
        (_("Down"), "var(--series-6)", lambda time: time.down),
    ]
    moments = [f"{span.begin:%Y-%m-%d}" for span, _time in capacity.steps]
    return go.Figure(
        data=[
            go.Bar(
                name=name,
                x=moments,
                y=[round(amount(time) / 3600, 1) for _span, time in capacity.steps],
                marker={"color": colour},
                hovertemplate=HOVER,
            )
            for name, colour, amount in parts
            if name != _("Maintenance") or capacity.total.planned_down
        ],
        layout={"barmode": "stack", "xaxis": {"type": "date"}, "yaxis": {"title": {"text": _("GPU-hours")}}},
    )
