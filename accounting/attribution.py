"""To which grant line charged seconds go: pure arithmetic (design.md section 7).

Charged seconds, in order of time, go to the line open at that second that ends first and still has balance; when
none has, to the one that ends last, as overrun. Seconds when no line is open are the tail of jobs that began before:
they go to the unused rest of the line that ended last, then to its overrun. Seconds before any line go to none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounting.usage import Run, charged_gpu_seconds

# From its first moment until just before the second; None while it lasts.
Span = tuple[datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A grant line: granted is the sum of its ledger, charged what was last attributed to it, in GPU-seconds.

    Open from `starts_at` until just before `ends_at`, its suspensions excepted (each from its first moment until just
    before the second, None while it lasts). Lines rank by `ends_at`.

    `covered_gpu_seconds` is what of the grant only covers an overrun that is past (carried over or written off): it is
    not there to be used, or the overrun would come back with whatever it drew from other lines.
    `refunded_gpu_seconds` is what of the grant was given back for jobs.
    """

    key: int
    starts_at: datetime
    ends_at: datetime
    granted_gpu_seconds: int
    charged_gpu_seconds: int = 0
    suspended: Sequence[Span] = ()
    covered_gpu_seconds: int = 0
    refunded_gpu_seconds: int = 0

    @property
    def usable_gpu_seconds(self) -> int:
        """What use may draw from the line; negative where more overrun was carried to it than it was granted."""
        return self.granted_gpu_seconds - self.covered_gpu_seconds

    def is_open(self, moment: datetime) -> bool:
        return self.starts_at <= moment < self.ends_at and not self._suspension(moment)

    def closed_at(self, moment: datetime) -> datetime | None:
        """When it was last open before `moment`, at which it is not; None where it never was."""
        closings = [self.ends_at, *(since for since, _until in self.suspended)]
        before = [closing for closing in closings if self.starts_at < closing <= min(moment, self.ends_at)]
        return max((closing for closing in before if not self._was_suspended_before(closing)), default=None)

    def _suspension(self, moment: datetime) -> bool:
        return any(since <= moment and (until is None or moment < until) for since, until in self.suspended)

    def _was_suspended_before(self, moment: datetime) -> bool:
        """Up to the moment itself, so that what happens at it closes nothing."""
        return any(since < moment and (until is None or moment <= until) for since, until in self.suspended)


@dataclass(frozen=True, slots=True)
class Piece:
    """GPU-seconds used in [start, end), a span in which no line opens or closes."""

    start: datetime
    end: datetime
    gpu_seconds: int


@dataclass(frozen=True, slots=True)
class Attribution:
    """GPU-seconds by line, beyond what was granted included; and those used before any line was open."""

    charged: dict[int, int]
    unattributed: int


def attribute(pieces: Iterable[Piece], lines: Iterable[Line]) -> Attribution:
    """Give each piece, in order of time, to the lines whose turn it is."""
    ranked = sorted(lines, key=lambda line: (line.ends_at, line.key))
    charged = {line.key: 0 for line in ranked}
    unattributed = 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        takers = takers_at(ranked, piece.start)
        left = piece.gpu_seconds
        for line in takers:
            share = max(0, min(left, line.usable_gpu_seconds - charged[line.key]))
            charged[line.key] += share
            left -= share
        if takers:
            charged[takers[-1].key] += left
        else:
            unattributed += left
    return Attribution(charged, unattributed)


def takers_at(ranked: Sequence[Line], moment: datetime) -> list[Line]:
    """The open lines in the order in which they are `ranked`; where none is open, the one that closed last."""
    if opened := [line for line in ranked if line.is_open(moment)]:
        return opened
    closed = [(closing, line.ends_at, line.key, line) for line in ranked if (closing := line.closed_at(moment))]
    return [max(closed)[-1]] if closed else []


def borders_of(lines: Iterable[Line]) -> list[datetime]:
    """Moments at which a line opens or closes."""
    spans = [span for line in lines for span in ((line.starts_at, line.ends_at), *line.suspended)]
    return sorted({moment for span in spans for moment in span if moment is not None})


def cut(start: datetime, end: datetime, borders: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) in parts without a border inside."""
    for border in borders[bisect_right(borders, start) :]:
        if border >= end:
            break
        yield start, border
        start = border
    yield start, end


def pieces_of(runs: Collection[Run], start: datetime, end: datetime, borders: Sequence[datetime]) -> Iterator[Piece]:
    """What the runs used in [start, end), cut where a line opens or closes.

    Each part is the difference of two sums from `start`, so that nothing is lost to whole seconds where a border lies
    within one: the parts always add up to the whole.
    """
    before = 0
    for since, until in cut(start, end, borders):
        so_far = sum(charged_gpu_seconds(run, start, until) for run in runs)
        if so_far > before:
            yield Piece(since, until, so_far - before)
        before = so_far
