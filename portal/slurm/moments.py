"""Times as Slurm prints them: epoch seconds (SLURM_TIME_FORMAT=%s), and spans such as `1-02:00:00`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNSET = frozenset({"", "Unknown", "None", "N/A", "NONE", "(null)"})
ENDLESS = frozenset({"UNLIMITED", "INFINITE", "Partition_Limit", "NOT_SET", "INVALID"})
SPAN = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})")


def parse_moment(text: str) -> datetime | None:
    """An aware time in UTC; None where Slurm has a word instead of a time. Raises ValueError otherwise."""
    return None if text in UNSET else datetime.fromtimestamp(int(text), UTC)


def parse_minutes(text: str) -> int | None:
    """Whole minutes of a span, rounded up; None where there is no limit. Raises ValueError otherwise.

    Slurm writes `days-hours:minutes:seconds`, `hours:minutes:seconds` or `minutes:seconds` for people, and
    whole minutes in its raw fields.
    """
    if text in UNSET or text in ENDLESS:
        return None
    match = SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no span of time")
    parts = [int(part) for part in match["clock"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return int(match["days"]) * 1440 + hours * 60 + minutes + (seconds > 0)
    if len(parts) == 1:
        return parts[0]
    hours, minutes, seconds = [0] * (3 - len(parts)) + parts
    return hours * 60 + minutes + (seconds > 0)


def epoch(moment: datetime) -> int:
    """Whole seconds since 1970; the moment must be aware."""
    if moment.tzinfo is None:
        raise ValueError("a time for Slurm must say its time zone")
    return int(moment.timestamp())
