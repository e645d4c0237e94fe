"""Our sums held against Slurm's own `sreport`, to the second, for whole hours that are over.

Compared are rows with a login only: an account's own row also holds idle reservations (slurm-facts 12.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from accounting.models import IngestMark, Job, Verification
from accounting.recompute import runs_of
from accounting.usage import day_of, day_start, usage_by_person
from portal.live.notices import announce
from portal.slurm.gateway import SlurmGateway

HOUR = timedelta(hours=1)
# slurmdbd rolls an hour up within seconds of its end (slurm-facts section 6).
ROLL_UP = timedelta(minutes=2)


class CannotVerify(Exception):
    """The period cannot be held against Slurm; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """GPU-seconds of a person in an account, ours and Slurm's."""

    account: str
    user: str
    ours: int
    slurm: int

    @property
    def difference(self) -> int:
        return self.ours - self.slurm


def default_period(
    at: datetime, start: datetime | None = None, end: datetime | None = None
) -> tuple[datetime, datetime]:
    """What is not given: the last hour that is over and rolled up as the end, the beginning of its day as the start."""
    if end is None:
        end = (at - ROLL_UP).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return start or day_start(day_of(end - HOUR)), end


def compare(gateway: SlurmGateway, *, start: datetime, end: datetime, at: datetime) -> list[Row]:
    """Every person's GPU-seconds in [start, end), by ours and by Slurm's figures.

    Raises CannotVerify where the period is not of whole past hours or not read yet, SlurmError where Slurm is silent.
    """
    _check_period(start, end, at)
    slurm = gateway.usage(start, end)
    ours = usage_by_person(runs_of(Job.objects.overlapping(start, end)), start, end)
    return rows_of(ours, slurm)


def rows_of(ours: Mapping[tuple[str, str], int], slurm: Mapping[tuple[str, str], int]) -> list[Row]:
    """One row for everybody whom either side knows to have used something."""
    keys = sorted(key for key in ours.keys() | slurm.keys() if ours.get(key) or slurm.get(key))
    return [Row(*key, ours.get(key, 0), slurm.get(key, 0)) for key in keys]


def verify(gateway: SlurmGateway, *, start: datetime, end: datetime, at: datetime) -> Verification:
    """Compare and keep the result. Raises as `compare` does."""
    return keep(compare(gateway, start=start, end=end, at=at), start=start, end=end, at=at)


def verify_day_so_far(gateway: SlurmGateway, *, at: datetime) -> Verification | None:
    """What is new since the last comparison; None where nothing is, or it has not been read yet. For the worker."""
    start, end = default_period(at)
    read_until = IngestMark.current().read_until
    if read_until is None or read_until < end or Verification.objects.filter(period_end__gte=end).exists():
        return None
    return verify(gateway, start=start, end=end, at=at)


def keep(rows: list[Row], *, start: datetime, end: datetime, at: datetime) -> Verification:
    differing = [row for row in rows if row.difference]
    verification = Verification.objects.create(
        period_start=start,
        period_end=end,
        at=at,
        compared=len(rows),
        gpu_seconds=sum(row.ours for row in rows),
        differences=[asdict(row) for row in differing],
        unexplained_gpu_seconds=sum(abs(row.difference) for row in differing),
    )
    announce(["operations"], "usage.verified")
    return verification


def _check_period(start: datetime, end: datetime, at: datetime) -> None:
    if any(moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0) != moment for moment in (start, end)):
        raise CannotVerify("sreport knows whole hours only: give a start and an end on the hour.")
    if not start < end <= at:
        raise CannotVerify("The period must lie in the past and its start before its end.")
    read_until = IngestMark.current().read_until
    if read_until is None or read_until < end:
        raise CannotVerify("The period has not been read yet: run `manage.py usage ingest` first.")
