"""What a project's page reads of accounting, in a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, QuerySet, Subquery, Sum

from accounting.attribution import Line
from accounting.balance import Balance, Standing, account_balance, lines_of, total_balance
from accounting.charts import course_figure
from accounting.course import Course
from accounting.history.held import rows_in_question
from accounting.models import IngestMark, Job, QueueJob, Refund, UsageDay, Verification
from accounting.usage import day_of
from accounting.verification.disputes import clear_until
from accounting.words import ReasonWords, is_about_a_limit, limit_words
from allocations.budget import SECONDS_A_MINUTE
from allocations.models import Account, Membership, Project
from allocations.selectors.projects import GrantRow, caps_of, stops_by_hand
from portal.people.models import User

MOST_JOBS = 20
MOST_QUEUED = 50
# A worker that has not read for so long is worth a warning.
STALE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Freshness:
    """When figures were last read from Slurm, and up to when they were found equal to Slurm's own.

    `disputed`: a difference from Slurm's figures in one of the project's accounts is not explained.
    """

    read_until: datetime | None
    run_at: datetime | None
    stale: bool
    verified_until: datetime | None
    disputed: bool


@dataclass(frozen=True)
class PoolUse:
    """One of the project's pools: how it stands, and the course of use over the period of its grant."""

    account: Account
    balance: Balance
    course: Course

    @property
    def element_id(self) -> str:
        return f"course-{self.account.pool.code}"

    @cached_property
    def figure(self) -> Any:
        return course_figure(self.course)


@dataclass(frozen=True, slots=True)
class MemberUse:
    """A person's GPU-seconds in the periods of the present grants, in all and by pool (its name, amount)."""

    user_name: str
    name: str
    gpu_seconds: int
    jobs: int
    by_pool: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class ProjectUsage:
    """What the usage part of a project's page shows. `in_question`: jobs whose row the center has to clarify."""

    project: Project
    at: datetime
    pools: list[PoolUse]
    total: Balance | None
    members: list[MemberUse]
    names: Mapping[str, str]
    running: list[QueueJob]
    waiting: list[QueueJob]
    more_queued: bool
    jobs: list[Job]
    freshness: Freshness
    in_question: int
    capped: frozenset[tuple[int, str]]

    def limit_reason(self, job: QueueJob) -> ReasonWords | None:
        """Whose limit a waiting job meets; None where it waits for something else or the figures are not known yet."""
        balance = next((pool.balance for pool in self.pools if pool.account.pk == job.account_id), None)
        if balance is None or balance.startable is None or job.time_limit_minutes is None:
            return None
        if balance.standing is not Standing.OPEN or balance.stopped or not is_about_a_limit(job.reason):
            return None
        needed = job.gpus * job.time_limit_minutes * SECONDS_A_MINUTE
        capped = (job.account_id, job.user_name) in self.capped
        return limit_words(needed, startable=balance.startable, left=balance.left, capped=capped)

    @property
    def most_used(self) -> int:
        return max((member.gpu_seconds for member in self.members), default=0)

    @property
    def member_total(self) -> int:
        return sum(member.gpu_seconds for member in self.members)


def projects_with_figures(user: User) -> QuerySet[Project]:
    """Projects the reader may see, each with its accounts, their counters, and how fresh figures are: two queries."""
    mark = IngestMark.objects.filter(cluster=settings.SLURM_CLUSTER)
    last = Verification.objects.order_by("-at", "-pk")
    accounts = _accounts_with_counters().order_by("pool__position", "pool__code")
    return (
        Project.objects.visible_to(user)
        .select_related("pi", "institution")
        .prefetch_related(Prefetch("accounts", queryset=accounts))
        .annotate(
            figures_read_until=Subquery(mark.values("read_until")[:1]),
            figures_run_at=Subquery(mark.values("last_run_at")[:1]),
            covered_until=Subquery(last.values("covered_until")[:1]),
            disputed=Subquery(last.values("disputed")[:1]),
        )
    )


def project_usage(
    project: Project, *, lines: Mapping[int, Sequence[Line]], members: Iterable[Membership], at: datetime
) -> ProjectUsage:
    """The usage part of a project's page. `project` comes from `projects_with_figures`, `lines` are by pool."""
    accounts = list(project.accounts.all())
    members = list(members)
    balances = {
        account.name: balance
        for account in accounts
        if (balance := _balance(account, lines.get(account.pool_id, []), at))
    }
    use = _use(balances)
    names = {
        row.user.cluster_username: row.user.display_name
        for row in members
        # A name that is only asked for may be somebody else's.
        if row.user and row.user.cluster_username and row.user.cluster_username_approved_at
    }
    pools = [
        PoolUse(account, balances[account.name], _course(balances[account.name], use[account.name], at))
        for account in accounts
        if account.name in balances
    ]
    queue = list(QueueJob.objects.filter(account__in=accounts)[: MOST_QUEUED + 1])
    shown = queue[:MOST_QUEUED]
    return ProjectUsage(
        project=project,
        at=at,
        pools=pools,
        total=total_balance(list(balances.values())) if balances else None,
        members=_member_use(use, pools, names),
        names=names,
        running=[job for job in shown if job.running],
        waiting=[job for job in shown if not job.running],
        more_queued=len(queue) > MOST_QUEUED,
        jobs=list(_finished_jobs([account.name for account in accounts])),
        freshness=_freshness(project, {account.name for account in accounts}, at),
        in_question=rows_in_question([account.name for account in accounts]),
        capped=_capped(accounts, members),
    )


def _capped(accounts: Iterable[Account], members: Iterable[Membership]) -> frozenset[tuple[int, str]]:
    """(account, cluster user name) of members with a cap of their own."""
    pools = [(row.user.cluster_username, caps_of(row)) for row in members if row.user]
    return frozenset(
        (account.pk, name) for account in accounts for name, caps in pools if name and account.pool_id in caps
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


@dataclass(frozen=True, slots=True)
class ProjectStanding:
    """A project over all its pools, for lists; no balance where nothing was ever granted."""

    project: Project
    balance: Balance | None
    days_left: int
    last_day: datetime | None


def project_standings(projects: Iterable[Project], at: datetime) -> list[ProjectStanding]:
    """How each of the projects stands, in their order: two queries besides their own."""
    projects = list(projects)
    lines = lines_of({project.pk for project in projects})
    balances: defaultdict[int, list[Balance]] = defaultdict(list)
    for account in _accounts_with_counters().filter(project__in=projects):
        of_pool = lines[account.project_id, account.pool_id]
        if balance := _balance(account, of_pool, at):
            balances[account.project_id].append(balance)
    return [_standing(project, balances[project.pk], at) for project in projects]


def _standing(project: Project, balances: Sequence[Balance], at: datetime) -> ProjectStanding:
    if not balances:
        return ProjectStanding(project, None, 0, None)
    total = total_balance(balances)
    return ProjectStanding(project, total, total.days_left(at), total.last_day)


@dataclass(frozen=True, slots=True)
class _Use:
    day: date
    user_name: str
    gpu_seconds: int
    jobs: int


def _use(balances: Mapping[str, Balance]) -> defaultdict[str, list[_Use]]:
    """By account, what was used by day and person since the period of its balance began: one query."""
    use: defaultdict[str, list[_Use]] = defaultdict(list)
    if not balances:
        return use
    begin = {name: day_of(balance.starts_at) for name, balance in balances.items()}
    rows = UsageDay.objects.filter(account_name__in=balances, day__gte=min(begin.values())).order_by()
    sums = rows.values_list("account_name", "day", "user_name").annotate(Sum("gpu_seconds"), Sum("jobs"))
    for name, day, user_name, gpu_seconds, jobs in sums:
        if day >= begin[name]:
            use[name].append(_Use(day, user_name, gpu_seconds, jobs))
    return use


def _course(balance: Balance, use: Iterable[_Use], at: datetime) -> Course:
    by_day: defaultdict[date, int] = defaultdict(int)
    for row in use:
        by_day[row.day] += row.gpu_seconds
    return Course(balance.starts_at, balance.ends_at, balance.entitlement, by_day, at)


def _member_use(
    use: Mapping[str, Sequence[_Use]], pools: Sequence[PoolUse], names: Mapping[str, str]
) -> list[MemberUse]:
    """Everybody who used something and every member, who used most first."""
    amounts: dict[str, list[int]] = {user_name: [0] * len(pools) for user_name in names}
    jobs: defaultdict[str, int] = defaultdict(int)
    for position, pool in enumerate(pools):
        for row in use[pool.account.name]:
            amounts.setdefault(row.user_name, [0] * len(pools))[position] += row.gpu_seconds
            jobs[row.user_name] += row.jobs
    members = [
        MemberUse(
            user_name=user_name,
            name=names.get(user_name, ""),
            gpu_seconds=sum(by_pool),
            jobs=jobs[user_name],
            by_pool=[(pool.account.pool.name, used) for pool, used in zip(pools, by_pool, strict=True)],
        )
        for user_name, by_pool in amounts.items()
    ]
    return sorted(members, key=lambda member: (-member.gpu_seconds, member.user_name))


def _finished_jobs(accounts: Sequence[str]) -> QuerySet[Job]:
    """With the refund that stands or was declined, if any (`refund_status`, `refunded`)."""
    of_job = Refund.objects.filter(job=OuterRef("pk")).exclude(status=Refund.Status.WITHDRAWN).order_by("-pk")
    refund = {"refund_status": of_job.values("status")[:1], "refunded": of_job.values("refunded_gpu_seconds")[:1]}
    jobs = Job.objects.filter(account__in=accounts, final=True)
    return jobs.annotate(**{name: Subquery(rows) for name, rows in refund.items()}).order_by("-end", "-pk")[:MOST_JOBS]


def _accounts_with_counters() -> QuerySet[Account]:
    """What `_balance` reads of an account, in one query."""
    by_hand = Exists(stops_by_hand(OuterRef("name"), OuterRef("project__code")))
    return Account.objects.select_related("pool", "counter").annotate(by_hand=by_hand)


def _balance(account: Account, lines: Sequence[Line], at: datetime) -> Balance | None:
    counter = getattr(account, "counter", None)
    return account_balance(
        account.pool,
        lines,
        counter,
        at,
        exhausted=account.exhausted_at is not None,
        stopped=getattr(account, "by_hand", False),
    )


def _freshness(project: Project, accounts: set[str], at: datetime) -> Freshness:
    run_at = getattr(project, "figures_run_at", None)
    disputed = getattr(project, "disputed", None) or []
    return Freshness(
        read_until=getattr(project, "figures_read_until", None),
        run_at=run_at,
        stale=run_at is None or at - run_at > STALE,
        verified_until=clear_until(getattr(project, "covered_until", None), disputed, accounts),
        disputed=any(row["account"] in accounts for row in disputed),
    )
