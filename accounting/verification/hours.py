"""GPU-seconds of every person by hour or by day, from the job rows of this cluster: what is held against sreport."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from accounting.usage import day_of, day_start

# An account and a person, by Slurm's names.
Pair = tuple[str, str]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# Up to so long a period is compared hour by hour, a longer one by days: then equal days, as Slurm has them, say enough.
BY_HOURS = 2 * DAY

# usage.usage_by_person of many spans at once. A row is split into them, so that each is read once.
SUMS = """
    SELECT greatest(part, %(start)s) AS since, account, "user",
        sum(gpus * greatest(0, floor(extract(epoch FROM
            least(until, part + %(step)s, %(end)s) - greatest(start, part, %(start)s)))))::bigint
    FROM (
        SELECT account, "user", gpus, start, coalesce("end", last_seen_at) AS until
        FROM accounting_job
        WHERE cluster = %(cluster)s AND gpus > 0 AND start < %(end)s AND ("end" IS NULL OR "end" > %(start)s)
    ) run
    CROSS JOIN LATERAL generate_series(
        date_trunc(%(unit)s, greatest(start, %(start)s), 'Asia/Seoul'),
        least(until, %(end)s) - interval '1 microsecond', %(step)s
    ) part
    GROUP BY 1, 2, 3
"""


class Span(NamedTuple):
    """Whole hours, from `start` until just before `end`."""

    start: datetime
    end: datetime

    @property
    def is_hour(self) -> bool:
        return self.end - self.start == HOUR


def spans(start: datetime, end: datetime) -> list[Span]:
    """The hours of a short period; else its days in Seoul, the first and the last cut to it."""
    return list(_hours(start, end) if end - start <= BY_HOURS else _days(start, end))


def hours_of(span: Span) -> list[Span]:
    return list(_hours(*span))


def our_sums(parts: list[Span]) -> dict[Span, dict[Pair, int]]:
    """GPU-seconds by person in each of adjacent spans, all hours or all (but the outermost) days in Seoul."""
    hourly = parts[0].is_hour
    parameters = {
        "cluster": settings.SLURM_CLUSTER,
        "start": parts[0].start,
        "end": parts[-1].end,
        "unit": "hour" if hourly else "day",
        "step": HOUR if hourly else DAY,
    }
    by_start = {part.start: part for part in parts}
    sums: dict[Span, dict[Pair, int]] = defaultdict(dict)
    with connection.cursor() as cursor:
        cursor.execute(SUMS, parameters)
        for since, account, user, amount in cursor:
            if amount:
                sums[by_start[since]][account, user] = amount
    return sums


def _hours(start: datetime, end: datetime) -> Iterator[Span]:
    while start < end:
        yield Span(start, start + HOUR)
        start += HOUR


def _days(start: datetime, end: datetime) -> Iterator[Span]:
    while start < end:
        following = min(end, day_start(day_of(start) + DAY))
        yield Span(start, following)
        start = following
