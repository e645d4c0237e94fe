"""How long jobs waited, and how much of the time they asked for they needed: from job rows, in the database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounting.dashboard.period import Period
from accounting.models import Job
from accounting.usage import day_start

# Sizes of jobs by their number of GPUs: name and bounds, both included; None is no bound.
SIZES: tuple[tuple[str, int, int | None], ...] = (
    ("0", 0, 0),
    ("1", 1, 1),
    ("2-4", 2, 4),
    ("5-8", 5, 8),
    ("9", 9, None),
)
SIZE_NAMES = [name for name, _least, _most in SIZES]
# Of runs that came to their own end or to their limit it can be said how much time they needed.
RAN_THROUGH = ("COMPLETED", "TIMEOUT")
# All of it is in the index that finds the rows.
READ = ("gpus", "submit", "start", "end", "state", "time_limit_minutes", "final")
HALF = 50


# {started}: the jobs. One row by size, whose number is its place in SIZES, and one over all, whose number is NULL.
FIGURES = """
SELECT size, count(*), percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY waited),
    count(*) FILTER (WHERE ran_through), percentile_disc(0.5) WITHIN GROUP (ORDER BY used) FILTER (WHERE ran_through),
    count(*) FILTER (WHERE ran_through AND used < %s), count(*) FILTER (WHERE ran_through AND state = 'TIMEOUT')
FROM (
    SELECT state, width_bucket(gpus, %s) - 1 AS size,
        greatest(date_part('epoch', start - submit)::bigint, 0) AS waited,
        greatest(date_part('epoch', "end" - start)::bigint, 0) * 100 / nullif(time_limit_minutes * 60, 0) AS used,
        final AND state = ANY(%s) AND "end" IS NOT NULL AND time_limit_minutes > 0 AS ran_through
    FROM ({started}) AS started
) AS jobs
GROUP BY GROUPING SETS ((size), ())
"""


@dataclass(frozen=True, slots=True)
class Waited:
    """Jobs of one size ("" for all) that started: seconds from submission to start that half of them and nine in ten
    did not wait longer than."""

    size: str
    jobs: int
    half: int
    most: int

    @property
    def words(self) -> str:
        return size_words(self.size)


@dataclass(frozen=True, slots=True)
class Limits:
    """Of jobs that ran through: the percentage of their time limit that half of them did not pass, how many needed
    less than half of it, and how many were ended by it."""

    jobs: int
    half: int
    under_half: int
    reached: int


@dataclass(frozen=True, slots=True)
class Waits:
    """`known_from`: of days before nothing is known, because job rows are not kept so long."""

    rows: Sequence[Waited]
    total: Waited | None
    limits: Limits | None
    known_from: date | None


def size_words(size: str) -> str:
    return {
        "": _("All together"),
        "0": _("No GPU"),
        "1": _("1 GPU"),
        "2-4": _("2–4 GPUs"),
        "5-8": _("5–8 GPUs"),
        "9": _("More than 8 GPUs"),
    }[size]


def of_size(size: str) -> Q:
    """Jobs of the size with this name."""
    least, most = next((least, most) for name, least, most in SIZES if name == size)
    return Q(gpus__gte=least) if most is None else Q(gpus__gte=least, gpus__lte=most)


def waits(period: Period, accounts: Collection[str], sealed_before: date | None) -> Waits:
    """Of the jobs that started in the period: one query."""
    known_from = sealed_before if sealed_before and sealed_before > period.first else None
    if known_from and known_from > period.last:
        return Waits([], None, None, known_from)
    start, end = period.moments
    started = Job.objects.filter(account__in=accounts, start__gte=day_start(known_from) if known_from else start)
    found = _figures(started.parts_overlapping(start, end))
    rows = [Waited(name, *found[place][:3]) for place, name in enumerate(SIZE_NAMES) if place in found]
    whole = found.get(None)
    return Waits(
        rows=rows,
        total=Waited("", *whole[:3]) if whole else None,
        limits=Limits(*whole[3:]) if whole and whole[3] else None,
        known_from=known_from,
    )


def _figures(parts: Iterable[QuerySet[Job]]) -> dict[int | None, tuple[int, ...]]:
    """By place in SIZES, None over all: jobs, half and nine tenths of their waits; of those that ran through how many,
    half of their percentages of the limit, how many below half of it, how many reached it. Nothing without jobs."""
    first, *others = (part.order_by().values(*READ) for part in parts)
    started, of_jobs = first.union(*others, all=True).query.sql_with_params()
    with connection.cursor() as cursor:
        least = [least for _name, least, _most in SIZES]
        cursor.execute(FIGURES.replace("{started}", started), [HALF, least, list(RAN_THROUGH), *of_jobs])
        rows = cursor.fetchall()
    return {size: (jobs, *waited, *limits) for size, jobs, waited, *limits in rows if jobs}
