"""What the page on getting onto the cluster needs of a person in a project."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from allocations.models import Account, Cluster, OnboardingStep, Project
from allocations.onboarding import Facts
from allocations.standing import account_standing
from allocations.usernames import sentence_of
from portal.people.models import User


def accounts_of(project: Project) -> list[Account]:
    """The project's accounts, those that take jobs now first."""
    accounts = project.accounts.select_related("pool").order_by("pool__position", "pool__code")
    return sorted(accounts, key=lambda account: not is_usable(account))


def is_usable(account: Account) -> bool:
    return account.state == Account.State.IN_FORCE and not account.parked


def onboarding_facts(
    project: Project, accounts: list[Account], user: User, *, first_job_at: datetime | None, at: datetime
) -> Facts:
    """`first_job_at` is accounting's: the moment the person first ran a job in the project."""
    steps = OnboardingStep.objects.filter(user=user).values_list("step", flat=True)
    return Facts(
        agreed=project.grants.exists(),
        has_name=user.is_on_cluster,
        name_words=sentence_of(user),
        usable=any(is_usable(account) for account in accounts),
        trouble=_trouble(accounts, at),
        ticked=frozenset(steps),
        first_job_at=first_job_at,
    )


def _trouble(accounts: list[Account], at: datetime) -> str:
    """Why no account takes jobs, in words."""
    if not accounts:
        return _("No GPU time has been granted yet.")
    standing = account_standing(accounts[0], Cluster.current(), at)
    return standing.note or standing.words
