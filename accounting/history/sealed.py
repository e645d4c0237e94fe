"""Differences on sealed days: what a late row of Slurm's would change there, entered or dismissed by a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounting.balance import recharge
from accounting.history.alone import take_turn
from accounting.history.held import require_no_stake_in_account
from accounting.history.sums import sum_up
from accounting.models import Refund, SealedDifference, UsageDay, UsageMonth
from allocations.models import Account
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User


@transaction.atomic
def sealed_difference_apply(*, difference: SealedDifference, reason: str, by: User, at: datetime) -> None:
    """Enter the difference on its days and months; what grant lines are charged follows.

    Raises Refused without a reason, for a project of one's own, or where less than nothing would be left of a day;
    LostRace where it was decided meanwhile.
    """
    take_turn()
    _close(difference, reason, by, at, applied=True)
    names = _account_names(difference)
    accounts = {account.name: account for account in Account.objects.filter(name__in=names)}
    for entry in difference.days:
        whose = {name: entry.get(name, False) for name in UsageDay.WHOSE}
        day = date.fromisoformat(entry["day"])
        account = accounts.get(entry["account_name"])
        _add(UsageDay, {"day": day, **whose}, entry, account)
        _add(UsageMonth, {"month": day.replace(day=1), **whose}, entry, account)
    sum_up({(date.fromisoformat(entry["day"]), entry["account_name"]) for entry in difference.days})
    recharge(names)
    Refund.objects.filter(job__cluster=difference.cluster, job__db_index=difference.db_index).update(followed_at=None)
    _record("sealed_difference.applied", difference, by, at)


@transaction.atomic
def sealed_difference_dismiss(*, difference: SealedDifference, reason: str, by: User, at: datetime) -> None:
    """The days stay as they are. Raises Refused without a reason or for a project of one's own, LostRace where it was
    decided meanwhile."""
    _close(difference, reason, by, at, applied=False)
    _record("sealed_difference.dismissed", difference, by, at)


def _close(difference: SealedDifference, reason: str, by: User, at: datetime, *, applied: bool) -> None:
    """The conditional update, on the difference as it was shown: a later reading may have changed it."""
    if not reason.strip():
        raise Refused(_("Say why."))
    for name in _account_names(difference):
        require_no_stake_in_account(by, name)
    rows = SealedDifference.objects.filter(pk=difference.pk, closed_at=None, days=difference.days)
    if not rows.update(applied=applied, reason=reason.strip()[:REASON_LENGTH], closed_at=at, closed_by=by):
        raise LostRace("sealed difference")
    difference.refresh_from_db()


def _account_names(difference: SealedDifference) -> list[str]:
    """Whose use it changes: the one's, and where the job turned out to be another's also theirs who lose it."""
    return sorted({difference.account_name, *(entry["account_name"] for entry in difference.days)})


def _add(
    model: type[UsageDay] | type[UsageMonth], key: Mapping[str, Any], entry: Mapping[str, Any], account: Account | None
) -> None:
    rows: Any = model.objects.select_for_update()
    row, _created = rows.get_or_create(**key, defaults={"account": account, **dict.fromkeys(model.AMOUNTS, 0)})
    for name in model.AMOUNTS:
        setattr(row, name, getattr(row, name) + entry[name])
    if any(getattr(row, name) < 0 for name in model.AMOUNTS):
        raise Refused(_("Less than nothing would be left on these days: dismiss it, and look at Slurm's row."))
    if any(getattr(row, name) for name in model.AMOUNTS):
        row.save()
    else:
        row.delete()


def _record(action: str, difference: SealedDifference, by: User, at: datetime) -> None:
    record(
        action,
        target=difference,
        by=by,
        at=at,
        topics=("operations",),
        job=difference.display_id,
        account=difference.account_name,
        gpu_seconds=difference.gpu_seconds,
        reason=difference.reason,
    )
