"""The figure of the usage page (accounting/charts.py says who draws it)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from accounting.charts import HOVER, graph_objects
from accounting.dashboard.breakdown import MOST_SERIES, Breakdown
from accounting.dashboard.period import Step

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Up to so many days each is named on the axis, so that it does not show hours between them.
FEW_DAYS = 14
A_DAY_MS = 86_400_000


def stacked_figure(found: Breakdown) -> Figure:
    """GPU-hours of each step, one bar on another, who used most at the bottom."""
    go = graph_objects()
    steps = [row.span.begin.isoformat() for row in found.rows]
    colours = [f"var(--series-{number})" for number in range(1, MOST_SERIES + 1)] + ["var(--chart-plan)"]
    bars = [
        go.Bar(
            name=label,
            x=steps,
            y=[round(row.amounts[place] / 3600, 2) for row in found.rows],
            marker={"color": colours[place], "line": {"width": 0}},
            hovertemplate=HOVER,
        )
        for place, label in enumerate(found.labels)
    ]
    layout = {
        "barmode": "stack",
        "bargap": 0.2,
        "showlegend": True,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": _axis(found.asked.step, len(steps)),
        "yaxis": {"title": {"text": _("GPU-hours")}},
    }
    return go.Figure(data=bars, layout=layout)


def _axis(step: Step, steps: int) -> dict[str, Any]:
    """Ticks stand where steps begin, never between them."""
    axis: dict[str, Any] = {"type": "date"}
    if step is Step.MONTH and steps <= FEW_DAYS:
        return axis | {"dtick": "M1"}
    if step is Step.DAY and steps <= FEW_DAYS:
        return axis | {"dtick": A_DAY_MS}
    return axis
