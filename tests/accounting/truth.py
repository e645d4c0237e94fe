"""The truth about a history of jobs: the measure that the portal's sums are held against.

Nothing here uses the code under test: the truth is the area under the curve of what was held, cut at Seoul's midnights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import NamedTuple

from portal.slurm import sacct
from portal.slurm.sandbox import HistoryJob
from portal.slurm.types import JobRecord
from tests.accounting.shapes import DAY, SEEN, SEOUL_AHEAD, TrueRun

FIRST_DAY = date(1970, 1, 1).toordinal()
# Above 2^63, as Slurm's own are from 24.11 on.
FIRST_INDEX = 2**63 + 2**50


class TrueKey(NamedTuple):
    """In the order of UsageDay.KEY."""

    day: date
    account: str
    user: str
    gpu_kind: str
    partition: str
    state: str
    provisional: bool


class TrueAmount(NamedTuple):
    gpu_seconds: int
    cpu_seconds: int
    jobs: int


def truth(runs: Iterable[TrueRun], seen: int = SEEN) -> dict[TrueKey, TrueAmount]:
    """What was held per day, as the area under the curve of GPUs and CPUs over time; rows that say nothing left out.

    A job of several kinds counts, and its CPUs stand, with the first of them. It counts on the day it began; where its
    clocks ran backwards, on that of its end.
    """
    curves: dict[tuple[str, str, str, str, str, bool], list[tuple[int, int, int]]] = defaultdict(list)
    jobs: dict[TrueKey, int] = defaultdict(int)
    for run in runs:
        if run.start is None:
            continue
        end = run.end if run.end is not None else seen
        until = max(run.start, end)
        for position, (kind, gpus) in enumerate(_parts(run)):
            cpus = 0 if position else run.cpus
            key = (run.account, run.user, kind, run.partition, run.state, run.open)
            curves[key] += [(run.start, gpus, cpus), (until, -gpus, -cpus)]
            jobs[TrueKey(_day(min(run.start, end)), *key)] += position == 0
    areas = {TrueKey(day, *key): area for key, steps in curves.items() for day, area in _areas(steps)}
    amounts = {key: TrueAmount(*areas.get(key, (0, 0)), jobs[key]) for key in [*areas, *jobs]}
    return {key: amount for key, amount in amounts.items() if any(amount)}


def by_person(runs: Iterable[TrueRun], since: int, until: int, seen: int = SEEN) -> dict[tuple[str, str], int]:
    """GPU-seconds in [since, until), as sreport tells them: the seconds of it in which each job held GPUs, counted."""
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for run in runs:
        if run.start is not None:
            held = range(run.start, run.end if run.end is not None else seen)
            before, after = (len(range(held.start, min(held.stop, moment))) for moment in (since, until))
            sums[run.account, run.user] += run.gpus * (after - before)
    return {key: amount for key, amount in sums.items() if amount}


def _parts(run: TrueRun) -> list[tuple[str, int]]:
    rest = run.gpus - sum(count for _, count in run.kinds)
    return [*run.kinds, ("", rest)] if rest or not run.kinds else list(run.kinds)


def _day(moment: int) -> date:
    return date.fromordinal(FIRST_DAY + (moment + SEOUL_AHEAD) // DAY)


def _areas(steps: list[tuple[int, int, int]]) -> Iterator[tuple[date, tuple[int, int]]]:
    """Day by day, the area under both curves that step up and down at these moments."""
    days: dict[date, tuple[int, int]] = defaultdict(lambda: (0, 0))
    gpus = cpus = now = 0
    for moment, more_gpus, more_cpus in sorted(steps):
        while (gpus or cpus) and now < moment:
            stop = min(moment, now + DAY - (now + SEOUL_AHEAD) % DAY)
            before = days[_day(now)]
            days[_day(now)] = (before[0] + gpus * (stop - now), before[1] + cpus * (stop - now))
            now = stop
        gpus, cpus, now = gpus + more_gpus, cpus + more_cpus, moment
    yield from days.items()


# --- The same jobs as the portal and Slurm meet them ---


def record(run: TrueRun, cluster: str = "pohang") -> JobRecord:
    return JobRecord(
        cluster=cluster,
        db_index=FIRST_INDEX + run.number,
        job_id=run.job_id,
        display_id=run.display_id,
        user=run.user,
        account=run.account,
        partition=run.partition,
        qos=run.partition,
        state=run.state,
        submit=moment_of(run.submit),
        eligible=moment_of(run.submit),
        start=None if run.start is None else moment_of(run.start),
        end=None if run.end is None else moment_of(run.end),
        gpus=run.gpus,
        gpu_kinds=MappingProxyType(dict(run.kinds)),
        cpus=run.cpus,
        exit_code="0:0",
        time_limit_minutes=60,
    )


def sacct_line(run: TrueRun, cluster: str = "pohang") -> str:
    """The row as sacct prints it."""
    gpus = [f"gres/gpu:{kind}={count}" for kind, count in run.kinds]
    if run.gpus:
        gpus.append(f"gres/gpu={run.gpus}")
    words = {
        "Cluster": cluster,
        "DBIndex": FIRST_INDEX + run.number,
        "JobIDRaw": run.job_id,
        "JobID": run.display_id,
        "User": run.user,
        "Account": run.account,
        "Partition": run.partition,
        "QOS": run.partition,
        "State": "CANCELLED by 1000" if run.state == "CANCELLED" else run.state,
        "Submit": run.submit,
        "Eligible": run.submit,
        "Start": "None" if run.start is None else run.start,
        "End": "Unknown" if run.end is None else run.end,
        "AllocTRES": ""
        if run.start is None
        else ",".join([f"billing={run.cpus},cpu={run.cpus},mem=10M,node=1", *gpus]),
        "ExitCode": "0:0",
        "TimelimitRaw": "UNLIMITED" if run.number % 7 == 0 else 60,
    }
    return sacct.DELIMITER.join(str(words[name]) for name in sacct.FIELDS.split(","))


def history_job(run: TrueRun) -> HistoryJob:
    return HistoryJob(
        job_id=run.job_id,
        account=run.account,
        user=run.user,
        submit=moment_of(run.submit),
        start=None if run.start is None else moment_of(run.start),
        end=None if run.end is None else moment_of(run.end),
        gpus=run.gpus,
        kinds=dict(run.kinds),
        state=run.state,
        partition=run.partition,
        qos=run.partition,
        cpus=run.cpus,
        suspended=run.suspended,
        array=run.array,
        het=run.het,
    )


def moment_of(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
