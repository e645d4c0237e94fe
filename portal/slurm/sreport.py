"""Usage as Slurm's own `sreport` says: the measure that the portal's figures are held against."""

from __future__ import annotations

from datetime import UTC, datetime

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU

FIELDS = "account,login,tresname,used"


def command(cluster: str, start: datetime, end: datetime) -> tuple[str, ...]:
    """For whole hours; sreport knows nothing finer. Raises ValueError otherwise."""
    options = ("-P", "-n", "-t", "Seconds", "-T", GPU)
    window = whole_hours(start, end)
    report = ("cluster", "AccountUtilizationByUser", f"clusters={cluster}", *window, f"format={FIELDS}")
    return ("sreport", *options, *report)


def parse_usage(text: str) -> dict[tuple[str, str], int]:
    """GPU-seconds by (account, user). Rows without a login are totals of a subtree, idle reservations included."""
    usage: dict[tuple[str, str], int] = {}
    for line in text.splitlines():
        try:
            account, login, tres, seconds = line.split("|")
            if login and tres == GPU:
                usage[account, login] = usage.get((account, login), 0) + int(seconds)
        except ValueError as error:
            message = _("A row of sreport is not understood: %(trouble)s")
            raise SlurmUnreadable(message, trouble=error, words=line) from error
    return usage


def whole_hours(start: datetime, end: datetime) -> tuple[str, str]:
    """The words that tell sreport its window. Raises ValueError where the hours are not whole."""
    return f"start={_hour(start)}", f"end={_hour(end)}"


def _hour(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time for Slurm must say its time zone")
    moment = moment.astimezone(UTC)
    if moment.minute or moment.second or moment.microsecond:
        raise ValueError(f"{moment:%Y-%m-%dT%H:%M:%S} is no whole hour")
    return f"{moment:%Y-%m-%dT%H:%M}"
