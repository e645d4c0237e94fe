"""How accounts and projects stand: what was granted, is used, left, reserved, and can start now.

All amounts are integer GPU-seconds. What lines are charged is attributed by accounting/attribution.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Max, Sum

from accounting.attribution import Line, Piece, attribute, borders_of, pieces_of
from accounting.models import Counter, IngestMark, Job, UsageDay
from accounting.recompute import runs_of
from accounting.usage import clipped_seconds, day_bounds, seconds
from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, GrantLine, LedgerEntry, Pool

# Ledger and grants may also change by hand; everything is attributed anew this often.
SWEEP = timedelta(minutes=10)
ACCOUNTS_AT_ONCE = 200


def update_line_charges(*, at: datetime) -> int:
    """Attribute everything anew where lines or ledger may have changed; how many lines now say something else.

    New usage is attributed as it is stored (accounting/store.py), so a call with nothing to do costs two queries.
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
    usage = _usage_by_day(names)
    changed = []
    for account in accounts:
        lines = lines_by_pool[account.project_id, account.pool_id]
        charged = attribute(_pieces(account.name, usage[account.name], borders_of(lines)), lines).charged
        changed += [
            GrantLine(pk=line.key, charged_gpu_seconds=charged[line.key])
            for line in lines
            if line.charged_gpu_seconds != charged[line.key]
        ]
    GrantLine.objects.bulk_update(changed, ["charged_gpu_seconds"])
    return len(changed)


def lines_of(projects: Collection[int]) -> defaultdict[tuple[int, int], list[Line]]:
    """The projects' lines by (project, pool): one query."""
    found: Any = GrantLine.objects.filter(grant__project__in=projects).with_amounts().with_suspensions()
    rows = found.order_by("grant__starts_at", "pk").values_list(
        "grant__project",
        "pool",
        "pk",
        "grant__starts_at",
        "grant__ends_at",
        "granted",
        "charged_gpu_seconds",
        "suspended",
        "covered",
    )
    lines: defaultdict[tuple[int, int], list[Line]] = defaultdict(list)
    for project, pool, *values in rows:
        lines[project, pool].append(Line(*values))
    return lines


def _usage_by_day(names: Collection[str]) -> defaultdict[str, dict[date, int]]:
    rows = UsageDay.objects.filter(account_name__in=names).order_by().values_list("account_name", "day")
    usage: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for name, day, gpu_seconds in rows.annotate(Sum("gpu_seconds")):
        usage[name][day] = gpu_seconds
    return usage


def _pieces(name: str, usage: dict[date, int], borders: Sequence[datetime]) -> Iterator[Piece]:
    """Whole days; a day in which a line opens or closes by its job rows, since a second may matter there."""
    for day, gpu_seconds in usage.items():
        start, end = day_bounds(day)
        if any(start < border < end for border in borders):
            runs = list(runs_of(Job.objects.filter(account=name).overlapping(start, end)))
            yield from pieces_of(runs, start, end, borders)
        else:
            yield Piece(start, end, gpu_seconds)


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

    `left` and `overrun` are what is missing to the award and what goes beyond it: over several pools both may be
    there, since hours of one pool do not stand in for another's. `reserved` and `startable` are slurmctld's own at
    `counted_at`; None where it has not been asked yet. `startable` is 0 where nothing may start, whatever is left.
    `exhausted`: slurmctld counts the hours of the account as used up; `stopped`: somebody stopped it in Slurm
    (neither is said of all pools together).
    """

    pool: Pool | None
    standing: Standing
    starts_at: datetime
    ends_at: datetime
    granted: int
    used: int
    left: int
    overrun: int
    reserved: int | None
    startable: int | None
    counted_at: datetime | None
    exhausted: bool = False
    stopped: bool = False

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
    granted = sum(line.granted_gpu_seconds for line in current)
    used = sum(line.charged_gpu_seconds for line in current)
    startable = counter.startable_gpu_seconds if counter else None
    return Balance(
        pool=pool,
        standing=standing,
        starts_at=min(line.starts_at for line in current),
        ends_at=max(line.ends_at for line in current),
        granted=granted,
        used=used,
        left=max(0, granted - used),
        overrun=max(0, used - granted),
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
