"""What a job was charged, and to which grant line at its end: the most that can be refunded of it, and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounting.attribution import Line, attribute, takers_at
from accounting.balance import lines_of, pieces_by_account
from accounting.models import Job, SealedDifference
from accounting.usage import SECOND, clipped_seconds
from allocations.models import Account, Pool, Project

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Charge:
    """What a finished job was charged, in GPU-seconds, and the key of the grant line it was charged to at its end."""

    job: Job
    project: Project
    pool: Pool
    line: int
    gpu_seconds: int


def charges_of(jobs: Iterable[Job]) -> list[Charge]:
    """Of the finished jobs that grants were charged for, in their order; four queries, and a few more for each job at
    whose end several lines were open."""
    jobs = [job for job in jobs if job.final and job.start and job.end]
    names = {job.account for job in jobs}
    accounts = {row.name: row for row in Account.objects.filter(name__in=names).select_related("project__pi", "pool")}
    lines = lines_of({account.project_id for account in accounts.values()})
    outside = _not_entered(jobs)
    found = []
    for job in jobs:
        account = accounts.get(job.account)
        if account is None:
            continue
        if charge := _charge(job, account, lines[account.project_id, account.pool_id], outside[job.key]):
            found.append(charge)
    return found


def charge_of(job: Job) -> Charge | None:
    """None where no grant was charged for it."""
    return next(iter(charges_of([job])), None)


def run_time_cap(hours: int | None, gpus: int) -> int | None:
    """The most that is refunded of a job of so many GPUs where `hours` of its run time count; None for all of them."""
    return None if hours is None else hours * SECONDS_AN_HOUR * gpus


def capped(gpu_seconds: int, most: int | None) -> int:
    return gpu_seconds if most is None else min(gpu_seconds, most)


def _not_entered(jobs: Sequence[Job]) -> Counter[str]:
    """GPU-seconds by key of the job that its row says and its sealed days do not: nobody entered them there (yet)."""
    rows = SealedDifference.objects.exclude(applied=True).filter(db_index__in={job.db_index for job in jobs})
    found = Counter[str]()
    for cluster, db_index, gpu_seconds in rows.values_list("cluster", "db_index", "gpu_seconds"):
        found[f"{cluster}/{db_index:f}"] += gpu_seconds
    return found


def _charge(job: Job, account: Account, lines: Sequence[Line], outside: int) -> Charge | None:
    """All but what it used before the first of the account's lines, and what is `outside` of all figures."""
    if not lines or job.start is None or job.end is None:
        return None
    gpu_seconds = job.gpus * clipped_seconds(job.start, job.end, min(line.starts_at for line in lines), job.end)
    gpu_seconds -= outside
    if gpu_seconds <= 0:
        return None
    line = _line_at(account.name, lines, job.end - SECOND)
    return Charge(job, account.project, account.pool, line.key, gpu_seconds) if line else None


def _line_at(account: str, lines: Sequence[Line], moment: datetime) -> Line | None:
    """The line whose turn it was: the open one that ends first and still had balance, else the one that ends last."""
    ranked = sorted(lines, key=lambda line: (line.ends_at, line.key))
    takers = takers_at(ranked, moment)
    if len(takers) < 2:
        return takers[0] if takers else None
    before = [piece for piece in pieces_by_account({account: lines}, moment)[account] if piece.end <= moment]
    charged = attribute(before, lines).charged
    return next((line for line in takers if charged[line.key] < line.usable_gpu_seconds), takers[-1])
