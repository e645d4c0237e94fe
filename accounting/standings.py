"""How projects stand, in one line each: for the home page and lists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from accounting.balance import Balance, account_balance, lines_of, total_balance
from allocations.models import Account, Project


@dataclass(frozen=True, slots=True)
class ProjectStanding:
    """A project over all its pools; `balance` is None where nothing was ever granted."""

    project: Project
    balance: Balance | None
    days_left: int

    @property
    def last_day(self) -> datetime | None:
        return self.balance.ends_at - timedelta(seconds=1) if self.balance else None


def project_standings(projects: Iterable[Project], at: datetime) -> list[ProjectStanding]:
    """Two queries, however many projects."""
    projects = list(projects)
    lines = lines_of([project.pk for project in projects])
    balances: dict[int, list[Balance]] = {}
    for account in Account.objects.filter(project__in=projects).select_related("pool", "counter"):
        own = lines[account.project_id, account.pool_id]
        if balance := account_balance(account.pool, own, getattr(account, "counter", None), at):
            balances.setdefault(account.project_id, []).append(balance)
    return [_standing(project, balances.get(project.pk, []), at) for project in projects]


def _standing(project: Project, balances: list[Balance], at: datetime) -> ProjectStanding:
    total = total_balance(balances) if balances else None
    return ProjectStanding(project, total, total.days_left(at) if total else 0)
