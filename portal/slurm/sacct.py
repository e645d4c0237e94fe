"""Job history as `sacct` prints it, one row per run of a job. Read by the million: see tests/bench/ingest.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType

from portal.slurm.moments import UNSET, epoch, parse_minutes
from portal.slurm.tres import gpu_count, gpu_kinds, parse_tres
from portal.slurm.types import JobRecord, UnreadableRow

# No free text (job name, comment, directory): it may hold the delimiter or a new line.
FIELDS = (
    "Cluster,DBIndex,JobIDRaw,JobID,User,Account,Partition,QOS,State,"
    "Submit,Eligible,Start,End,AllocTRES,ExitCode,TimelimitRaw"
)
COLUMNS = FIELDS.count(",") + 1
DELIMITER = "\x1f"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a value that is not understood raises.
UNREADABLE = (ValueError, OverflowError)


def command(cluster: str, since: datetime, until: datetime) -> tuple[str, ...]:
    """Whole allocations of everybody, with the runs that a requeue left behind (-D).

    sacct knows whole seconds: the window is widened to them, and in_window() narrows it again.
    """
    window = ("-S", f"uts{epoch(since)}", "-E", f"uts{epoch(until + timedelta(seconds=1))}")
    return (
        "sacct",
        "-a",
        "-X",
        "-P",
        "-n",
        "-D",
        "-M",
        cluster,
        *window,
        f"--delimiter={DELIMITER}",
        "-o",
        FIELDS,
    )


def parse_jobs(lines: Iterable[str]) -> Iterator[JobRecord | UnreadableRow]:
    """One row for every line: what cannot be understood comes with the reason, and the rest goes on."""
    for line in lines:
        try:
            yield record_of(line.split(DELIMITER))
        except UNREADABLE as error:
            yield UnreadableRow(text=line, reason=str(error))


def in_window(row: JobRecord | UnreadableRow, since: datetime, until: datetime) -> bool:
    """Started before `until` and not ended before `since`; a job that never started counts by its end.

    Waiting jobs are in no window: sacct itself lists them or not, depending on when they may start.
    """
    if isinstance(row, UnreadableRow):
        return True
    if row.start is None and row.end is None:
        return False
    return (row.start or row.end or since) < until and (row.end is None or row.end >= since)


def record_of(values: list[str]) -> JobRecord:
    """A row from its values in the order of FIELDS, times as seconds since 1970 or Slurm's words for none.

    Raises one of UNREADABLE, whose text says what is wrong.
    """
    if len(values) != COLUMNS:
        raise ValueError(f"{len(values)} columns instead of {COLUMNS}")
    (cluster, index, job_id, display_id, user, account, partition, qos, state) = values[:9]
    (submit, eligible, start, end, tres, exit_code, limit) = values[9:]
    submitted = _moment(submit)
    if submitted is None:
        raise ValueError(f"{submit!r} is no time")
    gpus, kinds, cpus = _allocated(tres)
    return JobRecord(
        cluster,
        _number(index),
        _number(job_id),
        display_id,
        user,
        account,
        partition,
        qos,
        _state(state),
        submitted,
        submitted if eligible == submit else _moment(eligible),
        _moment(start),
        _moment(end),
        gpus,
        kinds,
        cpus,
        exit_code,
        _minutes(limit),
    )


def _number(text: str) -> int:
    """int() alone would take blanks, signs, underscores and the digits of every script."""
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _moment(text: str) -> datetime | None:
    return None if text in UNSET else EPOCH + timedelta(0, _number(text))


# The same few texts come again and again in a history.


@lru_cache(maxsize=1024)
def _state(text: str) -> str:
    """`CANCELLED by 1000` is the state CANCELLED."""
    if not text.strip():
        raise ValueError("no state")
    return text.split()[0]


@lru_cache(maxsize=1024)
def _minutes(text: str) -> int | None:
    return parse_minutes(text)


@lru_cache(maxsize=4096)
def _allocated(text: str) -> tuple[int, Mapping[str, int], int]:
    """GPUs, of which kinds, and CPUs of an AllocTRES.

    Of kinds that claim more GPUs together than there are, the last by name yield: they are a breakdown, no sum.
    """
    tres = parse_tres(text)
    gpus = left = gpu_count(tres)
    kinds = {}
    for kind, count in sorted(gpu_kinds(tres).items()):
        if part := min(count, left):
            kinds[kind] = part
            left -= part
    return gpus, MappingProxyType(kinds), tres.get("cpu", 0)
