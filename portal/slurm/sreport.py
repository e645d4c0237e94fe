"""What Slurm's own `sreport` says: usage, which the portal's figures are held against, and where GPU time went."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import add

from portal.slurm.errors import SlurmUnreadable
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU, KIND
from portal.slurm.types import Utilisation

FIELDS = "account,login,tresname,used"
# Not `planneddown`: 24.11 forgets it when it adds up several hours (seen), so it is what the others leave. `planned` is
# kept for CPUs only.
UTILISATION_FIELDS = "tresname,allocated,down,idle,reported"


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


def utilisation_command(cluster: str, start: datetime, end: datetime, kinds: Collection[str]) -> tuple[str, ...]:
    """For whole hours, of all GPUs and of these kinds. Raises ValueError where the hours are not whole."""
    tres = ",".join([GPU, *(KIND + kind for kind in sorted(kinds))])
    window = whole_hours(start, end)
    report = ("cluster", "Utilization", f"clusters={cluster}", *window, f"format={UTILISATION_FIELDS}")
    return ("sreport", "-P", "-n", "-t", "Seconds", "-T", tres, *report)


def parse_utilisation(text: str) -> dict[str, Utilisation]:
    """By GPU kind, and "" for all of them; nothing where no hour is summed up.

    All is the sum of the kinds where these are all there is: in Slurm's own row for it GPUs that are down and held by a
    job on the same node count twice.
    """
    found: dict[str, Utilisation] = {}
    for line in text.splitlines():
        try:
            tres, *amounts = line.split("|")
            allocated, down, idle, reported = map(int, amounts)
        except ValueError as error:
            message = _("A row of sreport is not understood: %(trouble)s")
            raise SlurmUnreadable(message, trouble=error, words=line) from error
        if tres == GPU or tres.startswith(KIND):
            planned_down = max(0, reported - allocated - down - idle)
            found[tres.removeprefix(GPU).removeprefix(":")] = Utilisation(reported, allocated, down, planned_down)
    return found | _sum_of_kinds(found)


def _sum_of_kinds(found: Mapping[str, Utilisation]) -> dict[str, Utilisation]:
    kinds = [part for kind, part in found.items() if kind]
    if not kinds:
        return {}
    whole = reduce(add, kinds)
    return {"": whole} if "" not in found or found[""].installed == whole.installed else {}


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
