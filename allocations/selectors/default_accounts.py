"""Which account a person's jobs go to that name none, and which ones there are to choose from."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from allocations.models import Account, DefaultAccount, Membership
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class DefaultStanding:
    """`present` is what Slurm has (empty where it is not known), `works` whether it is an account that takes the
    person's jobs; `elsewhere`: it is none of the portal's, so the portal leaves it alone."""

    present: str
    works: bool
    elsewhere: bool
    chosen: Account | None
    accounts: list[Account]


def accounts_to_choose(user: User) -> QuerySet[Account]:
    """Those that take the person's jobs: in force, open, of a project they are in."""
    active = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE)
    usable = Account.objects.filter(managed=True, state=Account.State.IN_FORCE, parked=False)
    return usable.filter(project__in=active.values("project")).select_related("project", "pool")


def default_standing(user: User) -> DefaultStanding:
    accounts = list(accounts_to_choose(user)) if user.is_on_cluster else []
    choice = DefaultAccount.objects.filter(user=user).select_related("account").first()
    present = user.slurm_default_account
    works = any(account.name == present for account in accounts)
    return DefaultStanding(
        present=present,
        works=works,
        elsewhere=bool(present) and not works and not Account.objects.filter(name=present).exists(),
        chosen=choice.account if choice else None,
        accounts=accounts,
    )
