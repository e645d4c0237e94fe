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


@dataclass(frozen=True, slots=True)
class Line:
    """A grant line: granted is the sum of its ledger, charged what was last attributed to it, in GPU-seconds.

    Open from `starts_at` until just before `ends_at`, or until its suspension. Lines rank by `ends_at`.
    """

    key: int
    starts_at: datetime
    ends_at: datetime
    suspended_at: datetime | None
    granted_gpu_seconds: int
    charged_gpu_seconds: int = 0

    @property
    def closes_at(self) -> datetime:
        return min(self.ends_at, self.suspended_at) if self.suspended_at else self.ends_at


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
        takers = _takers(ranked, piece.start)
        left = piece.gpu_seconds
        for line in takers:
            share = max(0, min(left, line.granted_gpu_seconds - charged[line.key]))
            charged[line.key] += share
            left -= share
        if takers:
            charged[takers[-1].key] += left
        else:
            unattributed += left
    return Attribution(charged, unattributed)


def _takers(ranked: Sequence[Line], moment: datetime) -> list[Line]:
    """The open lines in the order of their ends; where none is open, the one that closed last."""
    if opened := [line for line in ranked if line.starts_at <= moment < line.closes_at]:
        return opened
    closed = [line for line in ranked if line.closes_at <= moment and line.starts_at < line.closes_at]
    return [max(closed, key=lambda line: (line.closes_at, line.ends_at, line.key))] if closed else []


def borders_of(lines: Iterable[Line]) -> list[datetime]:
    return sorted({moment for line in lines for moment in (line.starts_at, line.closes_at)})


def cut(start: datetime, end: datetime, borders: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """[start, end) in parts without a border inside."""
    for border in borders[bisect_right(borders, start) :]:
        if border >= end:
            break
        yield start, border
        start = border
    yield start, end


def pieces_of(runs: Collection[Run], start: datetime, end: datetime, borders: Sequence[datetime]) -> Iterator[Piece]:
    for since, until in cut(start, end, borders):
        if gpu_seconds := sum(charged_gpu_seconds(run, since, until) for run in runs):
            yield Piece(since, until, gpu_seconds)
