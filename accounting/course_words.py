"""The chart of use over time in a sentence, and the table beside it as a file."""

from __future__ import annotations

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounting.course import Course
from accounting.usage import seconds
from portal.web.sheets import Sheet, hours_cell
from portal.web.templatetags.figures import percent


def course_words(course: Course) -> str:
    """How far use and the period are, and where use is going."""
    passed = seconds(course.start, min(course.at, course.end))
    shares = {
        "used": percent(course.used, course.granted),
        "passed": percent(passed, seconds(course.start, course.end)),
    }
    text = _("Use over time against the linear plan: %(used)s of the award used, %(passed)s of the period passed.")
    return " ".join([text % shares, _expected_words(course)]).strip()


def _expected_words(course: Course) -> str:
    ahead, projection = course.ahead(), course.projection
    if ahead is None or projection is None:
        return ""
    if projection.runs_out_on:
        day = {"day": date_format(projection.runs_out_on, "DATE_FORMAT")}
        return _("At the present rate all hours will be used on %(day)s.") % day
    share = {"share": percent(ahead.end.used, course.granted)}
    return _("At the present rate %(share)s of the award will be used when the grant ends.") % share


def course_sheet(course: Course, title: str) -> Sheet:
    """The rows of the table, the projection first where there is one. Hours with two places, rounded down."""
    head = [
        _("First day"),
        _("Last day"),
        _("Used (GPU-hours)"),
        _("Used since the start"),
        _("By the linear plan"),
        _("Projection"),
    ]
    expected = course.expected()
    rows = [*([(expected, _("yes"))] if expected else []), *((row, "") for row in course.table())]
    cells = [
        [row.first.isoformat(), row.last.isoformat(), *map(hours_cell, (row.used, row.total, row.plan)), mark]
        for row, mark in rows
    ]
    return Sheet(title, head, cells)
