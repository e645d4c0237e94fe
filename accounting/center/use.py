"""What was used in a period and what open grants were awarded, by pool, institution, sector and track.

Sums only, nobody's name. GPU-seconds; every grouping adds up to the same totals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from accounting.center.lines import CenterLine, lines_since, open_lines
from accounting.dashboard.period import Period
from accounting.usage import Amount, day_bounds
from accounting.use import use_by
from allocations.models import Account, Call, Pool
from portal.people.models import Institution


@dataclass(slots=True)
class Group:
    """`used` in the period by `projects`; `granted` to lines open now, and `drawn` what of that is used."""

    label: str = ""
    projects: set[int] = field(default_factory=set)
    used: int = 0
    open_projects: set[int] = field(default_factory=set)
    granted: int = 0
    drawn: int = 0

    @property
    def left(self) -> int:
        return max(0, self.granted - self.drawn)

    def add(self, other: Group) -> None:
        self.used += other.used
        self.projects |= other.projects
        self.granted += other.granted
        self.drawn += other.drawn
        self.open_projects |= other.open_projects


class AccountUse(NamedTuple):
    """What one of the portal's accounts used in the period, or a part of it that belongs to one track."""

    project: int
    pool: int
    institution: int
    track: str | None
    used: int


class Cell(NamedTuple):
    """What every grouping of the page is made of: a few hundred of them stand for thousands of lines and accounts."""

    pool: int
    institution: int
    track: str | None


KeyOf = Callable[[Cell], Any]


@dataclass(frozen=True)
class CenterUse:
    """`others`: use of accounts that are no project's, by name, most first."""

    institutions: Mapping[int, Institution]
    pools: Mapping[int, Pool]
    lines: Sequence[CenterLine]
    open: Sequence[CenterLine]
    parts: Sequence[AccountUse]
    others: Sequence[tuple[str, int]]

    @cached_property
    def total(self) -> Group:
        return next(iter(self._grouped(lambda row: "").values()), Group())

    @property
    def used_by_others(self) -> int:
        return sum(used for _name, used in self.others)

    @property
    def used_by_all(self) -> int:
        return self.total.used + self.used_by_others

    @cached_property
    def institution_count(self) -> int:
        return len({row.institution for row in self.parts if row.used})

    @cached_property
    def by_pool(self) -> list[tuple[Pool, Group]]:
        groups = self._grouped(lambda row: row.pool)
        return [(pool, groups.get(key, Group())) for key, pool in self.pools.items()]

    @cached_property
    def by_institution(self) -> list[Group]:
        return self._ranked(lambda row: row.institution, lambda key: str(self.institutions[key]))

    @cached_property
    def by_sector(self) -> list[Group]:
        return self._ranked(
            lambda row: self.institutions[row.institution].kind, lambda key: str(Institution.Kind(key).label)
        )

    @cached_property
    def by_track(self) -> list[Group]:
        without = _("Without a call")
        return self._ranked(lambda row: row.track or "", lambda key: str(Call.Track(key).label) if key else without)

    def _ranked(self, key_of: KeyOf, label_of: Callable[[Any], str]) -> list[Group]:
        """Who used most first, then who was granted most."""
        groups = self._grouped(key_of)
        for key, group in groups.items():
            group.label = label_of(key)
        return sorted(groups.values(), key=lambda group: (-group.used, -group.granted, group.label))

    def _grouped(self, key_of: KeyOf) -> dict[Any, Group]:
        groups: defaultdict[Any, Group] = defaultdict(Group)
        for cell, of_cell in self._cells.items():
            groups[key_of(cell)].add(of_cell)
        return dict(groups)

    @cached_property
    def _cells(self) -> dict[Cell, Group]:
        cells: defaultdict[Cell, Group] = defaultdict(Group)
        for part in self.parts:
            cell = cells[Cell(part.pool, part.institution, part.track)]
            cell.used += part.used
            cell.projects.add(part.project)
        for line in self.open:
            cell = cells[Cell(line.pool, line.institution, line.track)]
            cell.open_projects.add(line.project)
            cell.granted += line.granted
            cell.drawn += line.charged
        return dict(cells)


def center_use(period: Period, at: datetime, pools: Iterable[Pool] | None = None) -> CenterUse:
    """A handful of queries, however much there is. `pools`: all of them, where the caller has them already."""
    start, _end = period.moments
    lines = lines_since(min(start, at))
    used = {name: amount.gpu_seconds for (name,), amount in _use("account_name", period=period).items()}
    accounts, institutions = _accounts()
    others = [(name, amount) for name, amount in used.items() if name not in accounts and amount]
    return CenterUse(
        institutions=institutions | _missing({line.institution for line in lines} - institutions.keys()),
        pools={row.pk: row for row in (Pool.objects.all() if pools is None else pools)},
        lines=lines,
        open=open_lines(lines, at),
        parts=_by_track({name: amount for name, amount in used.items() if name in accounts}, accounts, lines, period),
        others=sorted(others, key=lambda row: (-row[1], row[0])),
    )


def _use(*keys: str, period: Period, accounts: Collection[str] | None = None) -> dict[tuple[Any, ...], Amount]:
    return use_by(*keys, accounts=accounts, first=period.first, last=period.last)


def _accounts() -> tuple[dict[str, tuple[int, int, int]], dict[int, Institution]]:
    """(project, pool, institution) of each of the portal's accounts, and these institutions: one query."""
    of = "project__institution__"
    rows = Account.objects.order_by().values_list(
        "name", "project", "pool", "project__institution", f"{of}name_ko", f"{of}name_en", f"{of}kind"
    )
    accounts, institutions = {}, {}
    for name, project, pool, institution, name_ko, name_en, kind in rows:
        accounts[name] = (project, pool, institution)
        if institution not in institutions:
            institutions[institution] = Institution(pk=institution, name_ko=name_ko, name_en=name_en, kind=kind)
    return accounts, institutions


def _missing(institutions: Collection[int]) -> dict[int, Institution]:
    """Of grants whose account is not made yet."""
    return Institution.objects.in_bulk(institutions) if institutions else {}


def _by_track(
    used: Mapping[str, int],
    accounts: Mapping[str, tuple[int, int, int]],
    lines: Iterable[CenterLine],
    period: Period,
) -> list[AccountUse]:
    """Use belongs to the track of the line that was open; days are read only of accounts with lines of several."""
    lines_of: defaultdict[tuple[int, int], list[CenterLine]] = defaultdict(list)
    _start, end = period.moments
    for line in lines:
        if line.starts_at < end:
            lines_of[line.project, line.pool].append(line)
    parts, mixed = [], {}
    for name, amount in used.items():
        project, pool, institution = accounts[name]
        of_account = lines_of[project, pool]
        track = of_account[0].track if of_account else None
        if any(line.track != track for line in of_account):
            mixed[name] = of_account
        else:
            parts.append(AccountUse(project, pool, institution, track, amount))
    by_track: defaultdict[tuple[str, str | None], int] = defaultdict(int)
    by_day = _use("account_name", "day", period=period, accounts=mixed) if mixed else {}
    for (name, day), use in by_day.items():
        by_track[name, _track_on(day, mixed[name])] += use.gpu_seconds
    return parts + [AccountUse(*accounts[name], track, amount) for (name, track), amount in by_track.items()]


def _track_on(day: date, lines: Sequence[CenterLine]) -> str | None:
    """Of the line open on that day that ends first, as charges go; else of the one that ended last before it."""
    start, end = day_bounds(day)
    opened = [line for line in lines if line.starts_at < end]
    running = [line for line in opened if line.ends_at > start]
    return running[0].track if running else (opened or lines)[-1 if opened else 0].track
