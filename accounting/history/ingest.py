"""Reading job history from slurmdbd, in spans of bounded size, resuming where an interruption left it.

The next span is read while the rows of the last one are stored.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from accounting.history.alone import alone
from accounting.history.runaways import forget_ended, note_runaways
from accounting.history.store import Stored, store_rows
from accounting.history.windows import Pace, Plan, Window, due
from accounting.models import IngestMark, Job
from allocations.models import Account
from portal.live.notices import announce
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import JobRecord, UnreadableRow

# Rows that one run of the worker reads, more or less: catching up does not keep it from its other duties for long.
MOST_ROWS = 100_000
MOST_WINDOWS = 60
# Rows stored in one transaction.
CHUNK = 25_000
# Rows that stay open at Slurm's silence are looked for at the moment they began, so many a run.
MOST_LOST = 100
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

Row = JobRecord | UnreadableRow


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one run did. `days` counts (day, account, person) whose usage changed.

    `busy`: another run was under way, nothing was read. `caught_up`: all was read that is due, not only a part of it.
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


def ingest(
    gateway: SlurmGateway, *, at: datetime, since: datetime | None = None, most: int | None = MOST_ROWS
) -> IngestReport:
    """Read what may have changed since the last run, up to `at`, and bring usage in line with it.

    `since` reads again from there, which following runs go on with; sealed days stay as they are. `most` is about how
    many rows this run reads, None for all there are. Raises SlurmError, after noting it, where Slurm does not answer;
    what was read until then stays.
    """
    with alone() as undisturbed:
        if not undisturbed:
            return IngestReport(busy=True)
        mark = IngestMark.current()
        try:
            return _read(gateway, mark, at, since, most)
        except SlurmError as error:
            _note_error(mark, error, at)
            raise


def _read(
    gateway: SlurmGateway, mark: IngestMark, at: datetime, since: datetime | None, most: int | None
) -> IngestReport:
    plan, stored = Plan(mark, at, since), Stored()
    look_around = due(HOUR, mark.last_run_at, at)
    queued = _queued(gateway) if look_around and not mark.last_error else None
    _read_windows(gateway, plan, stored, most)
    if look_around and plan.is_current:
        _read_lost(gateway, mark, at, stored)
    if queued is not None and plan.is_current:
        note_runaways(queued, at=at)
    forget_ended()
    _announce(stored, mark, at)
    mark.last_run_at, mark.last_error, mark.last_error_at = at, "", None
    mark.save(update_fields=["last_run_at", "last_error", "last_error_at"])
    return IngestReport(
        rows=stored.rows,
        changed=stored.changed,
        unreadable=stored.unreadable,
        held=stored.held,
        days=stored.days,
        read_until=mark.read_until,
        caught_up=plan.is_done,
    )


def _read_windows(gateway: SlurmGateway, plan: Plan, stored: Stored, most: int | None) -> None:
    pace = Pace()

    def wanted() -> Iterator[Window]:
        for number, window in enumerate(plan.windows(pace)):
            if most is not None and (stored.rows >= most or number >= MOST_WINDOWS):
                return
            yield window

    with closing(_ahead(gateway, wanted())) as read:
        for window, answer in read:
            rows = pace.watch(window, answer)
            while chunk := list(islice(rows, CHUNK)):
                stored.add(store_rows(chunk, at=plan.at, source=plan.mark.cluster))
            plan.was_read(window)


def _ahead(gateway: SlurmGateway, windows: Iterator[Window]) -> Generator[tuple[Window, Iterator[Row]]]:
    """Each window with its rows, the next one being read meanwhile: in a thread, which does not use the database."""
    with ThreadPoolExecutor(1, "slurmdbd") as reader:

        def rows_of(window: Window) -> Iterator[Row]:
            """So many of them understood already as are stored at once: more would be more in memory."""
            rows = gateway.jobs(window.start, window.end)
            return chain(list(islice(rows, CHUNK)), rows)

        def ask() -> tuple[Window, Future[Iterator[Row]]] | None:
            window = next(windows, None)
            return (window, reader.submit(rows_of, window)) if window else None

        asked = ask()
        while asked:
            window, answer = asked
            rows = answer.result()
            asked = ask()
            yield window, rows


def _read_lost(gateway: SlurmGateway, mark: IngestMark, at: datetime, stored: Stored) -> None:
    """Open rows that this run did not show: their end became known later than any overlap reaches back.

    Whatever became of them, Slurm lists them at the second they began. Some at random, so that all have their turn.
    """
    lost = Job.objects.open().filter(cluster=mark.cluster, last_seen_at__lt=at, start__isnull=False)
    for start, db_index in lost.order_by("?").values_list("start", "db_index")[:MOST_LOST]:
        rows = gateway.jobs(start, start + SECOND) if start else ()
        found = [row for row in rows if isinstance(row, JobRecord) and row.db_index == int(db_index)]
        stored.add(store_rows(found, at=at, source=mark.cluster))


def _queued(gateway: SlurmGateway) -> frozenset[int] | None:
    """The ids of slurmctld's jobs; None where it does not answer, which is no reason not to read slurmdbd."""
    try:
        return frozenset(entry.job_id for entry in gateway.queue())
    except SlurmError:
        return None


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
