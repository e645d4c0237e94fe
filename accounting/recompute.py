"""Usage per day, computed anew from job rows for whoever was touched, and written where it differs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date

from django.db.models import QuerySet

from accounting.models import Job, UsageDay
from accounting.usage import Amount, Run, UsageKey, day_bounds, usage_of
from allocations.models import Account

# An account and a person, by Slurm's names.
Pair = tuple[str, str]


def recompute(final: Mapping[date, Collection[Pair]], provisional: Collection[Pair]) -> set[tuple[date, str, str]]:
    """Bring usage per day in line with the job rows; (day, account, person) of what changed.

    `final` names by day whose finished jobs changed, `provisional` who has, or had, open ones.
    """
    pairs = {pair for of_day in final.values() for pair in of_day} | set(provisional)
    accounts = dict(Account.objects.filter(name__in={account for account, _ in pairs}).values_list("name", "pk"))
    changed: set[tuple[date, str, str]] = set()
    for day in sorted(final):
        jobs = Job.objects.filter(final=True).overlapping(*day_bounds(day))
        usage = usage_of(runs_of(jobs, final[day]), {day})
        changed |= _replace(UsageDay.objects.filter(day=day, provisional=False), final[day], usage, accounts)
    if provisional:
        usage = usage_of(runs_of(Job.objects.open(), provisional))
        changed |= _replace(UsageDay.objects.filter(provisional=True), provisional, usage, accounts)
    return changed


def runs_of(jobs: QuerySet[Job], pairs: Collection[Pair] | None = None) -> Iterator[Run]:
    """What counts of the rows that ever started; with `pairs`, of theirs only."""
    if pairs is not None:
        jobs = jobs.filter(account__in={account for account, _ in pairs}, user__in={user for _, user in pairs})
        pairs = set(pairs)
    rows = (
        jobs.filter(start__isnull=False)
        .order_by()
        .values_list(
            "account", "user", "partition", "state", "start", "end", "last_seen_at", "gpus", "gpu_kinds", "final"
        )
    )
    for account, user, partition, state, start, end, seen, gpus, kinds, final in rows.iterator():
        if start is not None and (pairs is None or (account, user) in pairs):
            yield Run(account, user, partition, state, start, end or seen, gpus, kinds, provisional=not final)


def _replace(
    rows: QuerySet[UsageDay],
    pairs: Collection[Pair],
    usage: Mapping[UsageKey, Amount],
    accounts: Mapping[str, int],
) -> set[tuple[date, str, str]]:
    """Make the stored rows of these pairs equal the usage; (day, account, person) of what changed."""
    pairs = set(pairs)
    candidates = rows.filter(
        account_name__in={account for account, _ in pairs}, user_name__in={user for _, user in pairs}
    )
    stored = {_key(row): row for row in candidates if (row.account_name, row.user_name) in pairs}
    wanted = {key: amount for key, amount in usage.items() if amount.gpu_seconds or amount.jobs}
    gone = [row for key, row in stored.items() if key not in wanted]
    differing = [
        _row(key, amount, accounts)
        for key, amount in wanted.items()
        if key not in stored or (stored[key].gpu_seconds, stored[key].jobs) != (amount.gpu_seconds, amount.jobs)
    ]
    UsageDay.objects.filter(pk__in=[row.pk for row in gone]).delete()
    UsageDay.objects.bulk_create(
        differing,
        update_conflicts=True,
        unique_fields=list(UsageDay.KEY),
        update_fields=["account", "gpu_seconds", "jobs"],
    )
    return {(row.day, row.account_name, row.user_name) for row in [*gone, *differing]}


def _key(row: UsageDay) -> UsageKey:
    return UsageKey(row.day, row.account_name, row.user_name, row.gpu_kind, row.partition, row.state, row.provisional)


def _row(key: UsageKey, amount: Amount, accounts: Mapping[str, int]) -> UsageDay:
    return UsageDay(
        day=key.day,
        account_id=accounts.get(key.account),
        account_name=key.account,
        user_name=key.user,
        gpu_kind=key.gpu_kind,
        partition=key.partition,
        state=key.state,
        provisional=key.provisional,
        gpu_seconds=amount.gpu_seconds,
        jobs=amount.jobs,
    )
