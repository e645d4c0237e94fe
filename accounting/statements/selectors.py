"""What the pages of statements show: a project's months, one month in its two readings, a month over all projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Max, Min, QuerySet, Sum
from django.utils.translation import gettext as _

from accounting.models import Statement, UsageMonth
from accounting.statements.closing import MAY_BE_SKIPPED, Known, Wait, accounts_of, projects_to_close
from accounting.statements.compose import content_as_now, content_so_far
from accounting.statements.content import Content, PoolMonth, content_of
from accounting.statements.months import month_before, month_of, months_between, next_month
from accounting.statements.rows import Movement, month_words, movements
from allocations.models import Account, LedgerEntry, Project


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One month of a project in a list; `statement` is None while it is open. `now` is what it used by now."""

    month: date
    statement: Statement | None
    now: int

    @property
    def words(self) -> str:
        return month_words(self.month)

    @property
    def address(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def used(self) -> int:
        return self.statement.used_gpu_seconds if self.statement else self.now

    @property
    def differs(self) -> bool:
        return self.statement is not None and self.now != self.statement.used_gpu_seconds


def month_rows(project: Project, at: datetime) -> list[MonthRow]:
    """The open months and the closed ones, newest first: four queries."""
    statements = {row.month: row for row in Statement.objects.filter(project=project).defer("figures")}
    used = _used_by_month(project)
    first = first_month(project)
    if first is None:
        return []
    closed = max([*statements, Statement.objects.aggregate(newest=Max("month"))["newest"] or date.min])
    months = {*statements, *months_between(max(first, next_month(closed)), month_of(at))}
    return [MonthRow(month, statements.get(month), used.get(month, 0)) for month in sorted(months, reverse=True)]


def first_month(project: Project) -> date | None:
    """Of the first entry in a ledger of the project; before it there is nothing to state."""
    first = LedgerEntry.objects.filter(line__grant__project=project).aggregate(first=Min("at"))["first"]
    return month_of(first) if first else None


def _used_by_month(project: Project) -> dict[date, int]:
    names = Account.objects.filter(project=project).values("name")
    rows = UsageMonth.objects.filter(account_name__in=names).order_by().values_list("month")
    return dict(rows.annotate(Sum("gpu_seconds")))


@dataclass(frozen=True, slots=True)
class Reading:
    """A project's month as it is shown: closed, as now, or so far.

    `closed` is what was frozen where the month is closed, `waits` what it waits for where it is not, `now` what is
    known by now to have been used in it.
    """

    project: Project
    content: Content
    statement: Statement | None
    closed: Content | None
    as_now: bool
    waits: list[Wait]
    now: int

    @property
    def differs(self) -> bool:
        """Since it was closed something has become known."""
        return self.closed is not None and self.now != self.closed.used

    @property
    def month_words(self) -> str:
        return month_words(self.content.month)

    @property
    def address(self) -> str:
        return f"{self.content.month:%Y-%m}"

    @property
    def standing(self) -> str:
        """Which reading it is, for files."""
        if self.statement is None:
            return _("Provisional")
        return _("As now") if self.as_now else _("As closed: %(number)s") % {"number": self.statement.number}

    @property
    def pools(self) -> list[PoolReading]:
        return [PoolReading(pool, movements(pool, self.content.month)) for pool in self.content.pools]


@dataclass(frozen=True, slots=True)
class PoolReading:
    pool: PoolMonth
    movements: list[Movement]


def reading_of(project: Project, month: date, at: datetime, *, as_now: bool) -> Reading | None:
    """None where the project has no such month."""
    first = first_month(project)
    if first is None or not first <= month <= month_of(at):
        return None
    statement = Statement.objects.filter(project=project, month=month).first()
    used = _used_by_month(project).get(month, 0)
    if statement is None:
        waits = Known.now().waits(month, at, accounts_of(project))
        return Reading(project, content_so_far(project, month, at), None, None, False, waits, used)
    closed = content_of(statement.figures)
    content = content_as_now(project, month, at) if as_now else closed
    return Reading(project, content, statement, closed, as_now, [], used)


@dataclass(frozen=True, slots=True)
class Missing:
    """A project whose month is not closed; `disputed`: its own usage is not found equal to Slurm's, others' may be."""

    project: Project
    waits: list[Wait]
    disputed: bool


@dataclass(frozen=True, slots=True)
class CenterMonth:
    """A month over all projects: what is closed, what is not, and what all of that waits for."""

    month: date
    closed: QuerySet[Statement]
    missing: list[Missing]
    waits: list[Wait]

    @property
    def words(self) -> str:
        return month_words(self.month)

    @property
    def address(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def totals(self) -> Mapping[str, int]:
        sums = {"used": Sum("used_gpu_seconds", default=0), "corrected": Sum("corrections_gpu_seconds", default=0)}
        return self.closed.aggregate(**sums)

    @property
    def may_be_closed(self) -> bool:
        """By an operator, who need not wait for everything."""
        return bool(self.missing) and MAY_BE_SKIPPED.issuperset(self.waits)


def center_month(month: date, at: datetime) -> CenterMonth:
    closed = Statement.objects.filter(month=month).select_related("project__pi", "project__institution", "closed_by")
    known = Known.now()
    for_all = known.waits(month, at, ())
    missing = []
    for project in projects_to_close(month, at):
        waits = known.waits(month, at, accounts_of(project))
        missing.append(Missing(project, waits, disputed=waits != for_all))
    return CenterMonth(month, closed.order_by("number"), missing, for_all)


def center_months(at: datetime) -> list[date]:
    """Months that are over, since the first entry of any ledger, newest first."""
    first = LedgerEntry.objects.aggregate(first=Min("at"))["first"]
    return sorted(months_between(month_of(first), month_before(month_of(at))), reverse=True) if first else []
