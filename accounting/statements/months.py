"""Months in Asia/Seoul, each named by its first day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from accounting.usage import day_of, day_start


def month_of(moment: datetime) -> date:
    return day_of(moment).replace(day=1)


def next_month(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=31)).replace(day=1)


def month_before(month: date) -> date:
    return (month.replace(day=1) - timedelta(days=1)).replace(day=1)


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """From its first moment until just before the second."""
    return day_start(month), day_start(next_month(month))


def months_between(first: date, last: date) -> Iterator[date]:
    """Both included; none where the last lies before the first."""
    while first <= last:
        yield first
        first = next_month(first)


def parse_month(text: str) -> date:
    """Of `2026-03`. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007  (a month has no zone)
