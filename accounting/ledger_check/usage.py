"""Usage held against the jobs it comes from, and what lines are charged against usage."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Max, Min, Q, Sum
from django.utils.translation import gettext_noop as _

from accounting.attribution import attribute
from accounting.balance import ACCOUNTS_AT_ONCE, lines_of, pieces_by_account
from accounting.history.recompute import runs_of
from accounting.ledger_check.findings import Checked, sentence
from accounting.models import IngestMark, Job, UsageDay, UsageMonth
from accounting.usage import Amount, UsageKey, day_bounds, day_start, usage_of
from allocations.models import Account

# Days of a person that are counted anew by the definition itself, picked by chance.
SAMPLE = 50
BEFORE_ALL = date(1970, 1, 1)

COUNT_MONTHS = "SELECT count(*) FROM accounting_usagemonth"
# Both sides have every key once.
DIFFERING_MONTHS = """
SELECT month, account_name, user_name, m.gpu_seconds, d.gpu_seconds, m.cpu_seconds, d.cpu_seconds, m.jobs, d.jobs
FROM accounting_usagemonth m
FULL JOIN (
    SELECT date_trunc('month', day::timestamp)::date AS month, account_name, user_name, gpu_kind, partition, state,
        provisional, sum(gpu_seconds) AS gpu_seconds, sum(cpu_seconds) AS cpu_seconds, sum(jobs) AS jobs
    FROM accounting_usageday GROUP BY 1, 2, 3, 4, 5, 6, 7
) d USING (month, account_name, user_name, gpu_kind, partition, state, provisional)
WHERE (m.gpu_seconds, m.cpu_seconds, m.jobs) IS DISTINCT FROM (d.gpu_seconds, d.cpu_seconds, d.jobs)
ORDER BY 1, 2, 3
"""
COUNT_SUMS = "SELECT count(*) FROM accounting_usagesum"
DIFFERING_SUMS = """
SELECT day, account_name, s.gpu_seconds, d.gpu_seconds, s.cpu_seconds, d.cpu_seconds, s.jobs, d.jobs
FROM accounting_usagesum s
FULL JOIN (
    SELECT day, account_name, gpu_kind, sum(gpu_seconds) AS gpu_seconds, sum(cpu_seconds) AS cpu_seconds,
        sum(jobs) AS jobs
    FROM accounting_usageday GROUP BY 1, 2, 3
) d USING (day, account_name, gpu_kind)
WHERE (s.gpu_seconds, s.cpu_seconds, s.jobs) IS DISTINCT FROM (d.gpu_seconds, d.cpu_seconds, d.jobs)
ORDER BY 1, 2
"""
COUNT_MONTH_SUMS = "SELECT count(*) FROM accounting_usagemonthsum"
DIFFERING_MONTH_SUMS = """
SELECT month, account_name, m.gpu_seconds, d.gpu_seconds, m.cpu_seconds, d.cpu_seconds, m.jobs, d.jobs
FROM accounting_usagemonthsum m
FULL JOIN (
    SELECT date_trunc('month', day::timestamp)::date AS month, account_name, gpu_kind,
        sum(gpu_seconds) AS gpu_seconds, sum(cpu_seconds) AS cpu_seconds, sum(jobs) AS jobs
    FROM accounting_usagesum GROUP BY 1, 2, 3
) d USING (month, account_name, gpu_kind)
WHERE (m.gpu_seconds, m.cpu_seconds, m.jobs) IS DISTINCT FROM (d.gpu_seconds, d.cpu_seconds, d.jobs)
ORDER BY 1, 2
"""
# Per account and month. A job counts in the month in which it began, or where its clocks ran backwards ended.
TOTALS = """
SELECT month, account, provisional, d.gpu_seconds, j.gpu_seconds, d.cpu_seconds, j.cpu_seconds, d.jobs, j.jobs
FROM (
    SELECT date_trunc('month', day::timestamp)::date AS month, account_name AS account, provisional,
        sum(gpu_seconds) AS gpu_seconds, sum(cpu_seconds) AS cpu_seconds, sum(jobs) AS jobs
    FROM accounting_usageday WHERE day >= %(first)s GROUP BY 1, 2, 3
) d
FULL JOIN (
    SELECT month, account, provisional, sum(gpus * held) AS gpu_seconds, sum(cpus * held) AS cpu_seconds,
        count(*) FILTER (WHERE began >= greatest(since, %(since)s) AND began < till) AS jobs
    FROM (
        SELECT runs.*, months.month, since, till,
            greatest(0, floor(extract(epoch FROM least(until, till) - greatest(start, since, %(since)s)))) AS held
        FROM (
            SELECT account, NOT final AS provisional, gpus, cpus, start, until, least(start, until) AS began
            FROM accounting_job
            CROSS JOIN LATERAL (SELECT CASE WHEN final THEN "end" ELSE coalesce("end", last_seen_at) END AS until) ended
            WHERE start IS NOT NULL AND until >= %(since)s
        ) runs
        CROSS JOIN LATERAL generate_series(
            date_trunc('month', began AT TIME ZONE 'Asia/Seoul'),
            date_trunc('month', until AT TIME ZONE 'Asia/Seoul'), interval '1 month'
        ) series
        CROSS JOIN LATERAL (
            SELECT series::date AS month, series AT TIME ZONE 'Asia/Seoul' AS since,
                (series + interval '1 month') AT TIME ZONE 'Asia/Seoul' AS till
        ) months
    ) pieces
    GROUP BY 1, 2, 3 HAVING (sum(gpus * held), sum(cpus * held), count(*) FILTER (
        WHERE began >= greatest(since, %(since)s) AND began < till)) != (0, 0, 0)
) j USING (month, account, provisional)
"""


def months(at: datetime) -> Checked:
    """Usage by month is the sum of usage by day, key by key."""
    found = Checked(checked=_rows(COUNT_MONTHS)[0][0])
    found.wrong = [
        sentence(
            _(
                "%(account)s, %(user)s, %(month)s: usage by month says %(stored)s; its days come to %(days)s "
                "(GPU-seconds / CPU-seconds / jobs)."
            ),
            account=account,
            user=user,
            month=f"{month:%Y-%m}",
            stored=_slashed(amounts[0::2]),
            days=_slashed(amounts[1::2]),
        )
        for month, account, user, *amounts in _rows(DIFFERING_MONTHS)
    ]
    return found


def sums(at: datetime) -> Checked:
    """Usage by day and account is the sum of usage by day, kind by kind; by month it is that of its days."""
    found = Checked(checked=_rows(COUNT_SUMS)[0][0] + _rows(COUNT_MONTH_SUMS)[0][0])
    found.wrong = [
        sentence(
            _(
                "%(account)s, %(day)s: the sum over all persons says %(stored)s; their rows come to %(days)s "
                "(GPU-seconds / CPU-seconds / jobs)."
            ),
            account=account,
            day=day.isoformat(),
            stored=_slashed(amounts[0::2]),
            days=_slashed(amounts[1::2]),
        )
        for day, account, *amounts in _rows(DIFFERING_SUMS)
    ]
    found.wrong += [
        sentence(
            _(
                "%(account)s, %(month)s: the sum over all persons says %(stored)s; its days come to %(days)s "
                "(GPU-seconds / CPU-seconds / jobs)."
            ),
            account=account,
            month=f"{month:%Y-%m}",
            stored=_slashed(amounts[0::2]),
            days=_slashed(amounts[1::2]),
        )
        for month, account, *amounts in _rows(DIFFERING_MONTH_SUMS)
    ]
    return found


def days(at: datetime) -> Checked:
    """Usage by day is what the job rows give: in all by account and month, and person by person for a sample."""
    first = IngestMark.current().sealed_before or BEFORE_ALL
    found = Checked()
    bounds = {"first": first, "since": day_start(first)}
    for month, account, _provisional, *amounts in _rows(TOTALS, bounds):
        stored, counted = amounts[0::2], amounts[1::2]
        found.look(
            stored == counted,
            _(
                "%(account)s, %(month)s: usage by day says %(stored)s; the jobs come to %(counted)s "
                "(GPU-seconds / CPU-seconds / jobs)."
            ),
            account=account,
            month=f"{month:%Y-%m}",
            stored=_slashed(stored),
            counted=_slashed(counted),
        )
    for row in _sample(first):
        stored_day, counted_day = _as_stored(row), _as_counted(row)
        found.look(
            stored_day == counted_day,
            _(
                "%(account)s, %(user)s, %(day)s: usage says %(stored)s; the jobs come to %(counted)s "
                "(GPU-seconds / CPU-seconds / jobs)."
            ),
            account=row.account_name,
            user=row.user_name,
            day=row.day.isoformat(),
            stored=_slashed(_in_all(stored_day)),
            counted=_slashed(_in_all(counted_day)),
        )
    return found


def charges(at: datetime) -> Checked:
    """What an account's lines are charged, with what it used before any of them, is all it used; line by line it is
    what the order of the grants gives."""
    found = Checked()
    accounts = list(Account.objects.order_by("name"))
    for first in range(0, len(accounts), ACCOUNTS_AT_ONCE):
        _look_at_charges(accounts[first : first + ACCOUNTS_AT_ONCE], found)
    return found


def _look_at_charges(accounts: list[Account], found: Checked) -> None:
    names = [account.name for account in accounts]
    lines = lines_of({account.project_id for account in accounts})
    pieces = pieces_by_account({row.name: lines[row.project_id, row.pool_id] for row in accounts})
    usage = UsageMonth.objects.filter(account_name__in=names).order_by().values_list("account_name")
    used = dict(usage.annotate(Sum("gpu_seconds")))
    for account in accounts:
        of_account = lines[account.project_id, account.pool_id]
        attribution = attribute(pieces[account.name], of_account)
        charged = sum(line.charged_gpu_seconds for line in of_account)
        found.look(
            charged + attribution.unattributed == used.get(account.name, 0),
            _("%(account)s used %(used)s GPU-seconds; its grants are charged %(charged)s, %(outside)s are of none."),
            account=account.name,
            used=used.get(account.name, 0),
            charged=charged,
            outside=attribution.unattributed,
        )
        for line in of_account:
            found.look(
                line.charged_gpu_seconds == attribution.charged[line.key],
                _("%(account)s: a grant is charged %(charged)s GPU-seconds; its turn in use comes to %(due)s."),
                account=account.name,
                charged=line.charged_gpu_seconds,
                due=attribution.charged[line.key],
            )


def _sample(first: date) -> list[UsageDay]:
    """Rows of days that are not sealed, picked by chance."""
    rows = UsageDay.objects.filter(day__gte=first)
    ends = rows.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return []
    keys = {random.randint(ends["low"], ends["high"]) for _ in range(SAMPLE)}  # noqa: S311  (no secret)
    picked = (rows.filter(pk__gte=key).order_by("pk").first() for key in sorted(keys))
    return list({row.pk: row for row in picked if row}.values())


def _as_stored(row: UsageDay) -> dict[UsageKey, Amount]:
    """All that is kept of the person in the account on the day."""
    rows = UsageDay.objects.filter(day=row.day, account_name=row.account_name, user_name=row.user_name)
    return {
        UsageKey(*(getattr(other, name) for name in UsageDay.KEY)): Amount(
            other.gpu_seconds, other.cpu_seconds, other.jobs
        )
        for other in rows
    }


def _as_counted(row: UsageDay) -> dict[UsageKey, Amount]:
    """The same by the definition (accounting/usage.py), from the job rows."""
    start, end = day_bounds(row.day)
    jobs = Job.objects.filter(account=row.account_name, user=row.user_name)
    of_day = jobs.filter(Q(start__lt=end) | Q(end__lt=end)).filter(Q(end__isnull=True) | Q(end__gte=start))
    usage = usage_of(runs_of(of_day), {row.day})
    return {key: amount for key, amount in usage.items() if amount != Amount()}


def _in_all(usage: Mapping[UsageKey, Amount]) -> list[int]:
    amounts = [(amount.gpu_seconds, amount.cpu_seconds, amount.jobs) for amount in usage.values()]
    return [sum(column) for column in zip(*amounts, strict=True)] or [0, 0, 0]


def _rows(statement: str, params: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


def _slashed(amounts: list[Any]) -> str:
    return " / ".join(f"{int(amount or 0):,}" for amount in amounts)
