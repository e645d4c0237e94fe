"""Job rows from a saved `sacct -P` file, read as those that sacct prints itself (portal/slurm/sacct.py).

The file's first line names the columns, in any order and case; others than the needed ones are passed over. Times are
epoch seconds, or ISO with an offset, or ISO in a zone that is named. A row that cannot be read is put aside with its
line number, the rest goes on.
"""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from zoneinfo import ZoneInfo

from portal.slurm.moments import UNSET
from portal.slurm.sacct import DELIMITER, FIELDS, UNREADABLE, record_of
from portal.slurm.types import JobRecord, UnreadableRow

COLUMNS = tuple(FIELDS.split(","))
MOMENTS = frozenset({"Submit", "Eligible", "Start", "End"})
# The name of the cluster may be missing: it is given with the file.
CLUSTER = "Cluster"
# What sacct writes for people says the same as its raw column.
ALSO = {"TimelimitRaw": "timelimit"}
GZIP = b"\x1f\x8b"


class JobFileError(Exception):
    """The file cannot be read as job rows at all; the text says why and what to do."""


class PassedOver(Exception):
    """A line that is no run of a job of this cluster; the text says what it is."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in a line each of sacct's columns stands; None for the cluster's name where it is not written."""

    delimiter: str
    width: int
    positions: tuple[int | None, ...]

    @classmethod
    def of(cls, header: str, delimiter: str | None = None) -> Layout:
        """Raises JobFileError where a column is missing, naming it."""
        delimiter = delimiter or (DELIMITER if DELIMITER in header else "|")
        names = [name.strip().lower() for name in header.split(delimiter)]
        found = {name: names.index(name) for name in names}
        positions = tuple(found.get(name.lower(), found.get(ALSO.get(name, ""))) for name in COLUMNS)
        missing = [
            name for name, position in zip(COLUMNS, positions, strict=True) if position is None and name != CLUSTER
        ]
        if missing:
            raise JobFileError(
                f"The first line of the file does not name {', '.join(missing)}. Save it with:\n"
                f"SLURM_TIME_FORMAT=%s sacct -a -X -P -D -S START -E END -o {FIELDS}"
            )
        return cls(delimiter, len(names), positions)


@dataclass
class JobFile:
    """`rows()` reads it once, line by line. `passed_over` counts, by what they are, the lines that are no row.

    `zone` is that of ISO times without an offset; None where there are none.
    """

    path: Path
    cluster: str
    zone: ZoneInfo | None = None
    delimiter: str | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return self.path.name

    def rows(self) -> Iterator[JobRecord | UnreadableRow]:
        """Raises JobFileError where it is no such file, or where its times do not say their zone."""
        with _opened(self.path) as lines:
            header = next(lines, "")
            layout = Layout.of(header, self.delimiter)
            for number, line in enumerate(lines, 2):
                if not line or line == header:
                    continue
                try:
                    yield self._row(line, number, layout)
                except PassedOver as what:
                    self.passed_over[str(what)] += 1

    def _row(self, line: str, number: int, layout: Layout) -> JobRecord | UnreadableRow:
        try:
            return record_of(self._values(line.split(layout.delimiter), layout))
        except UNREADABLE as error:
            return UnreadableRow(text=line, reason=f"line {number}: {error}")

    def _values(self, parts: list[str], layout: Layout) -> list[str]:
        """As the portal has sacct print them: columns in that order, times as epoch seconds."""
        if len(parts) != layout.width:
            raise ValueError(f"{len(parts)} columns instead of {layout.width}")
        values = []
        for name, position in zip(COLUMNS, layout.positions, strict=True):
            value = self.cluster if position is None else parts[position]
            if name == CLUSTER and value != self.cluster:
                raise PassedOver("of another cluster")
            if name == "JobIDRaw" and "." in value:
                raise PassedOver("steps of jobs")
            values.append(self._epoch(value) if name in MOMENTS else value)
        return values

    def _epoch(self, text: str) -> str:
        """Raises ValueError for what is no time, JobFileError for one of which nobody knows where it holds."""
        if text.isdigit() or text in UNSET:
            return text
        if "T" not in text and " " not in text:
            raise ValueError(f"{text!r} is no time")
        moment = datetime.fromisoformat(text)
        return str(int((moment if moment.tzinfo else self._in_zone(moment)).timestamp()))

    def _in_zone(self, moment: datetime) -> datetime:
        if self.zone is None:
            raise JobFileError(
                f"The time {moment.isoformat()} does not say in which zone: name the zone that the file was saved in, "
                "for example --zone Asia/Seoul, or save it with SLURM_TIME_FORMAT=%s."
            )
        moment = moment.replace(tzinfo=self.zone)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset():
            raise ValueError(f"{moment:%Y-%m-%dT%H:%M:%S} was twice or never in {self.zone}: the clocks were changed")
        return moment


@contextmanager
def _opened(path: Path) -> Iterator[Iterator[str]]:
    """The lines of a file, or of one that is compressed, without their ends. Raises JobFileError."""
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            # Only a line feed ends a line: names in a row may hold what Unicode counts as one.
            with TextIOWrapper(
                gzip.GzipFile(fileobj=raw) if compressed else raw, "utf-8-sig", errors="replace", newline="\n"
            ) as text:
                yield (line.rstrip("\r\n") for line in text)
    except (OSError, EOFError, zlib.error) as error:
        raise JobFileError(f"{path} cannot be read: {error}") from error
