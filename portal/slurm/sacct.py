"""Job history as `sacct` prints it, one row per run of a job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from types import MappingProxyType

from portal.slurm.moments import epoch, parse_minutes, parse_moment
from portal.slurm.tres import gpu_count, gpu_kinds, parse_tres
from portal.slurm.types import JobRecord, UnreadableRow

# No free text (job name, comment, directory): it may hold the delimiter or a new line.
FIELDS = (
    "Cluster,DBIndex,JobIDRaw,JobID,User,Account,Partition,QOS,State,"
    "Submit,Eligible,Start,End,AllocTRES,ExitCode,TimelimitRaw"
)
DELIMITER = "\x1f"


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
    for line in lines:
        try:
            yield _record(line.split(DELIMITER))
        except (ValueError, OverflowError) as error:
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


def _record(parts: list[str]) -> JobRecord:
    names = FIELDS.split(",")
    if len(parts) != len(names):
        raise ValueError(f"{len(parts)} columns instead of {len(names)}")
    of = dict(zip(names, parts, strict=True))
    tres = parse_tres(of["AllocTRES"])
    return JobRecord(
        cluster=of["Cluster"],
        db_index=int(of["DBIndex"]),
        job_id=int(of["JobIDRaw"]),
        display_id=of["JobID"],
        user=of["User"],
        account=of["Account"],
        partition=of["Partition"],
        qos=of["QOS"],
        state=_state(of["State"]),
        submit=_moment(of["Submit"]),
        eligible=parse_moment(of["Eligible"]),
        start=parse_moment(of["Start"]),
        end=parse_moment(of["End"]),
        gpus=gpu_count(tres),
        gpu_kinds=MappingProxyType(gpu_kinds(tres)),
        cpus=tres.get("cpu", 0),
        exit_code=of["ExitCode"],
        time_limit_minutes=parse_minutes(of["TimelimitRaw"]),
    )


def _state(text: str) -> str:
    """`CANCELLED by 1000` is the state CANCELLED."""
    if not text.strip():
        raise ValueError("no state")
    return text.split()[0]


def _moment(text: str) -> datetime:
    moment = parse_moment(text)
    if moment is None:
        raise ValueError(f"{text!r} is no time")
    return moment
