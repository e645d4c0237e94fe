"""When the hours of an account are used up, so that Slurm starts nothing more: said once, and once that it goes on."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.mails import grants as mails
from allocations.models import Account
from portal.events.services import record


@transaction.atomic
def account_exhausted(*, account: Account, at: datetime) -> bool:
    """Slurm starts nothing more there because the hours are used up; PI and delegate get a mail.
    Returns whether that is news."""
    if not Account.objects.filter(pk=account.pk, exhausted_at=None).update(exhausted_at=at):
        return False
    record("account.exhausted", target=account, by=None, at=at, account=account.name)
    mails.exhausted(account)
    return True


@transaction.atomic
def account_refilled(*, account: Account, at: datetime) -> bool:
    """Something can start there again; whether that is news."""
    if not Account.objects.filter(pk=account.pk, exhausted_at__isnull=False).update(exhausted_at=None):
        return False
    record("account.refilled", target=account, by=None, at=at, account=account.name)
    return True


def account_closed(*, account: Account) -> None:
    """No grant is open there any more, so that nothing starts for another reason than used-up hours: nobody's news."""
    Account.objects.filter(pk=account.pk, exhausted_at__isnull=False).update(exhausted_at=None)
