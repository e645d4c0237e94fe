"""Reading job history from slurmdbd: in windows, with overlap, resuming where an interruption left it.

Reading anything twice changes nothing, so every doubt is settled by reading again: a little on every run, two days
back every hour and two weeks back every day, because slurmdbd may deliver late (slurm-facts section 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Min

from accounting.models import IngestMark, Job
from accounting.store import Stored, store_rows
from allocations.models import Account, Project
from portal.live.notices import announce
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway

WINDOW = timedelta(days=1)
# What one run reads at most, so that catching up on years does not keep the worker from its other duties.
MOST_WINDOWS = 31
CHUNK = 10_000
OVERLAP = timedelta(minutes=10)
# Every so often, how far back to read again.
REREADS = ((timedelta(hours=1), timedelta(days=2)), (timedelta(days=1), timedelta(days=14)))
# Rows that stay open at Slurm's silence are looked for at the moment they began, so many a run.
MOST_LOST = 100
SECOND = timedelta(seconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCK = "accounting.ingest"

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run did. `days` counts (day, account, person) whose usage changed.

    `busy`: another run was under way, nothing was read. `caught_up`: all that Slurm has was read, not only the
    next month of it.
    """

    rows: int = 0
    changed: int = 0
    unreadable: int = 0
    held: int = 0
    days: int = 0
    read_until: datetime | None = None
    caught_up: bool = False
    busy: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "changed": self.changed,
            "unreadable": self.unreadable,
            "held": self.held,
            "days": self.days,
            "read_until": self.read_until.astimezone(UTC).isoformat() if self.read_until else None,
            "caught_up": self.caught_up,
            "busy": self.busy,
        }


def ingest(gateway: SlurmGateway, *, at: datetime, since: datetime | None = None) -> IngestReport:
    """Read what may have changed since the last run, up to `at`, and bring usage in line with it.

    `since` reads again from there. Raises SlurmError, after noting it, where Slurm does not answer; what was read
    until then stays.
    """
    with _alone() as alone:
        if not alone:
            return IngestReport(busy=True)
        mark = IngestMark.current()
        try:
            return _read(gateway, mark, at, since)
        except SlurmError as error:
            _note_error(mark, error, at)
            raise


def _read(gateway: SlurmGateway, mark: IngestMark, at: datetime, since: datetime | None) -> IngestReport:
    windows, caught_up = plan_windows(mark, at, since)
    stored = Stored()
    for start, end in windows:
        _read_window(gateway, (start, end), at, stored)
        mark.read_until = max(mark.read_until or end, end)
        mark.save(update_fields=["read_until"])
    if caught_up and due(timedelta(hours=1), mark.last_run_at, at):
        for window in _lost(at):
            _read_window(gateway, window, at, stored)
    _announce(stored, mark, at)
    mark.last_run_at, mark.last_error, mark.last_error_at = at, "", None
    mark.save(update_fields=["last_run_at", "last_error", "last_error_at"])
    return IngestReport(
        rows=stored.rows,
        changed=stored.changed,
        unreadable=stored.unreadable,
        held=stored.held,
        days=len(stored.days),
        read_until=mark.read_until,
        caught_up=caught_up,
    )


def _read_window(gateway: SlurmGateway, window: Window, at: datetime, stored: Stored) -> None:
    """Stream a window in. Rows are read between transactions, never inside one."""
    rows = iter(gateway.jobs(*window))
    while chunk := list(islice(rows, CHUNK)):
        stored.add(store_rows(chunk, at=at))


def plan_windows(mark: IngestMark, at: datetime, since: datetime | None = None) -> tuple[list[Window], bool]:
    """What to read, in order of time, and whether that reaches `at`. Never leaves a gap behind the mark."""
    begin = mark.read_until - _reach(mark.last_run_at, at) if mark.read_until else _beginning(at)
    start = min(begin, since) if since else begin
    windows: list[Window] = []
    while start < at and len(windows) < MOST_WINDOWS:
        windows.append((start, min(start + WINDOW, at)))
        start += WINDOW
    return windows, start >= at


def due(every: timedelta, last: datetime | None, at: datetime) -> bool:
    """Whether a full span (a full hour, a full day) went by since the last time."""
    return last is None or (last - EPOCH) // every != (at - EPOCH) // every


def _reach(last_run: datetime | None, at: datetime) -> timedelta:
    return max([OVERLAP, *(depth for every, depth in REREADS if due(every, last_run, at))])


def _beginning(at: datetime) -> datetime:
    """Where a first run starts: before the first project there was nothing of ours to count."""
    first = Project.objects.aggregate(first=Min("created_at"))["first"]
    return min(first or at, at) - WINDOW


def _lost(at: datetime) -> list[Window]:
    """Open rows that this run did not show: their end became known later than any overlap reaches back.

    Whatever became of them, Slurm lists them at the second they began.
    """
    starts = Job.objects.open().filter(last_seen_at__lt=at, start__isnull=False).order_by("start")
    distinct = starts.values_list("start", flat=True).distinct()[:MOST_LOST]
    return [(start, start + SECOND) for start in distinct if start]


@contextmanager
def _alone() -> Iterator[bool]:
    """Whether nobody else ingests just now; until the end nobody else will. Freed by itself if this process dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [LOCK])
        alone = cursor.fetchone()[0]
    try:
        yield alone
    finally:
        if alone:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [LOCK])


def _note_error(mark: IngestMark, error: SlurmError, at: datetime) -> None:
    words = f"{error} {error.words}".strip()
    news = words != mark.last_error
    mark.last_error, mark.last_error_at = words, at
    mark.save(update_fields=["last_error", "last_error_at"])
    if news:
        announce(["operations"], "usage.failed")


def _announce(stored: Stored, mark: IngestMark, at: datetime) -> None:
    """Tell open pages of projects whose figures changed: of jobs at once, of seconds that passed once a minute."""
    names = stored.accounts if due(timedelta(minutes=1), mark.last_run_at, at) else stored.news
    codes = Account.objects.filter(name__in=names | stored.news).values_list("project__code", flat=True).distinct()
    announce([f"project:{code}" for code in codes], "usage.refreshed")
    if stored.unreadable or stored.held or mark.last_error:
        announce(["operations"], "usage.refreshed")
