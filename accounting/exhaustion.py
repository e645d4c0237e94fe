"""Which accounts have used up their hours, by what slurmctld itself counts: it decides what starts."""

from __future__ import annotations

from datetime import datetime

from accounting.balance import Standing, current_lines, lines_of
from accounting.models import Counter
from allocations.models import Account
from allocations.services.exhaustion import account_closed, account_exhausted, account_refilled


def note_exhaustion(at: datetime) -> int:
    """Say of each account with an open grant when its hours are used up and when there are some again; how many
    turned.

    What running jobs have reserved is not used up: it comes back where they end early, so it is shown and no news. An
    account is judged only while Slurm has the limit that was last read back, not in the seconds before.
    """
    counters = Counter.objects.select_related("account__project__pi", "account__pool")
    suspects = [row for row in counters if row.account.exhausted_at or _is_used_up(row)]
    lines = lines_of({row.account.project_id for row in suspects})
    turned = 0
    for row in suspects:
        account = row.account
        standing, current = current_lines(lines[account.project_id, account.pool_id], at)
        if standing is not Standing.OPEN or not any(line.granted_gpu_seconds for line in current):
            account_closed(account=account)
        elif not _is_used_up(row):
            turned += account_refilled(account=account, at=at)
        elif _is_settled(row):
            turned += account_exhausted(account=account, at=at)
    return turned


def _is_used_up(counter: Counter) -> bool:
    """Whether less than one GPU-minute is not used yet."""
    limit = counter.limit_gpu_minutes
    return limit is not None and limit * 60 - counter.used_gpu_seconds < 60


def _is_settled(counter: Counter) -> bool:
    account = counter.account
    in_force = account.state == Account.State.IN_FORCE and not account.parked
    return in_force and account.limit_gpu_minutes == counter.limit_gpu_minutes
