"""One mail a project and person for all that is new: PI, delegates, and members with thresholds of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import translation

from accounting.alerts.thresholds import Kind, ProjectThresholds
from accounting.alerts.words import strongest, where, words_of
from accounting.models import Alert
from allocations.mails.grants import managers
from allocations.models import Membership, Project
from portal.people.models import User
from portal.people.permissions import Permission
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post
from portal.web.templatetags.figures import percent


@dataclass(frozen=True, slots=True)
class MailLine:
    head: str
    text: str


def raised(project: Project, alerts: Sequence[Alert], thresholds: ProjectThresholds) -> None:
    for person in _receivers(project, thresholds):
        wanted = [alert for alert in alerts if thresholds.of(person).want(alert) and not _mailed_already(alert)]
        if wanted:
            link = link_to("project_alerts", project.code)
            lines = _lines(wanted, person)
            context = {"project": project, "lines": lines, "alert_count": len(lines)}
            post(MailKind.USAGE, person, "mails/alerts_raised", link=link, **context)


def figures_stale(last_at: datetime | None) -> None:
    for person in User.objects.who_can(Permission.OPERATIONS_CHANGE):
        post(MailKind.USAGE, person, "mails/figures_stale", link=link_to("operations"), last_at=last_at)


def _receivers(project: Project, thresholds: ProjectThresholds) -> Iterator[User]:
    leading = managers(project)
    yield from leading
    active = Membership.objects.filter(project=project, status=Membership.Status.ACTIVE).values("user")
    own = User.objects.filter(Q(pk__in=thresholds.own) & Q(pk__in=active))
    yield from own.exclude(pk__in=[person.pk for person in leading]).order_by("pk")


def _mailed_already(alert: Alert) -> bool:
    """That Slurm lets nothing start any more is a mail of its own (allocations/mails/grants.py)."""
    return alert.kind == Kind.USED and alert.threshold >= 100 and bool(alert.data.get("exhausted"))


def _lines(alerts: Sequence[Alert], person: User) -> list[MailLine]:
    """One to each pool and kind; where several thresholds were passed at once, all of them are named."""
    with translation.override(person.language):
        return [_line(alert, alerts) for alert in strongest(alerts)]


def _line(alert: Alert, alerts: Sequence[Alert]) -> MailLine:
    words = words_of(alert)
    same = sorted(row.threshold for row in alerts if (row.pool_id, row.kind) == (alert.pool_id, alert.kind))
    passed = ""
    if alert.kind == Kind.USED and len(same) > 1:
        percents = ", ".join(percent(threshold, 100) for threshold in same)
        passed = translation.gettext("Passed since the last mail: %(percents)s.") % {"percents": percents}
    return MailLine(f"{where(alert)}: {words.head}", " ".join(filter(None, [passed, words.text])))
