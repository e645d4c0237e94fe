"""What an account's figures give reason to say: pure, from how it stands. Amounts are GPU-seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from accounting.alerts.thresholds import Kind, ProjectThresholds
from accounting.attribution import Line
from accounting.balance import Balance, Standing, current_lines
from accounting.outlook import Outlook
from accounting.usage import day_of, day_start

# Slurm's end states that the project itself can do something about.
FAILED = ("FAILED", "OUT_OF_MEMORY", "TIMEOUT")
WASTE_DAYS = 7
# So little is not worth a mail, whatever share it is.
LEAST_WASTE = 10 * 3600
WASTE_AGAIN = timedelta(days=14)
# A threshold comes again only where the entitlement was raised so far that it fell this many points below.
REARM_POINTS = 5
# Running out early is said again after the entitlement has grown by so much.
GROWN_PERCENT = 110
# What of an alert's data stays as it was when it was said; the rest follows the figures.
AS_TOLD = ("used", "entitlement", "exhausted")
# Before a quarter of the term is over nobody is behind a plan.
UNDER_FROM_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """An account as it stands. `failed` and `spent`: GPU-seconds of the last seven days in jobs that failed, and in
    all."""

    outlook: Outlook
    lines: Sequence[Line]
    failed: int
    spent: int
    at: datetime

    @property
    def balance(self) -> Balance:
        return self.outlook.balance

    @property
    def line(self) -> str:
        """The grant line that alerts are about: the oldest of those that count now."""
        return str(min(line.key for line in current_lines(self.lines, self.at)[1]))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that holds now. `data` holds JSON values."""

    kind: str
    threshold: int
    cause: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int, str]:
        return self.kind, self.threshold, self.cause


@dataclass(frozen=True, slots=True)
class Told:
    """The last time that the same was said."""

    raised_at: datetime
    data: Mapping[str, Any]


def findings(facts: Facts, thresholds: ProjectThresholds) -> Iterator[Finding]:
    """Of an account whose grant is open; of a suspended one only that it ends."""
    if facts.balance.standing is Standing.OPEN:
        for kind, judge in JUDGES.items():
            yield from judge(facts, thresholds.all_of(kind))
    elif facts.balance.standing is Standing.SUSPENDED:
        yield from _expiry(facts, thresholds.all_of(Kind.EXPIRY))


def is_due_again(finding: Finding, told: Told, at: datetime) -> bool:
    """Whether what holds now came about anew since it was last said."""
    if finding.kind == Kind.USED:
        return bool(told.data["used"] * 100 < (finding.threshold - REARM_POINTS) * finding.data["entitlement"])
    if finding.kind == Kind.EARLY:
        return bool(finding.data["entitlement"] * 100 >= told.data["entitlement"] * GROWN_PERCENT)
    return finding.kind == Kind.WASTE and at - told.raised_at >= WASTE_AGAIN


def _used(facts: Facts, percents: Sequence[int]) -> Iterator[Finding]:
    used, entitlement = facts.balance.used, facts.balance.entitlement
    for percent in percents:
        if entitlement > 0 and used * 100 >= percent * entitlement:
            data = {"used": used, "entitlement": entitlement, "exhausted": facts.balance.exhausted}
            yield Finding(Kind.USED, percent, facts.line, data)


def _early(facts: Facts, percents: Sequence[int]) -> Iterator[Finding]:
    balance, projection = facts.balance, facts.outlook.projection
    if projection is None or projection.runs_out_on is None or balance.is_used_up:
        return
    term = balance.ends_at - balance.starts_at
    data = {"on": projection.runs_out_on.isoformat(), "entitlement": balance.entitlement}
    for percent in percents:
        if day_start(projection.runs_out_on) < balance.starts_at + term * percent / 100:
            yield Finding(Kind.EARLY, percent, facts.line, data)


def _under(facts: Facts, points: Sequence[int]) -> Iterator[Finding]:
    balance = facts.balance
    passed, period, entitlement = balance.passed_seconds(facts.at), balance.period_seconds, balance.entitlement
    if entitlement <= 0 or passed * UNDER_FROM_QUARTER < period:
        return
    for behind in points:
        if balance.used * 100 * period < entitlement * (passed * 100 - behind * period):
            shares = {"used_share": balance.used * 100 // entitlement, "passed_share": passed * 100 // period}
            yield Finding(Kind.UNDER, behind, facts.line, shares)


def _expiry(facts: Facts, stages: Sequence[int]) -> Iterator[Finding]:
    """A stage is passed over where it is more than half of the term, and all of them where a grant follows."""
    balance = facts.balance
    left, ends_on = balance.days_left(facts.at), day_of(balance.last_day)
    if any(line.starts_at <= balance.ends_at < line.ends_at for line in facts.lines):
        return
    for days in stages:
        if left <= days and timedelta(days=2 * days) <= balance.ends_at - balance.starts_at:
            yield Finding(Kind.EXPIRY, days, f"{facts.line}:{ends_on}", {"on": ends_on.isoformat()})


def _waste(facts: Facts, percents: Sequence[int]) -> Iterator[Finding]:
    for percent in percents:
        if facts.failed >= LEAST_WASTE and facts.failed * 100 > percent * facts.spent:
            yield Finding(Kind.WASTE, percent, facts.line, {"failed": facts.failed, "spent": facts.spent})


JUDGES: dict[str, Callable[[Facts, Sequence[int]], Iterator[Finding]]] = {
    Kind.USED: _used,
    Kind.EARLY: _early,
    Kind.UNDER: _under,
    Kind.EXPIRY: _expiry,
    Kind.WASTE: _waste,
}
