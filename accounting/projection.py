"""Until when the hours of a grant last, if they go on being used as of late: pure arithmetic on GPU-seconds by day.

The rate is the median of the last four weeks. On histories whose end was held back (`make bench ARGS=projection`) no
way of reckoning did better on the whole: a mean follows one huge job for a month, a longer memory follows growth too
late, a shorter one every busy week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext_lazy as _

from accounting.usage import day_of, seconds

# With use on fewer days nothing is said.
ACTIVE_DAYS = 7
# Days that are looked at: what lies further back says nothing about what comes.
WINDOW = 84
WEEK = 7
WEEKS_FOR_RATE = 4
MEAN_DAYS = WEEK * WEEKS_FOR_RATE

# The band: from the least to the most of these weeks, a quarter wider to either side, for so many days ahead, and only
# where the weeks show no trend. Tests hold it to containing what came in four cases of five for each kind of history.
WEEKS_FOR_BAND = 8
BAND_DAYS = 28
MOST_TREND_PERCENT = 30

METHOD = _(
    "Reckoned with the median of the last four weeks' use, or the mean where use began later than that. "
    "A range is given only up to four weeks ahead and where use neither grew nor fell steadily: in tests on histories "
    "whose end was held back it contained the true day in at least four cases of five."
)


@dataclass(frozen=True, slots=True)
class Projection:
    """Where use is going. `rate` is in GPU-seconds a day.

    `runs_out_on`: the day on which the hours are used up, None where that is not before the grant ends. `earliest` and
    `latest` are the band around it, both None where none is given; `latest` None with an `earliest`: not before the
    end. `used_at_end`: what will have been used when the grant ends, were there hours enough. `low` and `high` are the
    rates of the band, None where none is given.
    """

    rate: int
    runs_out_on: date | None
    earliest: date | None
    latest: date | None
    used_at_end: int
    low: int | None = None
    high: int | None = None


def burn_a_day(by_day: Mapping[date, int], *, first: date, today: date, days: int) -> int | None:
    """GPU-seconds a day over the last so many whole days, today not among them; over those since `first` where there
    are fewer; None where there is none."""
    since = max(first, today - timedelta(days=days))
    length = (today - since).days
    if length <= 0:
        return None
    return sum(used for day, used in by_day.items() if since <= day < today) // length


def projection(
    by_day: Mapping[date, int], *, starts_at: datetime, ends_at: datetime, left: int, used: int, at: datetime
) -> Projection | None:
    """Of use by day in Asia/Seoul. None where there is not enough data: fewer than seven days with use of late."""
    today = day_of(at)
    since = max(day_of(starts_at), today - timedelta(days=WINDOW))
    active = [day for day, amount in by_day.items() if amount and since <= day < today]
    if len(active) < ACTIVE_DAYS:
        return None
    weeks = last_weeks(by_day, first=min(active), today=today)
    rate = _rate(weeks) or burn_a_day(by_day, first=min(active), today=today, days=MEAN_DAYS) or 0
    days_left = max(0, (ends_at - at).days)
    lasts = _lasts(left, rate)
    low, high = (None, None)
    if min(days_left, days_left if lasts is None else lasts) <= BAND_DAYS and (band := rate_band(weeks)):
        low, high = min(band[0], rate), max(band[1], rate)
    return Projection(
        rate=rate,
        runs_out_on=_day(today, lasts, days_left),
        earliest=None if high is None else _day(today, _lasts(left, high), days_left),
        latest=None if low is None else _day(today, _lasts(left, low), days_left),
        used_at_end=used + rate * seconds(at, ends_at) // 86_400,
        low=low,
        high=high,
    )


def last_weeks(by_day: Mapping[date, int], *, first: date, today: date) -> list[int]:
    """Sums of whole weeks back from yesterday, the latest first, none begun before `first`."""
    weeks: list[int] = []
    start = today - timedelta(days=WEEK)
    while start >= first and len(weeks) < WINDOW // WEEK:
        weeks.append(sum(by_day.get(start + timedelta(days=day), 0) for day in range(WEEK)))
        start -= timedelta(days=WEEK)
    return weeks


def _rate(weeks: Sequence[int]) -> int:
    """GPU-seconds a day by the median of the last four weeks; 0 where there are not as many, or most are empty."""
    if len(weeks) < WEEKS_FOR_RATE:
        return 0
    _least, lower, upper, _most = sorted(weeks[:WEEKS_FOR_RATE])
    return (lower + upper) // (2 * WEEK)


def rate_band(weeks: Sequence[int]) -> tuple[int, int] | None:
    """Least and most GPU-seconds a day to reckon with; None where the weeks are too few or show a trend."""
    if len(weeks) < WEEKS_FOR_BAND or _has_trend(weeks):
        return None
    late = weeks[:WEEKS_FOR_BAND]
    return min(late) * 3 // (4 * WEEK), max(late) * 5 // (4 * WEEK)


def _has_trend(weeks: Sequence[int]) -> bool:
    """By Kendall's tau of the weeks' sums against their order."""
    pairs = [(late, early) for position, late in enumerate(weeks) for early in weeks[position + 1 :]]
    score = sum((late > early) - (late < early) for late, early in pairs)
    return abs(score) * 100 >= MOST_TREND_PERCENT * len(pairs)


def _lasts(left: int, rate: int) -> int | None:
    """Whole days until nothing is left; None where that never comes."""
    if left <= 0:
        return 0
    return left // rate if rate else None


def _day(today: date, lasts: int | None, days_left: int) -> date | None:
    return None if lasts is None or lasts >= days_left else today + timedelta(days=lasts)
