"""Outlooks of many projects in a bounded number of queries: for lists, the home page and alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from accounting.attribution import Line
from accounting.balance import Balance, account_balance, lines_of
from accounting.outlook import Outlook, outlook
from accounting.projection import WINDOW
from accounting.usage import day_of
from accounting.use import use_by
from allocations.models import Account, Project
from allocations.selectors.projects import stops_by_hand


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """An account with all of its lines and how it stands by them."""

    account: Account
    lines: Sequence[Line]
    balance: Balance


def outlooks_of(projects: Iterable[Project], at: datetime) -> dict[int, list[Outlook]]:
    """By project (its key), an outlook to each pool in the pools' order; none where nothing was ever granted: three
    queries."""
    projects = list(projects)
    standings = standings_of({project.pk for project in projects}, at)
    use = recent_use([row.account.name for row in standings], at)
    found: dict[int, list[Outlook]] = {project.pk: [] for project in projects}
    for row in standings:
        found[row.account.project_id].append(outlook(row.balance, use[row.account.name], at))
    return found


def standings_of(projects: Collection[int], at: datetime) -> list[AccountStanding]:
    """How the accounts of these projects stand, in the pools' order: two queries."""
    lines = lines_of(projects)
    accounts = accounts_with_counters().filter(project__in=projects).order_by("pool__position", "pool__code")
    of_pool = [(account, lines[account.project_id, account.pool_id]) for account in accounts]
    return [
        AccountStanding(account, of_account, balance)
        for account, of_account in of_pool
        if (balance := balance_of(account, of_account, at))
    ]


def accounts_with_counters() -> QuerySet[Account]:
    """What `balance_of` reads of an account, in one query."""
    by_hand = Exists(stops_by_hand(OuterRef("name"), OuterRef("project__code")))
    return Account.objects.select_related("pool", "counter").annotate(by_hand=by_hand)


def balance_of(account: Account, lines: Sequence[Line], at: datetime) -> Balance | None:
    """Of an account from `accounts_with_counters`; None where nothing was ever granted."""
    return account_balance(
        account.pool,
        lines,
        getattr(account, "counter", None),
        at,
        exhausted=account.exhausted_at is not None,
        stopped=getattr(account, "by_hand", False),
    )


def recent_use(accounts: Collection[str], at: datetime) -> defaultdict[str, dict[date, int]]:
    """GPU-seconds by account and whole day, of as many days as a projection looks at: one query."""
    return recent(use_since(day_of(at), accounts, at), at)


def use_since(first: date, accounts: Collection[str], at: datetime) -> defaultdict[str, dict[date, int]]:
    """GPU-seconds by account and day from then on, and at least of the days a projection looks at: one query."""
    use: defaultdict[str, dict[date, int]] = defaultdict(dict)
    if accounts:
        first = min(first, day_of(at) - timedelta(days=WINDOW))
        for (name, day), amount in use_by(
            "account_name", "day", accounts=accounts, first=first, last=day_of(at)
        ).items():
            use[name][day] = amount.gpu_seconds
    return use


def recent(use: Mapping[str, Mapping[date, int]], at: datetime) -> defaultdict[str, dict[date, int]]:
    """Of these days the whole ones that a projection looks at."""
    today = day_of(at)
    first = today - timedelta(days=WINDOW)
    found: defaultdict[str, dict[date, int]] = defaultdict(dict)
    for name, by_day in use.items():
        found[name] = {day: used for day, used in by_day.items() if first <= day < today}
    return found
