"""What may be asked for after an award: pure arithmetic on integer GPU-seconds and days.

The bounds follow what allocation centers do: one supplement of at most half the award (ACCESS, GENCI), an extension by
at most six months that brings no hours.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import date

MOST_SUPPLEMENT_PERCENT = 50
MOST_EXTENSION_MONTHS = 6
# A final report is due so many days after the last day of a grant.
REPORT_DAYS = 30
SECONDS_A_MINUTE = 60


def whole_minutes(gpu_seconds: int) -> int:
    """GPU-seconds floored to whole GPU-minutes, which is what Slurm is told; 0 for less than nothing."""
    return max(0, gpu_seconds // SECONDS_A_MINUTE * SECONDS_A_MINUTE)


def most_supplement(awarded_gpu_seconds: int) -> int:
    """The most GPU-seconds that may be added to a line with this award."""
    return whole_minutes(awarded_gpu_seconds * MOST_SUPPLEMENT_PERCENT // 100)


def latest_day(last_day: date) -> date:
    """The latest last day a grant may be extended to: the same day six months on, or the end of a shorter month."""
    months = last_day.year * 12 + last_day.month - 1 + MOST_EXTENSION_MONTHS
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(last_day.day, monthrange(year, month)[1]))


def arriving(gpu_seconds: int, rate_hundredths: int, to_rate_hundredths: int) -> int:
    """What comes of GPU-seconds that move from a pool to another, by what an hour is worth in each: floored to whole
    GPU-minutes, so that nothing is won by moving hours to and fro."""
    return whole_minutes(gpu_seconds * rate_hundredths // to_rate_hundredths)
