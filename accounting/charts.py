"""Plotly figures, built here and drawn by static/js/charts.js, which puts in fonts and the scheme's colours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from accounting.course import Course, Point
from accounting.usage import SEOUL

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

HOVER = "%{y:,.1f}"


@cache
def graph_objects() -> Any:
    """Plotly's, without the template that it would copy into every figure: charts.js brings our own.

    Imported here: it takes a noticeable moment, which management commands and the worker need not spend.
    """
    from plotly import graph_objects as found
    from plotly import io

    io.templates.default = None
    return found


def course_figure(course: Course) -> Figure:
    """Cumulative use against the linear plan and the award, in GPU-hours over the grant's period, and where use is
    going: a dashed line, with a band where the projection gives one."""
    go = graph_objects()
    period = [_local(course.start), _local(course.end)]
    points = course.points
    x, y = _places(points)
    awarded = _line(_("Awarded"), period, [_hours(course.granted)] * 2, color="var(--chart-plan)", width=1, dash="dot")
    plan = _line(_("Linear plan"), period, [0, _hours(course.granted)], color="var(--chart-plan)", width=2, dash="dash")
    used = go.Scatter(
        name=_("Used"),
        x=x,
        y=y,
        mode="lines" if len(points) > 2 else "lines+markers",
        line={"color": "var(--series-1)", "width": 3},
        hovertemplate=HOVER,
    )
    return go.Figure(
        data=[*_ahead(course), used, plan, awarded],
        layout={
            "xaxis": {
                "type": "date",
                "range": [period[0], max([period[1], *x[-1:]])],
            },
            "yaxis": {"title": {"text": _("GPU-hours")}},
        },
    )


def _ahead(course: Course) -> list[Scatter]:
    """The projection from the last point on; its band comes first, so that it lies behind."""
    ahead = course.ahead()
    if ahead is None:
        return []
    go = graph_objects()
    x, y = _places(ahead.points)
    going = _line(_("Projection"), x, y, color="var(--series-1)", width=2, dash="dash")
    if not ahead.low:
        return [going]
    x, y = _places([*ahead.low, *reversed(ahead.high)])
    band = go.Scatter(
        name=_("Likely range"),
        x=x,
        y=y,
        mode="lines",
        line={"width": 0, "color": "var(--series-1)"},
        fill="toself",
        fillcolor="var(--series-1)",
        opacity=0.18,
        hoverinfo="skip",
    )
    return [band, going]


def _places(points: Iterable[Point]) -> tuple[list[str], list[float]]:
    places = [(_local(point.moment), _hours(point.used)) for point in points]
    return [x for x, _y in places], [y for _x, y in places]


def _line(name: str, x: list[str], y: list[float], **line: object) -> Scatter:
    return graph_objects().Scatter(name=name, x=x, y=y, mode="lines", line=line, hovertemplate=HOVER)


def _local(moment: datetime) -> str:
    """Without its zone: Plotly draws such times as they are, wherever the reader is."""
    return moment.astimezone(SEOUL).strftime("%Y-%m-%d %H:%M:%S")


def _hours(gpu_seconds: int) -> float:
    return round(gpu_seconds / 3600, 2)
