"""How accounts and projects stand: what was granted, is used, left, reserved, and can start now.

All amounts are integer GPU-seconds. What lines are charged is attributed by accounting/attribution.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet, Sum

from accounting.attribution import Line, Piece, attribute, borders_of, cut, pieces_of
from accounting.history.recompute import runs_of
from accounting.models import Counter, IngestMark, Job, UsageMonth
from accounting.statements.months import month_bounds
from accounting.usage import clipped_seconds, day_bounds, seconds
from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, GrantLine, LedgerEntry, Pool
from portal.prepared import Prepared

# Ledger and grants may also change by hand; everything is attributed anew this often.
SWEEP = timedelta(minutes=10)
ACCOUNTS_AT_ONCE = 200

DAYS_OF_MONTHS = """
    SELECT account_name, day, sum(gpu_seconds)::bigint
    FROM unnest(%s::text[], %s::date[]) AS months (name, month)
    JOIN accounting_usageday ON account_name = name AND day >= month AND day < month + interval '1 month'
    GROUP BY account_name, day
"""


def update_line_charges(*, at: datetime) -> int:
    """Attribute everything anew where lines or ledger may have changed; how many lines now say something else.

    New usage is attributed as it is stored (accounting/history/store.py): with nothing to do two queries.
    """
    mark = IngestMark.current()
    newest = LedgerEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    swept = mark.charged_at is not None and abs(at - mark.charged_at) < SWEEP
    if swept and newest == mark.charged_ledger_entry:
        return 0
    names = list(Account.objects.order_by("name").values_list("name", flat=True))
    changed = sum(recharge(names[first : first + ACCOUNTS_AT_ONCE]) for first in range(0, len(names), ACCOUNTS_AT_ONCE))
    mark.charged_at, mark.charged_ledger_entry = at, newest
    mark.save(update_fields=["charged_at", "charged_ledger_entry"])
    return changed


def recharge(names: Collection[str]) -> int:
    """Bring `charged_gpu_seconds` of these accounts' lines in line with their usage; how many changed."""
    accounts = list(Account.objects.filter(name__in=names))
    lines_by_pool = lines_of({account.project_id for account in accounts})
    pieces = pieces_by_account({row.name: lines_by_pool[row.project_id, row.pool_id] for row in accounts})
    changed = []
    for account in accounts:
        lines = lines_by_pool[account.project_id, account.pool_id]
        charged = attribute(pieces[account.name], lines).charged
        changed += [
            GrantLine(pk=line.key, charged_gpu_seconds=charged[line.key])
            for line in lines
            if line.charged_gpu_seconds != charged[line.key]
        ]
    GrantLine.objects.bulk_update(changed, ["charged_gpu_seconds"])
    return len(changed)


def lines_of(projects: Collection[int]) -> defaultdict[tuple[int, int], list[Line]]:
    """The projects' lines by (project, pool): one query."""
    rows = LINES_OF_ONE(*projects) if len(projects) == 1 else _line_rows(projects)
    lines: defaultdict[tuple[int, int], list[Line]] = defaultdict(list)
    for project, pool, *values in rows:
        lines[project, pool].append(Line(*values))
    return lines


def _line_rows(projects: Collection[int]) -> QuerySet[GrantLine, Any]:
    found: Any = GrantLine.objects.filter(grant__project__in=projects).with_amounts().with_suspensions()
    rows: QuerySet[GrantLine, Any] = found.order_by("grant__starts_at", "pk").values_list(
        "grant__project",
        "pool",
        "pk",
        "grant__starts_at",
        "grant__ends_at",
        "granted",
        "charged_gpu_seconds",
        "suspended",
        "covered",
        "refunded",
    )
    return rows


LINES_OF_ONE = Prepared(lambda project: _line_rows([project]), -1)


def pieces_by_account(lines: Mapping[str, Sequence[Line]], cut_at: datetime | None = None) -> dict[str, list[Piece]]:
    """All that was used in each account, in pieces in which none of its lines opens or closes; none crosses a month.

    Nor `cut_at`. Of the history only months are read, days of months with such a moment inside, and job rows of days
    with one.
    """
    cuts = {
        name: sorted({*borders_of(of_account), *([cut_at] if cut_at else [])}) for name, of_account in lines.items()
    }
    pieces: dict[str, list[Piece]] = {name: [] for name in lines}
    months_by_day = []
    for name, month, gpu_seconds in _use_by_month(lines):
        start, end = month_bounds(month)
        if _is_cut(start, end, cuts[name]):
            months_by_day.append((name, month))
        else:
            pieces[name].append(Piece(start, end, gpu_seconds))
    for name, day, gpu_seconds in _use_by_day(months_by_day):
        start, end = day_bounds(day)
        if _is_cut(start, end, cuts[name]):
            pieces[name] += _day_pieces(name, Piece(start, end, gpu_seconds), cuts[name])
        else:
            pieces[name].append(Piece(start, end, gpu_seconds))
    return pieces


def _is_cut(start: datetime, end: datetime, cuts: Sequence[datetime]) -> bool:
    return any(start < moment < end for moment in cuts)


def _use_by_month(names: Collection[str]) -> Iterable[tuple[str, date, int]]:
    rows = UsageMonth.objects.filter(account_name__in=names).order_by().values_list("account_name", "month")
    return rows.annotate(Sum("gpu_seconds"))


def _use_by_day(months: Sequence[tuple[str, date]]) -> Sequence[tuple[str, date, int]]:
    if not months:
        return []
    names, firsts = zip(*months, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(DAYS_OF_MONTHS, [list(names), list(firsts)])
        return cursor.fetchall()


def _day_pieces(name: str, day: Piece, cuts: Sequence[datetime]) -> list[Piece]:
    """By the job rows, since a second may matter. What they do not account for, where the day is sealed, counts from
    its beginning; what they say too much is taken from its end."""
    runs = list(runs_of(Job.objects.filter(account=name).overlapping(day.start, day.end)))
    pieces = list(pieces_of(runs, day.start, day.end, cuts))
    rest = day.gpu_seconds - sum(piece.gpu_seconds for piece in pieces)
    if rest > 0:
        pieces.insert(0, Piece(*next(cut(day.start, day.end, cuts)), rest))
    while rest < 0:
        last = pieces.pop()
        rest += last.gpu_seconds
        if rest > 0:
            pieces.append(replace(last, gpu_seconds=rest))
    return pieces


# --- How an account stands ---


class Standing(StrEnum):
    """Which of an account's lines its figures are about: the open ones; else the next; else the last."""

    OPEN = "open"
    SUSPENDED = "suspended"
    UPCOMING = "upcoming"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Balance:
    """Figures of one account, or of a project over all its pools (`pool` None).

    `granted` is all that was entered but for refunds, `used` is gross, and `refunded` was given back for jobs: what may
    be used in all is the `entitlement`. `left` and `overrun` are what is missing to it and what goes beyond it: over
    several pools both may be there, since hours of one pool do not stand in for another's. `reserved` and `startable`
    are slurmctld's own at `counted_at`; None where it has not been asked yet. `startable` is 0 where nothing may start,
    whatever is left.
    `exhausted`: slurmctld counts the hours of the account as used up; `stopped`: somebody stopped it in Slurm
    (neither is said of all pools together).
    """

    pool: Pool | None
    standing: Standing
    starts_at: datetime
    ends_at: datetime
    granted: int
    refunded: int
    used: int
    left: int
    overrun: int
    reserved: int | None
    startable: int | None
    counted_at: datetime | None
    exhausted: bool = False
    stopped: bool = False

    @property
    def entitlement(self) -> int:
        return self.granted + self.refunded

    @property
    def is_used_up(self) -> bool:
        """Nothing more can start because the hours are used up: by slurmctld's counter, or already by our ledger."""
        return self.standing is Standing.OPEN and (self.exhausted or self.left < SECONDS_A_MINUTE)

    @property
    def is_all_reserved(self) -> bool:
        """There are hours left, and running jobs hold them all: nothing more can start until one has ended."""
        held = self.startable is not None and self.startable < SECONDS_A_MINUTE
        can_start = self.standing is Standing.OPEN and not self.stopped
        return can_start and held and bool(self.reserved) and not self.is_used_up

    @property
    def last_day(self) -> datetime:
        """A moment of the last day that belongs to the period: its end is exclusive."""
        return self.ends_at - timedelta(seconds=1)

    @property
    def period_seconds(self) -> int:
        return seconds(self.starts_at, self.ends_at)

    def passed_seconds(self, at: datetime) -> int:
        """How much of the period is over."""
        return clipped_seconds(self.starts_at, self.ends_at, self.starts_at, at)

    def days_left(self, at: datetime) -> int:
        """Days begun until the end, today included; 0 once it has ended."""
        return max(0, -((at - self.ends_at) // timedelta(days=1)))


def account_balance(
    pool: Pool,
    lines: Sequence[Line],
    counter: Counter | None,
    at: datetime,
    *,
    exhausted: bool = False,
    stopped: bool = False,
) -> Balance | None:
    """How an account stands by its lines; None where nothing was ever granted. `stopped`: by hand, in Slurm."""
    standing, current = current_lines(lines, at)
    if not current:
        return None
    entitlement = sum(line.granted_gpu_seconds for line in current)
    refunded = sum(line.refunded_gpu_seconds for line in current)
    used = sum(line.charged_gpu_seconds for line in current)
    startable = counter.startable_gpu_seconds if counter else None
    return Balance(
        pool=pool,
        standing=standing,
        starts_at=min(line.starts_at for line in current),
        ends_at=max(line.ends_at for line in current),
        granted=entitlement - refunded,
        refunded=refunded,
        used=used,
        left=max(0, entitlement - used),
        overrun=max(0, used - entitlement),
        reserved=counter.reserved_gpu_seconds if counter else None,
        startable=startable if standing is Standing.OPEN and not stopped else 0,
        counted_at=counter.read_at if counter else None,
        exhausted=exhausted,
        stopped=stopped,
    )


def current_lines(lines: Sequence[Line], at: datetime) -> tuple[Standing, list[Line]]:
    """The lines that count now and why: open ones, else suspended, else those to come, else the last to have ended."""
    if opened := [line for line in lines if line.is_open(at)]:
        return Standing.OPEN, opened
    if suspended := [line for line in lines if line.starts_at <= at < line.ends_at]:
        return Standing.SUSPENDED, suspended
    if upcoming := [line for line in lines if line.starts_at > at]:
        first = min(line.starts_at for line in upcoming)
        return Standing.UPCOMING, [line for line in upcoming if line.starts_at == first]
    last = max((line.ends_at for line in lines), default=at)
    return Standing.ENDED, [line for line in lines if line.ends_at == last]


def total_balance(balances: Sequence[Balance]) -> Balance:
    """All pools together: of those open now where there are any, so that a lapsed pool adds nothing."""
    for standing in Standing:
        if of_standing := [balance for balance in balances if balance.standing is standing]:
            break
    counted = [balance.counted_at for balance in of_standing if balance.counted_at]
    return Balance(
        pool=None,
        standing=standing,
        starts_at=min(balance.starts_at for balance in of_standing),
        ends_at=max(balance.ends_at for balance in of_standing),
        granted=sum(balance.granted for balance in of_standing),
        refunded=sum(balance.refunded for balance in of_standing),
        used=sum(balance.used for balance in of_standing),
        left=sum(balance.left for balance in of_standing),
        overrun=sum(balance.overrun for balance in of_standing),
        reserved=_sum_known([balance.reserved for balance in of_standing]),
        startable=_sum_known([balance.startable for balance in of_standing]),
        counted_at=min(counted, default=None),
    )


def _sum_known(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None
