"""Reservations as slurmdbd has them, and what of their idle time it charges to whom.

Where no job runs in a reservation, slurmdbd adds the time of all its GPUs to the usage of the associations that may use
it, in equal parts, when it sums up an hour (as_mysql_rollup.c). A job inside, whatever its size, makes the whole
reservation busy for as long as it runs; two at once count twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.moments import epoch, parse_moment
from portal.slurm.sentences import noop as _
from portal.slurm.tres import gpu_count, parse_tres
from portal.slurm.types import Reservation, Span

FIELDS = "id,start,end,tres,associations,name"
HOLDER_FIELDS = "id,account,user"
JOB_FIELDS = "ReservationId,Start,End,AllocTRES"
DELIMITER = "\x1f"
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def command(cluster: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """Each state of a reservation whose time touches [start, end): one that was changed has several."""
    window = (f"start=uts{epoch(start)}", f"end=uts{epoch(end)}")
    return ("sacctmgr", "-P", "-n", "show", "reservation", f"cluster={cluster}", *window, f"format={FIELDS}")


def holders_command(cluster: str) -> tuple[str, ...]:
    """Whom the numbers of associations mean, also of those that are deleted by now."""
    what = ("assoc", f"cluster={cluster}", "withdeleted", f"format={HOLDER_FIELDS}")
    return ("sacctmgr", "-P", "-n", "show", *what)


def jobs_command(cluster: str, start: datetime, end: datetime) -> tuple[str, ...]:
    window = ("-S", f"uts{epoch(start)}", "-E", f"uts{epoch(end)}")
    rows = ("-a", "-X", "-P", "-n", "-D", "-M", cluster, *window)
    return ("sacct", *rows, f"--delimiter={DELIMITER}", "-o", JOB_FIELDS)


def parse_reservations(text: str, holders: Mapping[int, tuple[str, str]]) -> list[Reservation]:
    """Those with GPUs; nothing else of a reservation is charged that the portal counts. Raises SlurmUnreadable."""
    rows = (_row(line, holders) for line in text.splitlines() if line)
    return [row for row in rows if row.gpus]


def parse_holders(text: str) -> dict[int, tuple[str, str]]:
    """(account, user) by number; the user of an account's own association is empty."""
    holders: dict[int, tuple[str, str]] = {}
    for line in text.splitlines():
        number, _bar, whose = line.partition("|")
        account, _bar, user = whose.rpartition("|")
        # The second half of a name with a line break in it begins with no number.
        if number.isdigit():
            holders[int(number)] = (account, user)
    return holders


def with_jobs(reservations: Iterable[Reservation], lines: Iterable[str]) -> list[Reservation]:
    """The same, each with the times of the jobs that ran in it. Raises SlurmUnreadable."""
    spans: dict[int, list[Span]] = defaultdict(list)
    for line in lines:
        try:
            number, start, end, tres = line.split(DELIMITER)
            began = parse_moment(start)
            if number not in ("", "0") and began is not None and gpu_count(parse_tres(tres)):
                spans[int(number)].append((began, parse_moment(end)))
        except ValueError as error:
            raise _unreadable(line, error) from error
    return [replace(row, used=tuple(sorted(spans[row.number], key=_by_start))) for row in reservations]


def idle_share(reservation: Reservation, start: datetime, end: datetime) -> int:
    """GPU-seconds that each holder is charged for idle time in these whole hours."""
    total, hour = 0, start
    while hour < end:
        total += _idle_in_hour(reservation, hour)
        hour += HOUR
    return total


def _idle_in_hour(reservation: Reservation, hour: datetime) -> int:
    start, end = max(reservation.start, hour), min(reservation.end or hour + HOUR, hour + HOUR)
    seconds = _seconds(start, end)
    busy = sum(_seconds(max(began, start), min(ended or end, end)) for began, ended in reservation.used)
    idle = max(0, seconds - busy) * reservation.gpus
    return idle // reservation.shares if reservation.shares else 0


def _row(line: str, holders: Mapping[int, tuple[str, str]]) -> Reservation:
    try:
        number, start, end, tres, associations, name = line.split("|", 5)
        began = parse_moment(start)
        if began is None:
            raise ValueError(f"{start!r} is no time")
        numbers = [part for part in associations.split(",") if part]
        return Reservation(
            name=name,
            number=int(number),
            start=began,
            end=parse_moment(end),
            gpus=gpu_count(parse_tres(tres)),
            holders=frozenset(holders[int(part)] for part in numbers if part.isdigit() and int(part) in holders),
            shares=len(numbers),
        )
    except ValueError as error:
        raise _unreadable(line, error) from error


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, (end - start) // SECOND)


def _by_start(span: Span) -> datetime:
    return span[0]


def _unreadable(line: str, error: ValueError) -> SlurmUnreadable:
    return SlurmUnreadable(_("A row about reservations is not understood: %(trouble)s"), trouble=error, words=line)
