"""What a leaf account may use: from the lines of its grants to the one limit that Slurm enforces.

Pure arithmetic on integers (design.md section 7). Slurm's counter is cumulative and never reset, so the limit is
cumulative too: the whole award of a line that is open, and of every other line what was charged to it. A line that
is not open thereby gives nothing to start with and takes nothing from the lines that are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

SECONDS_A_MINUTE = 60
# Slurm floors used seconds to whole minutes before it starts a job, and what is reserved as well, so an account may
# end a little less than two GPU-minutes above its limit (slurm-facts 12.10). That is nobody's overrun.
FLOORING_GPU_SECONDS = 120


@dataclass(frozen=True, slots=True)
class LineBudget:
    """A grant line's part in the budget. Open from `starts_at` until just before `ends_at`, unless suspended."""

    starts_at: datetime
    ends_at: datetime
    suspended: bool
    granted_gpu_seconds: int
    charged_gpu_seconds: int

    def is_open(self, at: datetime) -> bool:
        return not self.suspended and self.starts_at <= at < self.ends_at

    def counted_gpu_seconds(self, at: datetime) -> int:
        return self.granted_gpu_seconds if self.is_open(at) else self.charged_gpu_seconds


@dataclass(frozen=True, slots=True)
class LeafBudget:
    """What Slurm is to hold for a leaf: its limit in whole GPU-minutes, and whether anything may start at all."""

    gpu_minutes: int
    parked: bool


def leaf_budget(lines: Iterable[LineBudget], *, offset_gpu_seconds: int, at: datetime) -> LeafBudget:
    """The limit of a leaf at a moment, floored once on the sum; parked while no line is open.

    `offset_gpu_seconds` is Slurm's counter minus our ledger, as last rebased. A negative sum gives a limit of 0:
    a limit is lowered, never cleared.
    """
    lines = list(lines)
    gpu_seconds = sum(line.counted_gpu_seconds(at) for line in lines) + offset_gpu_seconds
    return LeafBudget(
        gpu_minutes=max(0, gpu_seconds // SECONDS_A_MINUTE),
        parked=not any(line.is_open(at) for line in lines),
    )
