"""Usage per day and account over everybody, summed up anew from usage per day wherever that changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from django.db import connection

from accounting.models import UsageDay, UsageSum

# Day, account.
Days = tuple[date, str]

# Stored rows and wanted ones side by side; only what differs is written. OFFSET 0 keeps it to a search for each pair.
REPLACE = """
    WITH pairs AS MATERIALIZED (
        SELECT DISTINCT day, account FROM unnest(%(days)s::date[], %(accounts)s::text[]) AS given (day, account)
    ),
    wanted AS (
        SELECT u.day, account_name, gpu_kind, sum(gpu_seconds)::bigint AS gpu_seconds,
            sum(cpu_seconds)::bigint AS cpu_seconds, sum(jobs)::integer AS jobs
        FROM pairs p CROSS JOIN LATERAL (
            SELECT * FROM accounting_usageday WHERE account_name = p.account AND day = p.day OFFSET 0
        ) u
        GROUP BY u.day, account_name, gpu_kind
    ),
    stored AS (
        SELECT u.* FROM pairs p CROSS JOIN LATERAL (
            SELECT * FROM accounting_usagesum WHERE account_name = p.account AND day = p.day OFFSET 0
        ) u
    ),
    compared AS MATERIALIZED (
        SELECT s.id, day, account_name, gpu_kind, w.gpu_seconds, w.cpu_seconds, w.jobs
        FROM (SELECT * FROM wanted WHERE (gpu_seconds, cpu_seconds, jobs) != (0, 0, 0)) w
        FULL JOIN stored s USING (day, account_name, gpu_kind)
        WHERE (w.gpu_seconds, w.cpu_seconds, w.jobs) IS DISTINCT FROM (s.gpu_seconds, s.cpu_seconds, s.jobs)
    ),
    gone AS (DELETE FROM accounting_usagesum WHERE id = ANY(ARRAY(SELECT id FROM compared WHERE jobs IS NULL))),
    written AS (
        INSERT INTO accounting_usagesum (day, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs)
        SELECT day, account_name, gpu_kind, gpu_seconds, cpu_seconds, jobs FROM compared WHERE jobs IS NOT NULL
        ON CONFLICT (day, account_name, gpu_kind) DO UPDATE SET (gpu_seconds, cpu_seconds, jobs)
            = (excluded.gpu_seconds, excluded.cpu_seconds, excluded.jobs)
    )
    SELECT DISTINCT day, account_name FROM compared
"""


def sum_up(pairs: Collection[Days]) -> set[Days]:
    """Bring the sums of these days and accounts in line with usage per day, in the caller's transaction: one query.
    Those whose sums were others."""
    if not pairs:
        return set()
    days, accounts = zip(*pairs, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(REPLACE, {"days": list(days), "accounts": list(accounts)})
        return set(cursor.fetchall())


def days_of(accounts: Collection[str], first: date, last: date) -> set[Days]:
    """All days of these accounts from `first` to `last` that have usage or a sum of it."""
    days, sums = (
        model.objects.filter(account_name__in=accounts, day__gte=first, day__lte=last)
        .order_by()
        .values_list("day", "account_name")
        for model in (UsageDay, UsageSum)
    )
    return set(days.union(sums))
