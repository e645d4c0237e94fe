"""What happens next in a project, by date: what is set, and what is expected at the present rate of use."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.translation import gettext as _

from accounting.outlook import Outlook
from accounting.statements.closing import closes_on
from accounting.statements.months import month_before, month_of
from accounting.statements.rows import month_words
from accounting.usage import day_start
from allocations.models import Project
from allocations.selectors.dates import AskedChange, GrantDates, ProjectDates
from allocations.workdays import end_of_day

ONE_SECOND = timedelta(seconds=1)
MOST_SHOWN = 8
# Shares of the award, in percent, whose day is foretold, the next one only.
MILESTONES = (50, 75, 90)


@dataclass(frozen=True, slots=True)
class Coming:
    """`expected`: it is a projection. `late`: it should have been done by then."""

    at: datetime
    text: str
    link: str = ""
    expected: bool = False
    late: bool = False


def agenda(project: Project, dates: ProjectDates, outlooks: Collection[Outlook], at: datetime) -> list[Coming]:
    """The next few, what is late and what comes soonest first."""
    items = [
        *(item for grant in dates.grants for item in _of_grant(project, grant, at)),
        *(_change(project, change, at) for change in dates.changes if change.due_at),
        *(item for outlook in outlooks for item in _expected(outlook, at, named=len(outlooks) > 1)),
        *_statement(project, dates, at),
    ]
    return sorted(items, key=lambda item: item.at)[:MOST_SHOWN]


def _of_grant(project: Project, grant: GrantDates, at: datetime) -> Iterator[Coming]:
    if grant.starts_at > at:
        yield Coming(grant.starts_at, _("The grant opens: jobs can start."))
    if grant.ends_at > at:
        yield Coming(grant.ends_at - ONE_SECOND, _("Last day of the grant; hours left over lapse."))
    if grant.report_due_on:
        due_at = end_of_day(grant.report_due_on)
        link = reverse("final_report", args=[project.code, grant.pk])
        yield Coming(due_at, _("The final report is due."), link, late=due_at < at)


def _change(project: Project, change: AskedChange, at: datetime) -> Coming:
    due_at = change.due_at or at
    text = _("%(change)s: the center decides by then.") % {"change": change.words}
    return Coming(due_at, text, reverse("project_changes", args=[project.code]), late=due_at < at)


def _expected(outlook: Outlook, at: datetime, *, named: bool) -> Iterator[Coming]:
    """At the present rate: the next milestone, and all of the award used."""
    projection, balance = outlook.projection, outlook.balance
    if projection is None or not projection.rate or not balance.left:
        return
    pool = f"{balance.pool.name}: " if named and balance.pool else ""
    for percent in MILESTONES:
        missing = balance.entitlement * percent // 100 - balance.used
        if missing > 0:
            reached = at + timedelta(days=missing // projection.rate)
            if reached < balance.ends_at:
                text = pool + _("%(percent)s %% of the award used") % {"percent": percent}
                yield Coming(reached, text, expected=True)
            break
    if projection.runs_out_on:
        yield Coming(day_start(projection.runs_out_on), pool + _("All hours used"), expected=True)


def _statement(project: Project, dates: ProjectDates, at: datetime) -> Iterable[Coming]:
    """The next one that is closed, where a grant has begun."""
    if not any(grant.starts_at <= at < grant.ends_at for grant in dates.grants):
        return []
    month = month_of(at)
    if closes_on(month_before(month)) > at:
        month = month_before(month)
    text = _("The statement of %(month)s is closed.") % {"month": month_words(month)}
    return [Coming(closes_on(month), text, reverse("statement_list", args=[project.code]))]
