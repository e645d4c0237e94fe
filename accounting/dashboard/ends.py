"""How the runs of a period ended, and what of their GPU time did not come to a result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounting.dashboard.period import Period
from accounting.use import use_by

COMPLETED = "COMPLETED"
# Not ended when last read.
GOING = frozenset({"RUNNING", "SUSPENDED", "CONFIGURING", "COMPLETING", "RESIZING"})

_BY_REQUEST = _("Not by your program. Ask for a refund under Refunds, and write checkpoints in long runs.")
_BY_NODE = _("Not by your program: refunded where the center's rule says so. Write checkpoints in long runs.")
_CURES: dict[str, str | Promise] = {
    "FAILED": _("Read the last lines of the output, and try the script with one GPU and a few minutes first."),
    "TIMEOUT": _("Ask for a longer --time, or write checkpoints and go on from the last one."),
    "DEADLINE": _("Submit earlier, or set a later --deadline."),
    "OUT_OF_MEMORY": _("Ask for more --mem or a smaller batch; see what the run needs with a short one first."),
    "CANCELLED": _("Stopped by hand. Look into the output early, so that a run that goes wrong is stopped early."),
    "NODE_FAIL": _BY_NODE,
    "BOOT_FAIL": _BY_NODE,
    "LAUNCH_FAILED": _BY_REQUEST,
    "RECONFIG_FAIL": _BY_REQUEST,
    "PREEMPTED": _("Another job came first. Write checkpoints, so that it goes on where it was."),
    "REQUEUED": _("It was put back into the queue and began anew. Write checkpoints, so that it goes on where it was."),
}


@dataclass(frozen=True, slots=True)
class End:
    """The runs that ended in one state; `jobs` are those that started in the period. GPU-seconds."""

    state: str
    gpu_seconds: int
    jobs: int

    @property
    def lost(self) -> bool:
        return did_not_complete(self.state)

    @property
    def cure(self) -> str | Promise:
        return _CURES.get(self.state, "")


@dataclass(frozen=True, slots=True)
class Ends:
    """Those that completed first, then what still goes on, then what did not complete, the most used first."""

    rows: Sequence[End]

    @property
    def gpu_seconds(self) -> int:
        return sum(row.gpu_seconds for row in self.rows)

    @property
    def jobs(self) -> int:
        return sum(row.jobs for row in self.rows)

    @property
    def lost(self) -> int:
        return sum(row.gpu_seconds for row in self.rows if row.lost)


def did_not_complete(state: str) -> bool:
    """Whether a run in this state has ended without the result that it was started for ("waste")."""
    return state != COMPLETED and state not in GOING


def ends(period: Period, accounts: Collection[str]) -> Ends:
    """One query."""
    rows = use_by("state", accounts=accounts, first=period.first, last=period.last)
    found = [End(state, amount.gpu_seconds, amount.jobs) for (state,), amount in rows.items()]
    return Ends(sorted(found, key=lambda end: (end.lost, end.state != COMPLETED, -end.gpu_seconds, end.state)))
