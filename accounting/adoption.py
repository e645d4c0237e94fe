"""Use of an account that stood in Slurm before the portal: the project's from the day it is linked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Max, Q, Sum
from django.db.models.functions import Coalesce

from accounting.balance import recharge
from accounting.models import Counter, QueueJob, UsageDay, UsageMonth
from accounting.usage import day_of
from allocations.models import Account

RECENT = timedelta(days=30)


@transaction.atomic
def usage_claim(account: Account) -> int:
    """Show all that was read of the account's use as the project's, and charge what was used since a grant of it began.

    Returns how many rows that are. Use from before the first grant is charged to none.
    """
    rows = UsageDay.objects.filter(account_name=account.name, account=None).update(account=account)
    UsageMonth.objects.filter(account_name=account.name, account=None).update(account=account)
    recharge([account.name])
    return rows


@transaction.atomic
def usage_release(account: Account) -> int:
    """The account is nobody's again, before it is unlinked: its row may go on as another account's.

    Returns how many rows of use that are.
    """
    Counter.objects.filter(account=account).delete()
    QueueJob.objects.filter(account=account).delete()
    UsageMonth.objects.filter(account=account).update(account=None)
    return UsageDay.objects.filter(account=account).update(account=None)


@dataclass(frozen=True, slots=True)
class NameUse:
    """GPU-seconds charged on an account name: in the last RECENT, and since usage is read. `owned`: by a project."""

    recent: int
    total: int
    owned: bool


def use_by_name(at: datetime) -> dict[str, NameUse]:
    """What was used by every account of the cluster, the portal's and all others: one query."""
    recent = Q(day__gt=day_of(at - RECENT))
    rows = (
        UsageDay.objects.order_by()
        .values_list("account_name")
        .annotate(recent=Coalesce(Sum("gpu_seconds", filter=recent), 0), total=Sum("gpu_seconds"), owner=Max("account"))
    )
    return {name: NameUse(recent, total, owner is not None) for name, recent, total, owner in rows}
