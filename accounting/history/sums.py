"""Usage per day and account over everybody, and per month, summed up anew wherever usage per day changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from django.db import connection

from accounting.models import UsageDay, UsageMonthSum, UsageSum

# A day, or a month by its first day; an account.
Pair = tuple[date, str]

# Stored rows and wanted ones side by side; only what differs is written. OFFSET 0 keeps it to a search for each pair.
REPLACE = """
    WITH pairs AS MATERIALIZED (
        SELECT DISTINCT {key}, account FROM unnest(%(dates)s::date[], %(accounts)s::text[]) AS given ({key}, account)
    ),
    wanted AS (
        SELECT p.{key}, account_name, gpu_kind, sum(gpu_seconds)::bigint AS gpu_seconds,
            sum(cpu_seconds)::bigint AS cpu_seconds, sum(jobs)::integer AS jobs
        FROM pairs p CROSS JOIN LATERAL (
            SELECT account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs FROM {parts}
            WHERE account_name = p.account AND day >= p.{key} AND day < p.{key} + interval '1 {key}' OFFSET 0
        ) u
        GROUP BY p.{key}, account_name, gpu_kind
    ),
    stored AS (
        SELECT u.* FROM pairs p CROSS JOIN LATERAL (
            SELECT * FROM {sums} WHERE account_name = p.account AND {key} = p.{key} OFFSET 0
        ) u
    ),
    compared AS MATERIALIZED (
        SELECT s.id, {key}, account_name, gpu_kind, w.gpu_seconds, w.cpu_seconds, w.jobs
        FROM (SELECT * FROM wanted WHERE (gpu_seconds, cpu_seconds, jobs) != (0, 0, 0)) w
        FULL JOIN stored s USING ({key}, account_name, gpu_kind)
        WHERE (w.gpu_seconds, w.cpu_seconds, w.jobs) IS DISTINCT FROM (s.gpu_seconds, s.cpu_seconds, s.jobs)
    ),
    gone AS (DELETE FROM {sums} WHERE id = ANY(ARRAY(SELECT id FROM compared WHERE jobs IS NULL))),
    written AS (
        INSERT INTO {sums} ({key}, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
        SELECT {key}, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs FROM compared WHERE jobs IS NOT NULL
        ON CONFLICT ({key}, account_name, gpu_kind) DO UPDATE SET (gpu_seconds, cpu_seconds, jobs)
            = (excluded.gpu_seconds, excluded.cpu_seconds, excluded.jobs)
    )
    SELECT DISTINCT {key}, account_name FROM compared
"""
REPLACE_DAYS = REPLACE.format(key="day", parts="accounting_usageday", sums="accounting_usagesum")
REPLACE_MONTHS = REPLACE.format(key="month", parts="accounting_usagesum", sums="accounting_usagemonthsum")


def sum_up(pairs: Collection[Pair]) -> set[Pair]:
    """Bring the sums of these days and accounts, and of their months, in line with usage per day, in the caller's
    transaction: two queries. The days whose sums were others, and the months of which only the month's was."""
    days = _replace(REPLACE_DAYS, pairs)
    months = _replace(REPLACE_MONTHS, _months(pairs))
    return days | (months - _months(days))


def _replace(statement: str, pairs: Collection[Pair]) -> set[Pair]:
    if not pairs:
        return set()
    dates, accounts = zip(*pairs, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(statement, {"dates": list(dates), "accounts": list(accounts)})
        return set(cursor.fetchall())


def _months(pairs: Iterable[Pair]) -> set[Pair]:
    return {(day.replace(day=1), account) for day, account in pairs}


def days_of(accounts: Collection[str], first: date, last: date) -> set[Pair]:
    """All days of these accounts from `first` to `last` that have usage or a sum of it, and months that have one."""
    days, sums, months = (
        model._default_manager.filter(account_name__in=accounts, **{f"{key}__gte": first, f"{key}__lte": last})
        .order_by()
        .values_list(key, "account_name")
        for model, key in ((UsageDay, "day"), (UsageSum, "day"), (UsageMonthSum, "month"))
    )
    return set(days.union(sums, months))
