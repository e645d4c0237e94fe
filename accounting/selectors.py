"""How a project stands and where it is going: what its page and the part of it that is live read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Exists, QuerySet
from django.http import Http404

from accounting.attribution import Line
from accounting.balance import lines_of
from accounting.charts import course_figure
from accounting.course import Course
from accounting.course_words import course_words
from accounting.figures import Figures, PoolFigures, figures_of
from accounting.freshness import Freshness, freshness_of, with_freshness
from accounting.history.held import rows_in_question
from accounting.models import Job, UnreadableJobRow
from accounting.now import Now, now_in
from accounting.outlooks import accounts_with_counters, balance_of, recent, use_since
from accounting.usage import day_of
from accounting.use import use_by
from allocations.models import Account, Membership, Pool, Project
from allocations.selectors.projects import GrantRow
from portal.people.models import User
from portal.people.permissions import Permission
from portal.prepared import Prepared

# The others are on the page of jobs.
MOST_JOBS = 5


@dataclass(frozen=True, slots=True)
class ProjectUsage:
    """What is live on a project's page. `in_question`: jobs whose row the center has to clarify; `use`: GPU-seconds by
    account and day."""

    project: Project
    at: datetime
    figures: Figures
    now: Now
    freshness: Freshness
    in_question: int
    use: Mapping[str, Mapping[date, int]]

    @property
    def pools(self) -> list[PoolFigures]:
        return self.figures.pools


def project_with_figures(user: User, code: str) -> Project:
    """One that the reader may see, with its PI and institution, its accounts, their counters, and how fresh figures
    are: two queries. Raises Http404 where there is none."""
    everybodys = user.can(Permission.PROJECT_VIEW)
    project: Project | None = next(iter(ANY_PROJECT(code) if everybodys else OWN_PROJECT(code, user.pk)), None)
    if project is None:
        raise Http404
    project._prefetched_objects_cache = {"accounts": ACCOUNTS(project.pk)}  # type: ignore[attr-defined]
    return project


def _with_state(projects: QuerySet[Project]) -> QuerySet[Project]:
    unclear = Exists(Job.objects.held()) | Exists(UnreadableJobRow.objects.open())
    return with_freshness(projects).annotate(some_rows_unclear=unclear).select_related("pi", "institution")


def _accounts(project: int) -> QuerySet[Account]:
    return accounts_with_counters().filter(project=project).order_by("pool__position", "pool__code")


ANY_PROJECT = Prepared(lambda code: _with_state(Project.objects.filter(code=code)), "(code)")
OWN_PROJECT = Prepared(lambda code, user: _with_state(Project.objects.of(user).filter(code=code)), "(code)", -1)
ACCOUNTS = Prepared(_accounts, -1)


def project_usage(
    project: Any,
    *,
    lines: Mapping[int, Sequence[Line]],
    at: datetime,
    members: Collection[Membership] | None = None,
    whole_period: bool = False,
) -> ProjectUsage:
    """How a project of `project_with_figures` stands; `lines` are by pool. Queries as of `now_in`, and
    one. Use is read as far back as figures need it, or of the whole period.
    """
    accounts = list(project.accounts.all())
    names = [account.name for account in accounts]
    balances = {
        account: balance for account in accounts if (balance := balance_of(account, lines.get(account.pool_id, []), at))
    }
    first = min((row.starts_at for row in balances.values()), default=at) if whole_period else at
    use = use_since(day_of(first), [account.name for account in balances], at)
    return ProjectUsage(
        project=project,
        at=at,
        figures=figures_of(balances, recent(use, at), at),
        now=now_in(project, {account.pk: row for account, row in balances.items()}, members=members),
        freshness=freshness_of(project, set(names), at),
        in_question=rows_in_question(names) if project.some_rows_unclear else 0,
        use=use,
    )


def lines_by_pool(project: Project) -> dict[int, list[Line]]:
    return {pool: lines for (_, pool), lines in lines_of({project.pk}).items()}


def lines_of_grants(grants: Iterable[GrantRow]) -> dict[int, list[Line]]:
    """The same from what the frame of the page has loaded already."""
    lines: defaultdict[int, list[Line]] = defaultdict(list)
    for row in grants:
        for part in row.lines:
            lines[part.pool.pk].append(
                Line(
                    part.line.pk,
                    row.grant.starts_at,
                    row.grant.ends_at,
                    part.granted_gpu_seconds,
                    part.line.charged_gpu_seconds,
                    part.suspended,
                    part.covered_gpu_seconds,
                    part.refunded_gpu_seconds,
                )
            )
    return dict(lines)


# --- What of the page does not change by the minute ---


@dataclass(frozen=True)
class PoolCourse:
    """How use went over a pool's present period, as a chart with its table and a sentence."""

    pool: Pool
    course: Course

    @property
    def element_id(self) -> str:
        return f"course-{self.pool.code}"

    @property
    def figure(self) -> Any:
        return course_figure(self.course)

    @property
    def words(self) -> str:
        return course_words(self.course)


def courses(usage: ProjectUsage) -> list[PoolCourse]:
    """Of the pools whose period has begun; `usage` was read of the whole period."""
    return [
        PoolCourse(pool.account.pool, _course(pool, usage.use[pool.account.name], usage.at))
        for pool in usage.pools
        if pool.balance.starts_at <= usage.at
    ]


def _course(pool: PoolFigures, by_day: Mapping[date, int], at: datetime) -> Course:
    balance, first = pool.balance, day_of(pool.balance.starts_at)
    within = {day: used for day, used in by_day.items() if day >= first}
    return Course(balance.starts_at, balance.ends_at, balance.entitlement, within, at, pool.outlook.projection)


@dataclass(frozen=True, slots=True)
class MemberUse:
    """A person's GPU-seconds in the periods of the present grants, in all and by pool (its name, amount)."""

    user_name: str
    name: str
    gpu_seconds: int
    jobs: int
    by_pool: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class MemberTable:
    rows: list[MemberUse]

    @property
    def total(self) -> int:
        return sum(row.gpu_seconds for row in self.rows)


def member_use(pools: Sequence[PoolFigures], names: Mapping[str, str], at: datetime) -> MemberTable:
    """Everybody who used something and every member, who used most first: a query to each day on which a period of the
    pools begins, which is one as a rule."""
    use = _use_by_person(pools, at)
    people = {*names, *(user_name for _, user_name in use)}
    rows = [_member(user_name, names.get(user_name, ""), pools, use) for user_name in people]
    return MemberTable(sorted(rows, key=lambda row: (-row.gpu_seconds, row.user_name)))


def _member(
    user_name: str, name: str, pools: Sequence[PoolFigures], use: Mapping[tuple[str, str], tuple[int, int]]
) -> MemberUse:
    found = [use.get((pool.account.name, user_name), (0, 0)) for pool in pools]
    return MemberUse(
        user_name=user_name,
        name=name,
        gpu_seconds=sum(gpu_seconds for gpu_seconds, _ in found),
        jobs=sum(jobs for _, jobs in found),
        by_pool=[(pool.account.pool.name, used) for pool, (used, _) in zip(pools, found, strict=True)],
    )


def _use_by_person(pools: Sequence[PoolFigures], at: datetime) -> dict[tuple[str, str], tuple[int, int]]:
    """GPU-seconds and jobs by account and person, in the period of each account's balance until now."""
    accounts: defaultdict[date, list[str]] = defaultdict(list)
    for pool in pools:
        accounts[day_of(pool.balance.starts_at)].append(pool.account.name)
    use: dict[tuple[str, str], tuple[int, int]] = {}
    for first, names in accounts.items():
        for key, amount in use_by("account_name", "user_name", accounts=names, first=first, last=day_of(at)).items():
            use[key[0], key[1]] = amount.gpu_seconds, amount.jobs
    return use


def latest_jobs(accounts: Iterable[Account]) -> list[Job]:
    """The last that ended: one query, which takes the last of each account from the index."""
    ended = [Job.objects.filter(account=account.name, final=True).order_by("-end", "-pk") for account in accounts]
    if not ended:
        return []
    first, *others = (jobs[:MOST_JOBS] for jobs in ended)
    return list(first.union(*others, all=True).order_by("-end", "-pk")[:MOST_JOBS] if others else first)
