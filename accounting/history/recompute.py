"""Usage per day and month, computed anew from job rows for whoever was touched, and written where it differs.

What accounting/usage.py defines, in SQL: a window of job history is a few statements, however many rows it has.
Works in tables of the session (`touched`, `lasting`, `differing`) that are empty again when the transaction ends.
"""

# ruff: noqa: S608 (statements are put together from the constants of this module)

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from accounting.history.merge import Verdict
from accounting.models import Job, UsageDay, UsageMonth
from accounting.usage import Run, day_start

# Day, account, person.
Usages = tuple[date, str, str]

# (day, account, user): whose finished jobs changed, or have to be counted anew for another reason; and whose figures
# turned out to differ. (account, user): who has, or had, jobs that run on.
TABLES = """
    CREATE TEMP TABLE touched (day date, account text, "user" text) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE lasting (account text, "user" text) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE differing (day date, account text, "user" text) ON COMMIT DELETE ROWS;
"""


def _day_of(moment: str) -> str:
    return f"(({moment}) AT TIME ZONE 'Asia/Seoul')::date"


def _day_start(day: str) -> str:
    return f"(({day})::timestamp AT TIME ZONE 'Asia/Seoul')"


# usage.days_between of rows `r` with `start` and `until`: the `day` and where it begins and ends.
DAYS = f"""
    CROSS JOIN LATERAL (
        SELECT {_day_of("least(r.start, r.until)")} AS first, {_day_of("r.until - interval '1 microsecond'")} AS last
    ) bounds
    CROSS JOIN LATERAL (SELECT first + n AS day FROM generate_series(0, greatest(0, last - first)) n) days
    CROSS JOIN LATERAL (SELECT {_day_start("day")} AS since, {_day_start("day + 1")} AS till) clock
"""

# usage.usage_of of {rows} with their days: first summed up as the rows are, then split by kind of GPU, as
# usage.gpus_by_kind splits them.
USAGE = """
    sums AS MATERIALIZED (
        SELECT day, account, "user", partition, state, provisional, gpus, gpu_kinds, sum(seconds) AS seconds,
            sum(cpus * seconds) AS cpu_seconds, count(*) FILTER (WHERE began) AS jobs
        FROM (
            SELECT r.*, least(start, until) >= since AND least(start, until) < till AS began,
                greatest(0, floor(date_part('epoch', least(until, till) - greatest(start, since))))::bigint AS seconds
            FROM ({rows}) r
        ) r
        GROUP BY day, account, "user", partition, state, provisional, gpus, gpu_kinds
    ),
    kinds AS MATERIALIZED (
        SELECT s.gpus, gpu_kinds, left(kind, 60) AS kind, part,
            row_number() OVER (PARTITION BY s.gpus, gpu_kinds ORDER BY kind = '', kind COLLATE "C") AS position
        FROM (SELECT DISTINCT gpus, gpu_kinds FROM sums) s
        CROSS JOIN LATERAL (
            SELECT key AS kind, least(s.gpus, sum(value::bigint) OVER upto)
                - least(s.gpus, sum(value::bigint) OVER upto - value::bigint) AS part
            FROM jsonb_each_text(gpu_kinds) WINDOW upto AS (ORDER BY key COLLATE "C")
            UNION ALL
            SELECT '', greatest(0, s.gpus - coalesce(sum(value::bigint), 0)) FROM jsonb_each_text(gpu_kinds)
        ) parts
        WHERE part > 0 OR (kind = '' AND s.gpus = 0)
    ),
    wanted AS MATERIALIZED (
        SELECT day, account AS account_name, "user" AS user_name, kind AS gpu_kind, partition, state, provisional,
            sum(part * seconds)::bigint AS gpu_seconds,
            coalesce(sum(cpu_seconds) FILTER (WHERE position = 1), 0)::bigint AS cpu_seconds,
            coalesce(sum(jobs) FILTER (WHERE position = 1), 0)::integer AS jobs
        FROM sums JOIN kinds USING (gpus, gpu_kinds)
        GROUP BY day, account, "user", kind, partition, state, provisional
    )
"""

# OFFSET 0 keeps the search for rows one by account and month each: what it costs does not grow with the history.
# Jobs of more than two days have an index of their own, so that no other has to be looked for beyond them.
RUN = 'account, "user", partition, state, start, "end" AS until, gpus, gpu_kinds, cpus, false AS provisional'
FINAL_ROWS = f"""
    SELECT * FROM (
        SELECT r.*, day, clock.since, clock.till
        FROM (
            SELECT account, array_agg(DISTINCT "user") AS users, array_agg(DISTINCT day) AS days,
                {_day_start("min(day)")} AS since, {_day_start("max(day) + 1")} AS till
            FROM touched GROUP BY account, date_trunc('month', day::timestamp) OFFSET 0
        ) t
        CROSS JOIN LATERAL (
            SELECT {RUN} FROM accounting_job
            WHERE account = t.account AND "end" >= t.since AND "end" < t.till + interval '2 days'
                AND final AND least(start, "end") < t.till AND start IS NOT NULL AND "user" = ANY(t.users)
            UNION ALL
            SELECT {RUN} FROM accounting_job
            WHERE account = t.account AND "end" >= t.till + interval '2 days'
                AND "end" - start > interval '2 days' AND final AND start < t.till AND "user" = ANY(t.users)
            OFFSET 0
        ) r
        CROSS JOIN LATERAL unnest(t.days) AS day
        JOIN (
            SELECT day, {_day_start("day")} AS since, {_day_start("day + 1")} AS till
            FROM (SELECT DISTINCT day FROM touched) d OFFSET 0
        ) clock USING (day)
        WHERE (start < clock.till AND until > clock.since)
            OR (until <= start AND until >= clock.since AND until < clock.till)
        OFFSET 0
    ) r
    WHERE (day, account, "user") IN (SELECT day, account, "user" FROM touched)
"""
LASTING_ROWS = f"""
    SELECT r.*, day, since, till
    FROM (SELECT DISTINCT account, "user" FROM lasting) l
    CROSS JOIN LATERAL (
        SELECT account, "user", partition, state, start, coalesce("end", last_seen_at) AS until, gpus, gpu_kinds, cpus,
            true AS provisional
        FROM accounting_job j
        WHERE j.account = l.account AND j."user" = l."user" AND NOT final AND start IS NOT NULL
        OFFSET 0
    ) r
    {DAYS}
"""

# Stored rows and wanted ones side by side; what differs is written, and whose it is noted.
REPLACE = """
    WITH {wanted}, stored AS MATERIALIZED ({stored}),
    compared AS MATERIALIZED (
        SELECT s.id, {key}, w.gpu_seconds, w.cpu_seconds, w.jobs, a.id AS account_id
        FROM (SELECT * FROM wanted WHERE (gpu_seconds, cpu_seconds, jobs) != (0, 0, 0)) w
        FULL JOIN stored s USING ({key})
        LEFT JOIN (SELECT id, name AS account_name FROM allocations_account) a USING (account_name)
        WHERE (w.gpu_seconds, w.cpu_seconds, w.jobs) IS DISTINCT FROM (s.gpu_seconds, s.cpu_seconds, s.jobs)
    ),
    gone AS (DELETE FROM {table} WHERE id = ANY(ARRAY(SELECT id FROM compared WHERE jobs IS NULL))),
    written AS (
        INSERT INTO {table} ({key}, account_id, gpu_seconds, cpu_seconds, jobs)
        SELECT {key}, account_id, gpu_seconds, cpu_seconds, jobs FROM compared WHERE jobs IS NOT NULL
        ON CONFLICT ({key}) DO UPDATE SET (account_id, gpu_seconds, cpu_seconds, jobs)
            = (excluded.account_id, excluded.gpu_seconds, excluded.cpu_seconds, excluded.jobs)
    )
    {then} SELECT DISTINCT {period}, account_name, user_name FROM compared
"""
NOTE = "INSERT INTO differing"
DAY_KEY, MONTH_KEY = ", ".join(UsageDay.KEY), ", ".join(UsageMonth.KEY)
STORED_FINAL = """
    SELECT u.* FROM (SELECT DISTINCT day, account, "user" FROM touched) t CROSS JOIN LATERAL (
        SELECT * FROM accounting_usageday
        WHERE (day, account_name, user_name) = (t.day, t.account, t."user") AND NOT provisional OFFSET 0
    ) u
"""
STORED_LASTING = """
    SELECT u.* FROM (SELECT DISTINCT account, "user" FROM lasting) l CROSS JOIN LATERAL (
        SELECT * FROM accounting_usageday
        WHERE (account_name, user_name) = (l.account, l."user") AND provisional OFFSET 0
    ) u
"""
REPLACE_DAY = {"table": "accounting_usageday", "period": "day", "key": DAY_KEY, "then": NOTE}
REPLACE_FINAL = REPLACE.format(wanted=USAGE.format(rows=FINAL_ROWS), stored=STORED_FINAL, **REPLACE_DAY)
REPLACE_LASTING = REPLACE.format(wanted=USAGE.format(rows=LASTING_ROWS), stored=STORED_LASTING, **REPLACE_DAY)

MONTHS = "SELECT DISTINCT date_trunc('month', day::timestamp)::date AS month, account, \"user\" FROM {of}"
WANTED_MONTHS = f"""
    wanted AS MATERIALIZED (
        SELECT {MONTH_KEY}, sum(gpu_seconds)::bigint AS gpu_seconds, sum(cpu_seconds)::bigint AS cpu_seconds,
            sum(jobs)::integer AS jobs
        FROM (SELECT month, account, array_agg("user") AS users FROM ({MONTHS}) m GROUP BY month, account OFFSET 0) m
        CROSS JOIN LATERAL (
            SELECT * FROM accounting_usageday
            WHERE account_name = m.account AND day >= m.month AND day < m.month + interval '1 month'
                AND user_name = ANY(m.users)
            OFFSET 0
        ) u
        GROUP BY {MONTH_KEY}
    )
"""
STORED_MONTHS = f"""
    SELECT u.* FROM ({MONTHS}) m CROSS JOIN LATERAL (
        SELECT * FROM accounting_usagemonth
        WHERE (month, account_name, user_name) = (m.month, m.account, m."user") OFFSET 0
    ) u
"""
REPLACE_MONTHS = REPLACE.format(
    table="accounting_usagemonth",
    period="month",
    key=MONTH_KEY,
    wanted=WANTED_MONTHS,
    stored=STORED_MONTHS,
    then="",
)

TOUCH = f"""
    INSERT INTO touched
    SELECT DISTINCT days.day, r.account, r."user"
    FROM (
        SELECT account, "user", start, "end" AS until FROM judged
        WHERE verdict IN ('{Verdict.NEW}', '{Verdict.CHANGED}') AND final AND start IS NOT NULL
        UNION ALL
        SELECT o.account, o."user", o.start, o."end" FROM judged JOIN accounting_job o ON o.id = old_id
        WHERE verdict = '{Verdict.CHANGED}' AND o.final AND o.start IS NOT NULL
    ) r {DAYS}
    WHERE days.day >= coalesce(%(sealed_before)s, days.day);

    INSERT INTO lasting
    SELECT account, "user" FROM judged
    WHERE verdict IN ('{Verdict.NEW}', '{Verdict.CHANGED}', '{Verdict.OPEN}') AND NOT final
    UNION
    SELECT o.account, o."user" FROM judged JOIN accounting_job o ON o.id = old_id
    WHERE verdict = '{Verdict.CHANGED}' AND NOT o.final
"""


# All usage of some accounts on some days, whether it changed or not.
TOUCH_ALL = f"""
    INSERT INTO touched
    SELECT days.day, r.account, r."user"
    FROM (
        SELECT account, "user", start, "end" AS until FROM accounting_job
        WHERE account = ANY(%(names)s) AND final AND start IS NOT NULL AND "end" >= %(since)s
    ) r {DAYS}
    WHERE days.day BETWEEN %(first)s AND %(last)s
    UNION
    SELECT day, account_name, user_name FROM accounting_usageday
    WHERE account_name = ANY(%(names)s) AND day BETWEEN %(first)s AND %(last)s
    UNION
    SELECT greatest(month, %(first)s), account_name, user_name FROM accounting_usagemonth
    WHERE account_name = ANY(%(names)s)
        AND month BETWEEN date_trunc('month', %(first)s::timestamp)::date AND %(last)s;

    INSERT INTO lasting
    SELECT account, "user" FROM accounting_job WHERE account = ANY(%(names)s) AND NOT final
    UNION SELECT account_name, user_name FROM accounting_usageday WHERE account_name = ANY(%(names)s) AND provisional
"""
TOUCHED = "(TABLE touched UNION TABLE differing) t"
# Compiling a statement costs more than running it on a window of rows, which fits into so much memory.
PLAIN = "SET LOCAL jit = off; SET LOCAL work_mem = '32MB'"


def clear() -> None:
    """The tables, empty: also where something was recomputed before in the same transaction."""
    with connection.cursor() as cursor:
        cursor.execute(PLAIN)
        cursor.execute("SELECT to_regclass('pg_temp.differing') IS NULL")
        fresh = cursor.fetchone()[0]
        cursor.execute(TABLES if fresh else "DELETE FROM touched; DELETE FROM lasting; DELETE FROM differing")


def touch(sealed_before: date | None) -> None:
    """Note whose usage the rows in `judged` change (merge.py), by their old values and their new ones.

    Before they are merged. Days that are sealed are left out.
    """
    with connection.cursor() as cursor:
        cursor.execute(TOUCH, {"sealed_before": sealed_before})


def touch_all(names: Collection[str], first: date, last: date) -> None:
    """Note everybody's usage of these accounts, from the first day to the last, and what runs in them."""
    values: dict[str, Any] = {"names": list(names), "first": first, "last": last, "since": day_start(first)}
    with connection.cursor() as cursor:
        cursor.execute(TOUCH_ALL, values)


def recompute(*, all_months: bool = False) -> list[Usages]:
    """Bring usage of whoever was touched in line with the job rows; whose was not, by day.

    A month is summed up anew where one of its days was not; with `all_months` wherever one was touched, and it is
    named too, by its first day.
    """
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE touched")
        cursor.execute(REPLACE_FINAL)
        cursor.execute(REPLACE_LASTING)
        cursor.execute(REPLACE_MONTHS.format(of=TOUCHED if all_months else "differing"))
        months = cursor.fetchall()
        cursor.execute("SELECT DISTINCT * FROM differing")
        days = cursor.fetchall()
    return sorted({*days, *months}) if all_months else days


def runs_of(jobs: QuerySet[Job]) -> Iterator[Run]:
    """What counts of the rows that ever started."""
    rows = (
        jobs.filter(start__isnull=False)
        .order_by()
        .values_list(
            "account",
            "user",
            "partition",
            "state",
            "start",
            "end",
            "last_seen_at",
            "gpus",
            "gpu_kinds",
            "final",
            "cpus",
        )
    )
    for account, user, partition, state, start, end, seen, gpus, kinds, final, cpus in rows.iterator():
        if start is not None:
            yield Run(account, user, partition, state, start, end or seen, gpus, kinds, not final, cpus)
