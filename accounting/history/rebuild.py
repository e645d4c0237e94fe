"""Usage computed anew from the job rows, all of it: for the day that somebody doubts it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db import transaction

from accounting.balance import recharge
from accounting.history import recompute
from accounting.history.alone import take_turn
from accounting.history.sums import days_of, sum_up
from accounting.models import IngestMark


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Whose usage was not what the job rows say, and is now: by day, and by month, which stands as its first day. Where
    only the sum of a day was wrong, of nobody ('').

    `lines` counts grant lines whose charge followed. Days before `first` are sealed, or were not asked for.
    """

    first: date
    differing: list[recompute.Usages]
    lines: int


@transaction.atomic
def rebuild(accounts: Collection[str], *, first: date, last: date) -> Rebuilt:
    """Compute usage of these accounts, by Slurm's names, anew from the first day to the last.

    Nothing differs unless something went wrong before. Sealed days stay as they are.
    """
    take_turn()
    recompute.clear()
    first = max(first, IngestMark.current().sealed_before or first)
    recompute.touch_all(accounts, first, last)
    differing = recompute.recompute(all_months=True)
    known = {(day, account) for day, account, _user in differing}
    wrong = sum_up(known | days_of(accounts, first, last)) - known
    return Rebuilt(first, sorted([*differing, *((*pair, "") for pair in wrong)]), recharge(accounts))
