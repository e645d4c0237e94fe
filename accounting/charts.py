"""Plotly figures, built here and drawn by static/js/charts.js, which puts in fonts and the scheme's colours."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from accounting.course import Course
from accounting.usage import SEOUL

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

HOVER = "%{y:,.1f}"


def course_figure(course: Course) -> Figure:
    """Cumulative use against the linear plan and the award, in GPU-hours over the grant's period."""
    # Imported here: it takes a noticeable moment, which management commands and the worker need not spend.
    from plotly import graph_objects as go

    period = [_local(course.start), _local(course.end)]
    points = course.points()
    return go.Figure(
        data=[
            go.Scatter(
                name=_("Used"),
                x=[_local(point.moment) for point in points],
                y=[_hours(point.used) for point in points],
                mode="lines" if len(points) > 2 else "lines+markers",
                line={"color": "var(--series-1)", "width": 3},
                hovertemplate=HOVER,
            ),
            go.Scatter(
                name=_("Linear plan"),
                x=period,
                y=[0, _hours(course.granted)],
                mode="lines",
                line={"color": "var(--chart-plan)", "width": 2, "dash": "dash"},
                hovertemplate=HOVER,
            ),
            go.Scatter(
                name=_("Awarded"),
                x=period,
                y=[_hours(course.granted)] * 2,
                mode="lines",
                line={"color": "var(--chart-plan)", "width": 1, "dash": "dot"},
                hovertemplate=HOVER,
            ),
        ],
        layout={
            "xaxis": {
                "type": "date",
                "range": [period[0], max([period[1], *(_local(point.moment) for point in points[-1:])])],
            },
            "yaxis": {"title": {"text": _("GPU-hours")}},
        },
    )


def _local(moment: datetime) -> str:
    """Without its zone: Plotly draws such times as they are, wherever the reader is."""
    return moment.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M:%S")


def _hours(gpu_seconds: int) -> float:
    return round(gpu_seconds / 3600, 2)
