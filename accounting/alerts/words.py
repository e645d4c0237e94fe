"""What an alert says, in the reader's language: a head, what it means or what helps, and the page where one goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounting.alerts.thresholds import Kind
from accounting.models import Alert
from portal.web.templatetags.figures import gpu_hours_unit, percent

NEARLY = 90
SOON_DAYS = 14


@dataclass(frozen=True, slots=True)
class Words:
    head: str
    text: str
    page: str = ""
    link_text: str = ""


def words_of(alert: Alert) -> Words:
    return SAY[alert.kind](alert.threshold, alert.data)


def where(alert: Alert) -> str:
    return str(alert.pool.name) if alert.pool else ""


def address(alert: Alert, words: Words) -> str:
    return reverse(words.page, args=[alert.project.code]) if words.page and alert.project else ""


def level(alert: Alert) -> str:
    """The kind of badge it wears."""
    if alert.kind == Kind.USED:
        return "danger" if alert.threshold >= 100 else "warning" if alert.threshold >= NEARLY else "info"
    if alert.kind == Kind.EXPIRY:
        return "warning" if alert.threshold <= SOON_DAYS else "info"
    return "info" if alert.kind == Kind.UNDER else "warning"


def strongest(alerts: Iterable[Alert]) -> list[Alert]:
    """Of each kind in each pool the one that says most: 75 % used says that 50 % are."""
    groups: defaultdict[tuple[int | None, int | None, str], list[Alert]] = defaultdict(list)
    for alert in alerts:
        groups[alert.project_id, alert.pool_id, alert.kind].append(alert)
    return [_strongest(group) for group in groups.values()]


def _strongest(group: Sequence[Alert]) -> Alert:
    pick = min if group[0].kind in (Kind.EXPIRY, Kind.EARLY) else max
    return pick(group, key=lambda alert: alert.threshold)


def _used(threshold: int, data: Any) -> Words:
    if threshold >= 100:
        return Words(
            _("All GPU-hours are used"),
            _("Nothing new starts. PI and delegates can ask for a supplement or move hours from another GPU kind."),
            "project_changes",
            _("Changes of the grant"),
        )
    return Words(
        _("%(share)s of the GPU-hours are used") % {"share": percent(threshold, 100)}, "", "project_use", _("Usage")
    )


def _early(threshold: int, data: Any) -> Words:
    return Words(
        _("The GPU-hours may be used up on %(day)s") % {"day": _day(data["on"])},
        _("That is before %(share)s of the term is over. Plan the rest, or ask for a supplement in time.")
        % {"share": percent(threshold, 100)},
        "project_use",
        _("Usage"),
    )


def _under(threshold: int, data: Any) -> Words:
    shares = {"used": percent(data["used_share"], 100), "passed": percent(data["passed_share"], 100)}
    return Words(
        _("Only %(used)s of the GPU-hours are used, and %(passed)s of the term is over") % shares,
        _("Hours that are not needed can be given back for others."),
        "project_changes",
        _("Changes of the grant"),
    )


def _expiry(threshold: int, data: Any) -> Words:
    return Words(
        _("The grant ends on %(day)s") % {"day": _day(data["on"])},
        _("Unused hours lapse then. PI and delegates can ask for an extension or apply for a renewal."),
        "project_changes",
        _("Changes of the grant"),
    )


def _waste(threshold: int, data: Any) -> Words:
    return Words(
        _("%(share)s of the last seven days' GPU-hours went into jobs that failed")
        % {"share": percent(data["failed"], data["spent"])},
        _("%(hours)s: ended with an error, out of memory, or at their time limit. Look at them before submitting more.")
        % {"hours": gpu_hours_unit(data["failed"])},
        "project_jobs",
        _("Job list"),
    )


def _stale(threshold: int, data: Any) -> Words:
    return Words(
        _("The figures are as of %(moment)s") % {"moment": _moment(data["since"])},
        _("Slurm has not been read since. Limits hold all the same; the figures follow by themselves."),
    )


def _day(iso: str) -> str:
    return date_format(date.fromisoformat(iso), "DATE_FORMAT")


def _moment(iso: str) -> str:
    return date_format(localtime(datetime.fromisoformat(iso)), "DATETIME_FORMAT")


SAY: dict[str, Callable[[int, Any], Words]] = {
    Kind.USED: _used,
    Kind.EARLY: _early,
    Kind.UNDER: _under,
    Kind.EXPIRY: _expiry,
    Kind.WASTE: _waste,
    Kind.STALE: _stale,
}
