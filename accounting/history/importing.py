"""Importing saved job rows: the same rows as the worker reads from slurmdbd, stored in the same way.

How far slurmdbd has been read (IngestMark) stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounting.history.alone import take_turn
from accounting.history.job_file import JobFile
from accounting.history.store import store_rows
from accounting.models import IngestMark, Job
from accounting.usage import day_start, seconds
from portal.events.services import record
from portal.slurm.types import JobRecord, UnreadableRow

# Rows in memory at once, and stored in one transaction.
CHUNK = 20_000

Row = JobRecord | UnreadableRow


@dataclass
class ImportReport:
    """What an import did, or would do. `rows` are the readable ones, `gpu_seconds` what those that ended charged.

    `passed_over` counts by reason what was left out. `unreadable` and `held` count what is new of either.
    """

    rows: int = 0
    changed: int = 0
    unreadable: int = 0
    held: int = 0
    gpu_seconds: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"passed_over": dict(self.passed_over)}


# As many reasons of unreadable rows as a person reads.
MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class Importing:
    """`saved_at`: what still ran in the file was known to run until then.

    `sealed`: rows that lie wholly in sealed days are taken too, each as a difference for an operator to decide about.
    They are passed over otherwise, since most were counted before the days were sealed.
    """

    file: JobFile
    at: datetime
    saved_at: datetime
    sealed: bool = False
    dry_run: bool = False

    def run(self) -> ImportReport:
        """Raises JobFileError where the file is none.

        What was stored before a file turned out to be broken stays: importing it again changes nothing of it.
        """
        report = ImportReport(passed_over=self.file.passed_over)
        rows = self.file.rows()
        while chunk := list(islice(rows, CHUNK)):
            with transaction.atomic():
                self._take(chunk, report)
                transaction.set_rollback(self.dry_run)
        if not self.dry_run:
            self._record(report)
        return report

    def _take(self, chunk: Sequence[Row], report: ImportReport) -> None:
        # What the worker reads meanwhile waits, so that what is known of running jobs stays true until they are stored.
        take_turn()
        records = self._wanted([row for row in chunk if isinstance(row, JobRecord)], report)
        unreadable = [row for row in chunk if isinstance(row, UnreadableRow)]
        report.reasons += [row.reason for row in unreadable[: MOST_REASONS - len(report.reasons)]]
        report.rows += len(records)
        report.gpu_seconds += sum(row.gpus * seconds(row.start, row.end) for row in records if row.start and row.end)
        self._store([*(row for row in records if row.end), *unreadable], self.at, report)
        self._store([row for row in records if not row.end], min(self.saved_at, self.at), report)

    def _wanted(self, records: Sequence[JobRecord], report: ImportReport) -> list[JobRecord]:
        sealed_before = IngestMark.current().sealed_before
        counted_before = day_start(sealed_before) if sealed_before and not self.sealed else None
        known = self._known_better([row.db_index for row in records if row.end is None])
        wanted = []
        for row in records:
            if row.start is None and row.end is None:
                report.passed_over["waiting"] += 1
            elif counted_before and row.end and row.end < counted_before:
                report.passed_over["sealed"] += 1
            elif row.end is None and row.db_index in known:
                report.passed_over["known better"] += 1
            else:
                wanted.append(row)
        return wanted

    def _known_better(self, running: Sequence[int]) -> set[int]:
        """Which of the rows that ran when the file was saved were read later, or have ended as far as we know."""
        later = Q(final=True) | Q(last_seen_at__gte=self.saved_at)
        jobs = Job.objects.filter(later, cluster=self.file.cluster, db_index__in=running)
        return {int(number) for number in jobs.values_list("db_index", flat=True)}

    def _store(self, rows: Iterable[Row], at: datetime, report: ImportReport) -> None:
        stored = store_rows(rows, at=at, source=self.file.name)
        report.changed += stored.changed
        report.unreadable += stored.unreadable
        report.held += stored.held

    def _record(self, report: ImportReport) -> None:
        record(
            "jobs.imported",
            target=IngestMark.current(),
            by=None,
            at=self.at,
            topics=("operations",),
            file=self.file.name,
            cluster=self.file.cluster,
            rows=report.rows,
            changed=report.changed,
        )
