"""A project's figures over all its pools: how each stands, where it is going, and all together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from accounting.balance import Balance, total_balance
from accounting.outlook import Outlook, outlook
from accounting.outlooks import recent_use, standings_of
from allocations.models import Account


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """One of the project's pools, and where it is going."""

    account: Account
    outlook: Outlook

    @property
    def balance(self) -> Balance:
        return self.outlook.balance

    @property
    def runs_out_on(self) -> date | None:
        """None where that is not before the grant ends, is not known, or all is used already."""
        projection = self.outlook.projection
        return projection.runs_out_on if projection and self.balance.left else None


@dataclass(frozen=True, slots=True)
class Figures:
    """`total` is over the pools open now where there are any; None where nothing was ever granted."""

    pools: list[PoolFigures]
    total: Outlook | None

    @property
    def first_to_run_out(self) -> PoolFigures | None:
        """Of several pools the one whose hours are used up first, where that is before its grant ends."""
        ending = [(pool.runs_out_on, place) for place, pool in enumerate(self.pools) if pool.runs_out_on]
        return self.pools[min(ending)[1]] if ending and len(self.pools) > 1 else None


def figures_of(balances: Mapping[Account, Balance], use: Mapping[str, Mapping[date, int]], at: datetime) -> Figures:
    """Of one project's accounts, in the pools' order; `use` by account and day, as `recent_use` reads it."""
    pools = [PoolFigures(account, outlook(balance, use[account.name], at)) for account, balance in balances.items()]
    return Figures(pools, _total(balances, use, at) if balances else None)


def figures_of_projects(projects: Collection[int], at: datetime) -> dict[int, Figures]:
    """By project (its key): three queries."""
    balances: defaultdict[int, dict[Account, Balance]] = defaultdict(dict)
    standings = standings_of(projects, at) if projects else []
    for row in standings:
        balances[row.account.project_id][row.account] = row.balance
    use = recent_use([row.account.name for row in standings], at)
    return {project: figures_of(balances[project], use, at) for project in projects}


def _total(balances: Mapping[Account, Balance], use: Mapping[str, Mapping[date, int]], at: datetime) -> Outlook:
    total = total_balance(list(balances.values()))
    by_day: defaultdict[date, int] = defaultdict(int)
    for account, balance in balances.items():
        if balance.standing is total.standing:
            for day, used in use[account.name].items():
                by_day[day] += used
    return outlook(total, by_day, at)
