"""Use over a period, step by step, by person, pool, partition or GPU kind. GPU-seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from accounting.dashboard.forms import Asked, By
from accounting.dashboard.period import Span
from accounting.names import names_of
from accounting.usage import Amount
from accounting.use import use_by

# As many have a colour of their own; what the others used is one more series.
MOST_SERIES = 6


@dataclass(frozen=True, slots=True)
class Group:
    """One person, pool, partition or kind; `note` is the cluster user name beside a person's."""

    key: str
    label: str
    note: str
    gpu_seconds: int
    jobs: int

    @property
    def full_label(self) -> str:
        return f"{self.label} ({self.note})" if self.note else self.label


@dataclass(frozen=True, slots=True)
class StepRow:
    """What was used in one step by each series in their order."""

    span: Span
    amounts: Sequence[int]
    gpu_seconds: int
    jobs: int


@dataclass(frozen=True)
class Breakdown:
    """`groups`: who used most first; `cells` by (begin of the step, key of the group)."""

    asked: Asked
    groups: Sequence[Group]
    cells: Mapping[tuple[object, str], Amount]

    @cached_property
    def total(self) -> Amount:
        rows = self.cells.values()
        return Amount(
            sum(row.gpu_seconds for row in rows), sum(row.cpu_seconds for row in rows), sum(row.jobs for row in rows)
        )

    @property
    def shown(self) -> Sequence[Group]:
        """Those with a series of their own; one more would take no more room than "Others"."""
        return self.groups if len(self.groups) <= MOST_SERIES + 1 else self.groups[:MOST_SERIES]

    @property
    def others(self) -> int:
        """How many groups are shown as one."""
        return len(self.groups) - len(self.shown)

    @cached_property
    def labels(self) -> list[str]:
        """Of the series."""
        return [group.label for group in self.shown] + ([_("Others")] if self.others else [])

    @cached_property
    def rows(self) -> list[StepRow]:
        """A row for each step of the period, also where nothing was used."""
        shown, rest = self.shown, self.groups[len(self.shown) :]
        rows = []
        for span in self.asked.period.spans(self.asked.step):
            of_groups = [self._amount(span, group) for group in shown]
            of_rest = [self._amount(span, group) for group in rest]
            amounts = [amount.gpu_seconds for amount in of_groups]
            if rest:
                amounts.append(sum(amount.gpu_seconds for amount in of_rest))
            jobs = sum(amount.jobs for amount in [*of_groups, *of_rest])
            rows.append(StepRow(span, amounts, sum(amounts), jobs))
        return rows

    def all_amounts(self, span: Span) -> list[int]:
        """Of every group, also those shown as one."""
        return [self._amount(span, group).gpu_seconds for group in self.groups]

    def series_totals(self) -> list[int]:
        rest = sum(group.gpu_seconds for group in self.groups[len(self.shown) :])
        return [group.gpu_seconds for group in self.shown] + ([rest] if self.others else [])

    def _amount(self, span: Span, group: Group) -> Amount:
        return self.cells.get((span.begin, group.key)) or Amount()


def breakdown(asked: Asked, accounts: Mapping[str, str]) -> Breakdown:
    """Of these accounts, each with the name of its pool: one query, one more for people's names."""
    period = asked.period
    cells = use_by(asked.step.value, asked.by.key, accounts=accounts, first=period.first, last=period.last)
    sums: defaultdict[str, Amount] = defaultdict(Amount)
    for (_begin, key), amount in cells.items():
        sums[key].gpu_seconds += amount.gpu_seconds
        sums[key].jobs += amount.jobs
    labels = _labels(asked.by, sums, accounts)
    groups = [Group(key, *labels[key], amount.gpu_seconds, amount.jobs) for key, amount in sums.items()]
    return Breakdown(asked, sorted(groups, key=lambda group: (-group.gpu_seconds, group.key)), cells)


def _labels(by: By, sums: Mapping[str, Amount], accounts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Label and note by key."""
    if by is By.PERSON:
        names = names_of(sums)
        return {key: (names[key], key) if key in names else (key, "") for key in sums}
    if by is By.POOL:
        return {key: (accounts[key], "") for key in sums}
    if by is By.KIND:
        without = {key: _("Type not named") if row.gpu_seconds else _("Without GPU") for key, row in sums.items()}
        return {key: (key or without[key], "") for key in sums}
    return {key: (key, "") for key in sums}
