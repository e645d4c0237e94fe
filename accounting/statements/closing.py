"""Closing a month: its statements are frozen and numbered once all of it is known, read and held against Slurm's."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounting.models import IngestMark, Statement, UsageMonth, Verification
from accounting.statements.compose import content_to_close
from accounting.statements.content import Content
from accounting.statements.months import month_before, month_bounds, month_of, months_between
from accounting.verification.disputes import clear_until
from allocations.models import Account, LedgerEntry, Project
from allocations.services.numbers import next_number, year_of
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User

log = logging.getLogger(__name__)

# What one run closes at most, so that a month of many projects does not keep the worker from its other duties.
MOST_A_RUN = 50
# What is not closed so long after its day waits for more than the worker's next turn.
PATIENCE = timedelta(days=3)
# How far behind the newest statement one is still looked for that could not be closed with the others.
LOOK_BACK = timedelta(days=365)


class Wait(models.TextChoices):
    """What a month waits for before it is closed. Two of them an operator may decide not to wait for."""

    LASTS = "lasts", gettext_lazy("The period is not over.")
    UNREAD = "unread", gettext_lazy("Not all of its jobs have been read from Slurm yet.")
    DAY = "day", gettext_lazy("Jobs that Slurm reports late are waited for until the set day of the next month.")
    UNVERIFIED = "unverified", gettext_lazy("Its usage has not been found equal to Slurm's own figures yet.")


MAY_BE_SKIPPED = frozenset({Wait.DAY, Wait.UNVERIFIED})


@dataclass(frozen=True, slots=True)
class Known:
    """Up to when jobs were read, and usage found equal to Slurm's own; read once for many projects."""

    read_until: datetime | None
    covered_until: datetime | None
    disputed: list[dict[str, Any]]

    @classmethod
    def now(cls) -> Known:
        last = Verification.objects.first()
        covered, disputed = (last.covered_until, last.disputed) if last else (None, [])
        return cls(IngestMark.current().read_until, covered, disputed)

    def verified_until(self, accounts: Collection[str]) -> datetime | None:
        return clear_until(self.covered_until, self.disputed, accounts)

    def waits(self, month: date, at: datetime, accounts: Collection[str]) -> list[Wait]:
        """Why the month of these accounts is not closed yet, the weightiest first; nothing where it may be."""
        end, verified = month_bounds(month)[1], self.verified_until(accounts)
        if at < end:
            return [Wait.LASTS]
        found = {
            Wait.UNREAD: self.read_until is None or self.read_until < end,
            Wait.DAY: at < closes_on(month),
            Wait.UNVERIFIED: verified is None or verified < end,
        }
        return [wait for wait, applies in found.items() if applies]


def closes_on(month: date) -> datetime:
    """The moment from which the month may be closed."""
    return month_bounds(month)[1] + timedelta(days=settings.STATEMENT_CLOSE_DAY - 1)


def accounts_of(project: Project) -> list[str]:
    return [row.name for row in project.accounts.all()]


# --- By the worker ---


def close_due(at: datetime) -> int:
    """Close what is due, month by month, and as much of it as one run may; how many statements were written.

    A project that cannot be closed keeps no other from its turn, and waits with its later months too.
    """
    closed, stuck, known = 0, set[int](), Known.now()
    for month in months_over(at):
        if known.waits(month, at, ()):
            return closed
        for project in projects_to_close(month, at):
            if closed >= MOST_A_RUN:
                return closed
            if project.pk in stuck:
                continue
            if not known.waits(month, at, accounts_of(project)) and _closed(project, month, at):
                closed += 1
            else:
                stuck.add(project.pk)
    return closed


def _closed(project: Project, month: date, at: datetime) -> bool:
    try:
        statement_close(project=project, month=month, by=None, at=at)
    except (LostRace, Refused) as error:
        log.info("The statement of %s for %s waits: %s", project.code, f"{month:%Y-%m}", error)
        return False
    except Exception:
        log.exception("The statement of %s for %s could not be closed.", project.code, f"{month:%Y-%m}")
        return False
    return True


def months_over(at: datetime) -> Iterator[date]:
    """Months that are over and may have something to close, the oldest first."""
    first = LedgerEntry.objects.aggregate(first=Min("at"))["first"]
    newest = Statement.objects.aggregate(newest=Max("month"))["newest"]
    if first is not None:
        start = max(month_of(first), newest - LOOK_BACK) if newest else month_of(first)
        yield from months_between(start.replace(day=1), month_before(month_of(at)))


def is_overdue(at: datetime) -> bool:
    """Whether statements of the last month that is over should have been closed days ago: a person has to look."""
    month = month_before(month_of(at))
    return at >= closes_on(month) + PATIENCE and _to_close(month, at).exists()


def projects_to_close(month: date, at: datetime) -> list[Project]:
    """Those without a statement for the month or a later one in which something stood or moved.

    Where nothing does any more a correction is enough, in the last month that is over.
    """
    found = _to_close(month, at).select_related("pi", "institution").prefetch_related("accounts")
    return list(found.order_by("code"))


def _to_close(month: date, at: datetime) -> QuerySet[Project]:
    start, end = month_bounds(month)
    stated = Statement.objects.filter(project=OuterRef("pk"), month__gte=month)
    rows = Project.objects.filter(~Exists(stated), created_at__lt=end)
    entries = LedgerEntry.objects.filter(line__grant__project=OuterRef("pk"), at__lt=end)
    due = Q(Exists(entries.filter(Q(at__gte=start) | Q(line__grant__ends_at__gt=start))))
    if month == month_before(month_of(at)):
        due |= ~Q(used_by_now=F("stated_by_now"))
        rows = rows.annotate(used_by_now=_used_until(month), stated_by_now=_stated())
    return rows.filter(due)


def _used_until(month: date) -> Coalesce:
    """What a project used up to the end of the month, as known by now."""
    names = Account.objects.filter(project=OuterRef(OuterRef("pk"))).values("name")
    usage = UsageMonth.objects.filter(account_name__in=names, month__lte=month).order_by().values(one=Value(1))
    return Coalesce(Subquery(usage.annotate(used=Sum("gpu_seconds")).values("used")), 0)


def _stated() -> Coalesce:
    """What a project's statements say in all."""
    statements = Statement.objects.filter(project=OuterRef("pk")).order_by().values("project")
    stated = statements.annotate(stated=Sum(F("used_gpu_seconds") + F("corrections_gpu_seconds")))
    return Coalesce(Subquery(stated.values("stated")), 0)


# --- One statement ---


@transaction.atomic
def statement_close(*, project: Project, month: date, by: User | None, at: datetime, reason: str = "") -> Statement:
    """Freeze a project's month and give it the next number of the year.

    `by` is None for the worker, which waits for everything; an operator may close earlier, with a reason. Raises
    Refused while the month may not be closed or its columns do not add up, LostRace where it or a later one is closed.
    """
    found = Known.now().waits(month, at, accounts_of(project))
    missing = [wait for wait in found if by is None or wait not in MAY_BE_SKIPPED]
    if missing:
        raise Refused(str(missing[0].label))
    project = Project.objects.select_for_update(of=("self",)).select_related("pi", "institution").get(pk=project.pk)
    if Statement.objects.filter(project=project, month__gte=month).exists():
        raise LostRace("statement")
    content = content_to_close(project, month)
    _require_sums(content)
    statement = Statement.objects.create(
        project=project,
        month=month,
        number=next_number(Statement.objects.all(), "number", f"{year_of(at)}-", digits=6),
        figures=content.as_json(),
        used_gpu_seconds=content.used,
        corrections_gpu_seconds=content.corrected,
        closed_at=at,
        closed_by=by,
    )
    said = {"number": statement.number, "month": f"{month:%Y-%m}"} | ({"reason": reason} if by else {})
    action = "statement.closed_by_hand" if by else "statement.closed"
    record(action, target=statement, by=by, at=at, topics=("operations", *project.event_topics()), **said)
    return statement


def _require_sums(content: Content) -> None:
    """Usage may be stored between two readings; what was read then is not of one moment and is not frozen."""
    for pool in content.pools:
        if pool.unaccounted or pool.used != pool.closing.months.get(content.month, 0):
            raise Refused(_("The columns of %(account)s do not add up. Please try again.") % {"account": pool.account})
