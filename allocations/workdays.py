"""Deadlines in business days: Saturdays, Sundays and Korean public holidays (with substitutes) do not count."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import cache

import holidays
from django.utils import timezone

# "18:00까지": when a business day ends for those who wait for something.
DAY_ENDS = time(18)


@cache
def _holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.KR(years=year))


def is_business_day(day: date) -> bool:
    return day.weekday() < 5 and day not in _holidays(day.year)


def business_days_after(at: datetime, days: int) -> datetime:
    """18:00 in Seoul on the `days`-th business day after the day of `at`."""
    day = timezone.localdate(at, timezone.get_default_timezone())
    while days > 0:
        day += timedelta(days=1)
        days -= is_business_day(day)
    return end_of_day(day)


def end_of_day(day: date) -> datetime:
    """18:00 in Seoul on that day."""
    return datetime.combine(day, DAY_ENDS, tzinfo=timezone.get_default_timezone())


def business_days_left(at: datetime, due_at: datetime) -> int:
    """Business days from the day of `at` to the day of `due_at`: 0 on the day itself, negative once it is past."""
    zone = timezone.get_default_timezone()
    today, last = timezone.localdate(at, zone), timezone.localdate(due_at, zone)
    first, end = sorted([today, last])
    between = sum(is_business_day(first + timedelta(days=n)) for n in range(1, (end - first).days + 1))
    return between if last >= today else -max(1, between)
