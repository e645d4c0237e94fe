"""Reading a project's month from its books: usage, ledger and grants, in a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from django.db.models import Sum

from accounting.attribution import Line, Piece
from accounting.balance import lines_of, pieces_by_account
from accounting.job_keys import job_numbers
from accounting.models import IngestMark, Statement, UsageMonth
from accounting.statements.content import Content, Entry, Lapse, Name, PoolMonth, Standing, Use, content_of
from accounting.statements.months import month_before, month_bounds
from accounting.statements.movement import corrections, lapses, standing_at
from accounting.verification.disputes import verified_until
from allocations.models import LedgerEntry, Pool, Project
from portal.people.models import Institution, User


@dataclass(frozen=True, slots=True)
class Opening:
    """What a month goes on from: standings by pool, and the newest ledger entry they know (None: all before it)."""

    standings: Mapping[str, Standing]
    last_entry: int | None


NOTHING_STATED = Opening({}, 0)


def stated(content: Content) -> Opening:
    return Opening({pool.code: pool.closing for pool in content.pools}, content.last_entry)


def content_to_close(project: Project, month: date) -> Content:
    """The month as it is to be frozen: it goes on from what was stated last."""
    return _Books(project).month(month, month_bounds(month)[1], _stated_before(project, month))


def content_as_now(project: Project, month: date, at: datetime) -> Content:
    """The month as all is known of it by now, its beginning included: nothing in it is a correction."""
    books = _Books(project)
    return books.month(month, min(month_bounds(month)[1], at), books.known_at(month_bounds(month)[0]))


def content_so_far(project: Project, month: date, at: datetime) -> Content:
    """A month that is not closed: goes on from what was stated where the month before it is closed at the center."""
    books = _Books(project)
    if Statement.objects.filter(month__gte=month_before(month)).exists():
        opening = _stated_before(project, month)
    else:
        opening = books.known_at(month_bounds(month)[0])
    return books.month(month, min(month_bounds(month)[1], at), opening)


def _stated_before(project: Project, month: date) -> Opening:
    last = Statement.objects.filter(project=project, month__lt=month).first()
    return stated(content_of(last.figures)) if last else NOTHING_STATED


class _Books:
    """All that statements of a project are read from."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.pools = {pool.code: pool for pool in Pool.objects.all()}
        self.accounts = {row.pool.code: row.name for row in project.accounts.select_related("pool")}
        by_pool = lines_of({project.pk})
        self.lines = {code: by_pool[project.pk, pool.pk] for code, pool in self.pools.items()}
        self.entries = _entries(project)
        self.jobs = job_numbers(row.job_key for row in self.entries)
        lines = {name: self.lines[code] for code, name in self.accounts.items()}
        self.pieces: Mapping[str, Sequence[Piece]] = pieces_by_account(lines)

    def known_at(self, moment: datetime) -> Opening:
        return Opening({code: self._standing(code, moment) for code in self.accounts}, None)

    def month(self, month: date, until: datetime, opening: Opening) -> Content:
        use, project = _use(list(self.accounts.values()), month), self.project
        return Content(
            month=month,
            code=project.code,
            title=Name(project.title_ko, project.title_en),
            pi=_name_of(project.pi),
            institution=_name_of(project.institution),
            pools=[
                self._pool(pool, month, until, opening, use[self.accounts.get(code, "")])
                for code, pool in self.pools.items()
                # One whose account was unlinked goes on until what was stated of it is taken back.
                if code in self.accounts or code in opening.standings
            ],
            last_entry=max((entry.pk for entry in self.entries), default=0),
            read_until=IngestMark.current().read_until,
            verified_until=verified_until(self.accounts.values()),
        )

    def _pool(self, pool: Pool, month: date, until: datetime, opening: Opening, use: Sequence[Use]) -> PoolMonth:
        code = pool.code
        before, closing = opening.standings.get(code, Standing()), self._standing(code, until)
        return PoolMonth(
            code=code,
            name=Name(pool.name_ko, pool.name_en),
            account=self.accounts.get(code, ""),
            carried=before.left,
            entries=[self._entry(row) for row in self._entries(pool, month, until, opening)],
            use=use,
            corrections=corrections(before.months, closing.months, month),
            outside=closing.outside - before.outside,
            lapses=self._lapses(code, before, closing),
            closing=closing,
        )

    def _entries(self, pool: Pool, month: date, until: datetime, opening: Opening) -> list[LedgerEntry]:
        """Of the month, and what was written into earlier ones after they had been stated."""
        start = month_bounds(month)[0]
        return [
            row
            for row in self.entries
            if row.line.pool_id == pool.pk
            and row.at < until
            and (row.at >= start or (opening.last_entry is not None and row.pk > opening.last_entry))
        ]

    def _entry(self, row: LedgerEntry) -> Entry:
        by, job = _name_of(row.by) if row.by else None, self.jobs.get(row.job_key, "")
        return Entry(row.kind, row.at, row.line.grant.reference, row.reason, by, job, row.gpu_seconds)

    def _standing(self, code: str, until: datetime) -> Standing:
        return standing_at(self._lines_at(code, until), self.pieces.get(self.accounts.get(code, ""), ()), until)

    def _lines_at(self, code: str, until: datetime) -> list[Line]:
        """Granted what the ledger said then."""
        granted: defaultdict[int, int] = defaultdict(int)
        covered: defaultdict[int, int] = defaultdict(int)
        for row in self.entries:
            if row.at < until:
                granted[row.line_id] += row.gpu_seconds
                covered[row.line_id] += max(0, row.gpu_seconds) if row.kind in LedgerEntry.COVERING else 0
        return [
            replace(line, granted_gpu_seconds=granted[line.key], covered_gpu_seconds=covered[line.key])
            for line in self.lines[code]
        ]

    def _lapses(self, code: str, before: Standing, closing: Standing) -> list[Lapse]:
        references = {row.line_id: row.line.grant.reference for row in self.entries}
        ends = {line.key: line.ends_at for line in self.lines[code]}
        changes = lapses(before.lapsed, closing.lapsed)
        return [Lapse(references[line], ends[line], amount) for line, amount in changes.items()]


def _entries(project: Project) -> list[LedgerEntry]:
    rows = LedgerEntry.objects.filter(line__grant__project=project).order_by("at", "pk")
    return list(rows.select_related("line__grant__application", "line__grant__project", "by"))


def _use(names: Sequence[str], month: date) -> defaultdict[str, list[Use]]:
    """By account, jobs that run still included with what they have used of the month."""
    rows = UsageMonth.objects.filter(account_name__in=names, month=month)
    sums = (
        rows.order_by("account_name", "user_name", "gpu_kind", "state")
        .values_list("account_name", "user_name", "gpu_kind", "state")
        .annotate(Sum("gpu_seconds"), Sum("cpu_seconds"), Sum("jobs"))
    )
    people = people_by_login({user_name for _, user_name, *_ in sums})
    use: defaultdict[str, list[Use]] = defaultdict(list)
    for account, user_name, kind, state, *amounts in sums:
        use[account].append(Use(user_name, people.get(user_name, Name("", "")), kind, state, *amounts))
    return use


def people_by_login(logins: set[str]) -> dict[str, Name]:
    """Who has the user name on the cluster, for those the portal knows and has approved."""
    found = User.objects.filter(cluster_username__in=logins, cluster_username_approved_at__isnull=False)
    return {user.cluster_username or "": _name_of(user) for user in found}


def _name_of(row: User | Institution | Any) -> Name:
    return Name(row.name_ko, row.name_en)
