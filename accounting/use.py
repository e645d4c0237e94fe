"""What accounts used from one day to another, summed by what one asks for: pages, files, the API and reports all read
figures of a period here, so that they are the same everywhere."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any

from django.db.models import DateField, F, Func, QuerySet, Sum

from accounting.models import UsageDay, UsageMonth, UsageMonthSum, UsageSum
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

    Whole months are read as months, unless days or weeks are asked for, so that a long period costs little.
    """
    whole_from, whole_until = _whole_months(first, last)
    days = _days(keys, accounts)
    if "day" in keys or "week" in keys or whole_from >= whole_until:
        return _summed([days.filter(day__gte=first, day__lte=last)])
    return _summed(
        [
            _months(keys, accounts).filter(month__gte=whole_from, month__lt=whole_until),
            days.filter(day__gte=first, day__lt=whole_from),
            days.filter(day__gte=whole_until, day__lte=last),
        ]
    )


def _whole_months(first: date, last: date) -> tuple[date, date]:
    """From the first day of the first month that lies wholly within, until just before the second."""
    begin = first if first.day == 1 else next_month(first)
    return begin, (last + ONE_DAY).replace(day=1)


def _of(model: type[Any], accounts: Collection[str] | None) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = model._default_manager.order_by()
    return rows if accounts is None else rows.filter(account_name__in=accounts)


def _days(keys: Collection[str], accounts: Collection[str] | None) -> QuerySet[Any, Any]:
    rows = _of(UsageSum if SUMMED.issuperset(keys) else UsageDay, accounts)
    if "month" in keys:
        rows = rows.annotate(month=Func(F("day"), template=FIRST_OF_MONTH, output_field=DateField()))
    if "week" in keys:
        rows = rows.annotate(week=Func(F("day"), template=SUNDAY, output_field=DateField()))
    return rows.values_list(*keys).annotate(Sum("gpu_seconds"), Sum("cpu_seconds"), Sum("jobs"))


def _months(keys: Collection[str], accounts: Collection[str] | None) -> QuerySet[Any, Any]:
    rows = _of(UsageMonthSum if SUMMED.issuperset(keys) else UsageMonth, accounts)
    return rows.values_list(*keys).annotate(Sum("gpu_seconds"), Sum("cpu_seconds"), Sum("jobs"))


def _summed(parts: list[QuerySet[Any, Any]]) -> dict[tuple[Any, ...], Amount]:
    sums: dict[tuple[Any, ...], Amount] = {}
    for *values, gpu_seconds, cpu_seconds, jobs in parts[0].union(*parts[1:], all=True):
        key, found = tuple(values), Amount(gpu_seconds or 0, cpu_seconds or 0, jobs or 0)
        if before := sums.get(key):
            found.gpu_seconds += before.gpu_seconds
            found.cpu_seconds += before.cpu_seconds
            found.jobs += before.jobs
        sums[key] = found
    return sums
