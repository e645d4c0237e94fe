"""Which spans of slurmdbd's history one run reads: what is new first, then again what may have changed.

Reading anything twice changes nothing, so every doubt is settled by reading again, and the further back the less
often: slurmdbd may deliver late, and be corrected (slurm-facts section 5). sacct keeps all rows of a span in memory,
5.6 kB each, hence spans of so many rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Min

from accounting.models import IngestMark, Job
from accounting.usage import day_start
from allocations.models import Project
from portal.slurm.types import JobRecord, UnreadableRow

# Rows that a span is meant to have, and how long it may be.
AIM = 20_000
SHORTEST, FIRST, LONGEST = timedelta(minutes=1), timedelta(hours=1), timedelta(days=7)
# After a span without rows: history may be dense where nothing was for months.
AFTER_NOTHING = timedelta(days=1)
# So many times longer than one before it at most.
GROWTH = 4
# How far back every run reads, and every so often how much further. A clock behind or ahead by less does no harm.
OVERLAP = timedelta(minutes=10)
REREADS = (
    (timedelta(hours=1), timedelta(days=2)),
    (timedelta(days=1), timedelta(days=14)),
    (timedelta(days=7), timedelta(days=62)),
)
DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """`again`: it had been read before."""

    start: datetime
    end: datetime
    again: bool = False


@dataclass
class Pace:
    """How long spans of unknown history are, by how dense those before were."""

    length: timedelta = FIRST

    def watch(self, window: Window, rows: Iterable[JobRecord | UnreadableRow]) -> Iterator[JobRecord | UnreadableRow]:
        """The rows; when they have gone by, the length follows. Longer spans have more rows that began in them, not
        more of those that ran when they began."""
        began = older = 0
        for row in rows:
            if isinstance(row, JobRecord) and row.start is not None and row.start < window.start:
                older += 1
            else:
                began += 1
            yield row
        span, room = window.end - window.start, max(AIM - older, AIM // 4)
        if began:
            self.length = min(max(span * room / began, SHORTEST), span * GROWTH, LONGEST)
        else:
            self.length = min(span * GROWTH, AFTER_NOTHING)


class Plan:
    """What there is to read at `at`. Lays down in the mark where reading again begins, so that no run forgets it.

    `since` reads again from there. Sealed days are not read: their rows may be gone here, and would all be news.
    """

    def __init__(self, mark: IngestMark, at: datetime, since: datetime | None = None) -> None:
        self.mark, self.at = mark, at
        beginning = _beginning(at)
        # A mark in the future was set when this machine's clock was wrong.
        self.begin = min(mark.read_until, at) - OVERLAP if mark.read_until else min(beginning, since or at)
        if mark.sealed_before:
            self.begin = max(self.begin, day_start(mark.sealed_before))
        if mark.read_until:
            self._plan_reread(beginning, since)
        mark.reread_planned_at = at
        mark.save(update_fields=["reread_from", "reread_planned_at"])

    def _plan_reread(self, beginning: datetime, since: datetime | None) -> None:
        mark = self.mark
        depths = [depth for every, depth in REREADS if due(every, mark.reread_planned_at, self.at)]
        wanted = [max(self.at - depth, beginning) for depth in depths] + ([since] if since else [])
        start = min([*wanted, mark.reread_from or self.begin])
        if mark.sealed_before:
            start = max(start, day_start(mark.sealed_before))
        mark.reread_from = start if start < self.begin else None

    def windows(self, pace: Pace) -> Iterator[Window]:
        """In order; each is decided when it is asked for, by what the pace then is."""
        start = self.begin
        while start < self.at:
            end = min(start + pace.length, self.at)
            yield Window(start, end)
            start = end
        start = self.mark.reread_from or self.begin
        while start < self.begin:
            end = min(start + LONGEST, self.begin, _dense_until(start))
            yield Window(start, end, again=True)
            start = end

    def was_read(self, window: Window) -> None:
        """Note that a window's rows are stored."""
        mark = self.mark
        if window.again:
            mark.reread_from = window.end if window.end < self.begin else None
        else:
            mark.read_until = min(max(mark.read_until or window.end, window.end), self.at)
        mark.save(update_fields=["read_until", "reread_from"])

    @property
    def is_current(self) -> bool:
        """Whether all that is new has been read."""
        return self.mark.read_until is not None and self.mark.read_until >= self.at

    @property
    def is_done(self) -> bool:
        return self.is_current and self.mark.reread_from is None


def due(every: timedelta, last: datetime | None, at: datetime) -> bool:
    """Whether a full span (a full hour, a full day) went by since the last time."""
    return last is None or (last - EPOCH) // every != (at - EPOCH) // every


def _beginning(at: datetime) -> datetime:
    """Where history begins for us: before the first project there was nothing of ours to count."""
    first = Project.objects.aggregate(first=Min("created_at"))["first"]
    return min(first or at, at) - DAY


def _dense_until(start: datetime) -> datetime:
    """Until when a span from `start` on has no more rows than it should, by what is known of it."""
    ends = Job.objects.filter(end__gt=start).order_by("end").values_list("end", flat=True)
    end = next(iter(ends[AIM : AIM + 1]), None)
    return max(end or start + LONGEST, start + SHORTEST)
