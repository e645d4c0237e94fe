"""The account that a person's jobs are charged to where they name none: what the person wants, and what Slurm has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.models import Account, DefaultAccount
from allocations.selectors.default_accounts import accounts_to_choose
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User


@transaction.atomic
def default_account_choose(*, user: User, account: Account, by: User, at: datetime) -> DefaultAccount:
    """Note which account the person wants. Slurm is told where the present one does not work, never otherwise.

    Raises Refused for an account that does not take the person's jobs.
    """
    if not accounts_to_choose(user).filter(pk=account.pk).exists():
        raise Refused(_("Jobs of yours cannot run in this account now. Choose another one."))
    present = DefaultAccount.objects.filter(user=user).first()
    if present is not None and present.account_id == account.pk:
        return present
    values = {"account": account, "chosen_at": at}
    choice, _created = DefaultAccount.objects.update_or_create(user=user, defaults=values)
    topics = (f"person:{user.pk}",)
    record("person.default_account_chosen", target=user, by=by, at=at, topics=topics, account=account.name)
    return choice


def default_accounts_seen(*, defaults: Mapping[str, str]) -> int:
    """Keep what Slurm has, by user name. Returns how many changed. One query, and one write where something changed."""
    people = User.objects.filter(cluster_username__in=defaults).only("pk", "cluster_username", "slurm_default_account")
    changed = []
    for user in people:
        present = defaults[str(user.cluster_username)]
        if user.slurm_default_account != present:
            user.slurm_default_account = present
            changed.append(user)
    User.objects.bulk_update(changed, ["slurm_default_account"])
    return len(changed)
