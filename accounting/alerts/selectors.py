"""What stands of a project's alerts for one reader: on the home page, at the head of a project's pages, and in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse

from accounting.alerts.evaluate import is_stale
from accounting.alerts.thresholds import Kind, own_thresholds, read_own
from accounting.alerts.words import Words, address, level, strongest, where, words_of
from accounting.models import Alert, HiddenAlert, IngestMark
from allocations.models import Project
from portal.people.models import User

LEVELS = ("danger", "warning", "info")


@dataclass(frozen=True, slots=True)
class ShownAlert:
    """`where` is the pool. `hide_address` is empty where it cannot be hidden: it goes by itself."""

    alert: Alert
    words: Words
    level: str
    where: str
    address: str
    hide_address: str


def alerts_for(user: User, at: datetime, project: Project | None = None) -> list[ShownAlert]:
    """What stands and the reader has not hidden, by the thresholds that are theirs, the most pressing first.

    On the home page (`project` None) of the projects one belongs to, and with a word where figures are old; of one
    project for whoever may see it. At most three queries.
    """
    standing = _standing(user).filter(project__in=[project] if project else Project.objects.of(user))
    alerts = standing.select_related("project", "pool").annotate(thresholds=own_thresholds(user))
    wanted = [alert for alert in alerts if read_own(alert.thresholds).want(alert)]
    shown = sorted(map(_shown, strongest(wanted)), key=lambda row: LEVELS.index(row.level))
    return shown if project else [*_stale(user, at), *shown]


def alerts_of(project: Project) -> QuerySet[Alert]:
    """All that was ever said of the project, the latest first."""
    return Alert.objects.filter(project=project).select_related("project", "pool")


def as_shown(alerts: Iterable[Alert]) -> list[ShownAlert]:
    return [_shown(alert) for alert in alerts]


def _standing(user: User) -> QuerySet[Alert]:
    hidden = HiddenAlert.objects.filter(alert=OuterRef("pk"), user=user)
    return Alert.objects.filter(~Exists(hidden), over_at=None)


def _shown(alert: Alert) -> ShownAlert:
    words = words_of(alert)
    hide = reverse("project_alert_hide", args=[alert.project.code, alert.pk]) if alert.project else ""
    return ShownAlert(alert, words, level(alert), where(alert), address(alert, words), hide)


def _stale(user: User, at: datetime) -> list[ShownAlert]:
    """Asked of the figures themselves: while the worker stands still nobody writes an alert down."""
    last = IngestMark.current().last_run_at
    if last is None or not is_stale(last, at) or not Project.objects.of(user).exists():
        return []
    return [_shown(Alert(kind=Kind.STALE, threshold=0, data={"since": last.isoformat()}, raised_at=at))]
