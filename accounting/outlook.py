"""A balance and where it is going: what the cards of dashboards, the home page, the API and alerts say alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from accounting.balance import Balance, Standing
from accounting.projection import Projection, burn_a_day, projection
from accounting.usage import day_of


@dataclass(frozen=True, slots=True)
class Outlook:
    """`burn_7` and `burn_28`: GPU-seconds a day over the last 7 and 28 whole days, None where no day is over yet.
    `projection` is None where there is not enough data, or no grant is open."""

    balance: Balance
    days_left: int
    burn_7: int | None
    burn_28: int | None
    projection: Projection | None


def outlook(balance: Balance, by_day: Mapping[date, int], at: datetime) -> Outlook:
    """`by_day`: GPU-seconds by day in Asia/Seoul, at least of the present period."""
    first, today = day_of(balance.starts_at), day_of(at)
    going = balance.standing is Standing.OPEN
    return Outlook(
        balance=balance,
        days_left=balance.days_left(at),
        burn_7=burn_a_day(by_day, first=first, today=today, days=7),
        burn_28=burn_a_day(by_day, first=first, today=today, days=28),
        projection=projection(
            by_day, starts_at=balance.starts_at, ends_at=balance.ends_at, left=balance.left, used=balance.used, at=at
        )
        if going
        else None,
    )
