"""slurmctld's counter of a leaf held against what its lines were charged: pure arithmetic (design.md section 7).

A limit is what lines are worth plus the offset, and jobs are checked against the counter. So the counter must never lie
below charges + offset: that would give hours away, and is mended at once. Where it lies above, hours are withheld: they
are given back only where a cause is known, else a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from accounting.usage import SECOND, seconds

# A running job is added to the counter each PriorityCalcPeriod (5 minutes unless set), with some room.
CALC_PERIOD = timedelta(minutes=6)
# What Slurm told in whole minutes may be so much more.
FLOORED_SECONDS = 59


class Finding(StrEnum):
    AGREES = "agrees"
    # The counter lies below what it must hold: the offset is lowered.
    BEHIND = "behind"
    # It lies above, as far as the portal itself had lowered the offset since they last agreed.
    CAUGHT_UP = "caught_up"
    # It lies above, and jobs of a shape that Slurm counts wrongly account for it.
    OVERCOUNT = "overcount"
    # It lies above and nothing known accounts for it.
    AHEAD = "ahead"


@dataclass(frozen=True, slots=True)
class Sums:
    """GPU-seconds. `counter_lag` and `ledger_lag` say by how much each may lie behind the other without anything being
    wrong. `taken_back` is what the portal lowered the offset by since the two last agreed; `overcounted` the most that
    jobs since then may have been counted too much. `quiet`: nothing runs, and all that ended is in both."""

    counter: int
    ledger: int
    offset: int
    quiet: bool
    counter_lag: int = 0
    ledger_lag: int = 0
    taken_back: int = 0
    overcounted: int = 0

    @property
    def difference(self) -> int:
        """The counter minus what it should be: below 0 something is given away, above 0 withheld."""
        return self.counter - self.ledger - self.offset


@dataclass(frozen=True, slots=True)
class Verdict:
    """`offset` as it should be from now on."""

    finding: Finding
    offset: int


def judge(sums: Sums) -> Verdict:
    """Lowers the offset wherever the counter lies too low; raises it at a quiet moment only, and for a known cause."""
    if sums.difference < -sums.counter_lag:
        return Verdict(Finding.BEHIND, sums.offset + sums.difference + sums.counter_lag)
    ahead = sums.difference - sums.ledger_lag
    if ahead <= 0:
        return Verdict(Finding.AGREES, sums.offset)
    if sums.quiet and ahead <= sums.taken_back:
        return Verdict(Finding.CAUGHT_UP, sums.offset + ahead)
    if sums.quiet and ahead <= sums.taken_back + sums.overcounted:
        return Verdict(Finding.OVERCOUNT, sums.offset + ahead)
    return Verdict(Finding.AHEAD, sums.offset)


def fall(before: int, now: int, *, exact: bool) -> int:
    """By how much a counter fell between two readings; it never does by itself. 0 where that is not certain."""
    highest = now if exact else now + FLOORED_SECONDS
    return before - now if highest < before else 0


@dataclass(frozen=True, slots=True)
class Recent:
    """A run that goes on, or ended so short a time ago that the counter may not hold all of it yet.

    `runaway`: slurmdbd has it running and slurmctld knows no such job, so that all of it may be charged in vain.
    """

    gpus: int
    start: datetime
    until: datetime
    runaway: bool = False


def counter_lag(runs: Iterable[Recent], gap: timedelta) -> int:
    """The most that the counter may lack of these runs; `gap` is the time between the two readings."""
    longest = (CALC_PERIOD + gap) // SECOND
    lengths = [(run, seconds(run.start, run.until)) for run in runs]
    return sum(run.gpus * (length if run.runaway else min(longest, length)) for run, length in lengths)


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a finished run says how far Slurm may have counted it too high."""

    state: str
    display_id: str
    gpus: int
    run_seconds: int
    limit_seconds: int


def overcounted(shape: Shape) -> int:
    """The most that Slurm's counter may hold too much of the run (slurm-facts 12.7).

    A resized job's kept GPUs are counted twice for the time before; a component of a heterogeneous job (26.05) is
    counted with up to its whole reservation.
    """
    if shape.state == "RESIZING":
        return shape.gpus * shape.run_seconds
    if "+" in shape.display_id:
        return shape.gpus * max(shape.limit_seconds, shape.run_seconds)
    return 0
