"""Does it fit: what a pool has free in a period, from its GPUs and the grants that stand or are offered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Sum
from django.db.models.functions import Coalesce

from allocations.models import DecisionLine, GrantLine, Pool
from allocations.services.grants import midnight
from allocations.workflow import ApplicationStatus


@dataclass(frozen=True, slots=True)
class Fit:
    """GPU-seconds of a pool in a period: all there are, and those that grants take, spread evenly over their time."""

    installed_gpu_seconds: int
    taken_gpu_seconds: int

    @property
    def free_gpu_seconds(self) -> int:
        return max(0, self.installed_gpu_seconds - self.taken_gpu_seconds)


def fit_of(pools: Iterable[Pool], starts_on: date, ends_on: date) -> dict[int, Fit]:
    """By the pool's key, from the first day until the last, which is included. Two queries."""
    pools = list(pools)
    starts_at, ends_at = midnight(starts_on), midnight(ends_on + timedelta(days=1))
    seconds = max(0, int((ends_at - starts_at).total_seconds()))
    taken = {pool.pk: 0 for pool in pools}
    for pool_id, amount, begins, ends in [*_granted(pools, starts_at, ends_at), *_offered(pools, starts_on, ends_on)]:
        taken[pool_id] += _share(amount, begins, ends, starts_at, ends_at)
    return {pool.pk: Fit(pool.gpus * seconds, taken[pool.pk]) for pool in pools}


def _share(amount: int, begins: datetime, ends: datetime, starts_at: datetime, ends_at: datetime) -> int:
    whole = int((ends - begins).total_seconds())
    within = int((min(ends, ends_at) - max(begins, starts_at)).total_seconds())
    return max(0, amount) * max(0, within) // whole if whole > 0 else 0


Taken = list[tuple[int, int, datetime, datetime]]


def _granted(pools: list[Pool], starts_at: datetime, ends_at: datetime) -> Taken:
    within = GrantLine.objects.filter(pool__in=pools, grant__starts_at__lt=ends_at, grant__ends_at__gt=starts_at)
    lines = within.unsuspended().annotate(granted=Coalesce(Sum("entries__gpu_seconds"), 0))
    return list(lines.values_list("pool_id", "granted", "grant__starts_at", "grant__ends_at"))


def _offered(pools: list[Pool], starts_on: date, ends_on: date) -> Taken:
    lines = DecisionLine.objects.filter(
        pool__in=pools,
        decision__application__status=ApplicationStatus.OFFERED,
        decision__application__starts_on__lte=ends_on,
        decision__application__ends_on__gte=starts_on,
    )
    names = ("pool_id", "awarded_gpu_seconds", "decision__application__starts_on", "decision__application__ends_on")
    return [
        (pool_id, awarded, midnight(first), midnight(last + timedelta(days=1)))
        for pool_id, awarded, first, last in lines.values_list(*names)
    ]
