"""What accounts used from one day to another, summed by what one asks for: pages, files, the API and reports all read
figures of a period here, so that they are the same everywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from django.db.models import DateField, F, Func, QuerySet, Sum

from accounting.models import UsageDay, UsageMonth, UsageSum
from accounting.statements.months import next_month
from accounting.usage import Amount

ONE_DAY = timedelta(days=1)
# What names a day's week, its Sunday, and its month: dates as UsageMonth has them, where TruncMonth gives moments.
SUNDAY = "(%(expressions)s - extract(dow from %(expressions)s)::int)"
FIRST_OF_MONTH = "(%(expressions)s - extract(day from %(expressions)s)::int + 1)"
# What a period may be summed by: one moment (a week is named by its Sunday), and what rows of a day or a month tell.
KEYS = ("day", "week", "month", "account_name", "user_name", "gpu_kind", "partition", "state")
# Of these what is kept summed up over everybody.
SUMMED = frozenset({"day", "week", "month", "account_name", "gpu_kind"})


def use_by(*keys: str, accounts: Collection[str] | None, first: date, last: date) -> dict[tuple[Any, ...], Amount]:
    """Use of these accounts (None: of all) from `first` to `last`, both included, by the values of `keys` in their
    order: one query. `jobs` are the runs that started within.

    What is asked over everybody is read from sums by day, also for whole months: a month of an account has at most as
    many of them as it has days and kinds, but of usage by month a row for each person, partition and state. Otherwise
    whole months are read as months, unless days or weeks are asked for, so that a long period costs little.
    """
    whole_from, whole_until = _whole_months(first, last)
    if SUMMED.issuperset(keys) or "day" in keys or "week" in keys or whole_from >= whole_until:
        return _summed([_days(keys, accounts).filter(day__gte=first, day__lte=last)])
    edges = _days(keys, accounts)
    return _summed(
        [
            _months(keys, accounts).filter(month__gte=whole_from, month__lt=whole_until),
            edges.filter(day__gte=first, day__lt=whole_from),
            edges.filter(day__gte=whole_until, day__lte=last),
        ]
    )


def _whole_months(first: date, last: date) -> tuple[date, date]:
    """From the first day of the first month that lies wholly within, until just before the second."""
    begin = first if first.day == 1 else next_month(first)
    return begin, (last + ONE_DAY).replace(day=1)


def _days(keys: Collection[str], accounts: Collection[str] | None) -> QuerySet[Any, Any]:
    model = UsageSum if SUMMED.issuperset(keys) else UsageDay
    rows: QuerySet[Any, Any] = model._default_manager.order_by()
    if accounts is not None:
        rows = rows.filter(account_name__in=accounts)
    if "month" in keys:
        rows = rows.annotate(month=Func(F("day"), template=FIRST_OF_MONTH, output_field=DateField()))
    if "week" in keys:
        rows = rows.annotate(week=Func(F("day"), template=SUNDAY, output_field=DateField()))
    return rows.values_list(*keys).annotate(Sum("gpu_seconds"), Sum("cpu_seconds"), Sum("jobs"))


def _months(keys: Collection[str], accounts: Collection[str] | None) -> QuerySet[UsageMonth, Any]:
    rows = UsageMonth.objects.order_by()
    if accounts is not None:
        rows = rows.filter(account_name__in=accounts)
    return rows.values_list(*keys).annotate(Sum("gpu_seconds"), Sum("cpu_seconds"), Sum("jobs"))


def _summed(parts: list[QuerySet[Any, Any]]) -> dict[tuple[Any, ...], Amount]:
    sums: defaultdict[tuple[Any, ...], Amount] = defaultdict(Amount)
    for *key, gpu_seconds, cpu_seconds, jobs in parts[0].union(*parts[1:], all=True):
        amount = sums[tuple(key)]
        amount.gpu_seconds += gpu_seconds or 0
        amount.cpu_seconds += cpu_seconds or 0
        amount.jobs += jobs or 0
    return dict(sums)
