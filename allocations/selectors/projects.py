"""Projects: lists, and what the parts of a project's page need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Prefetch, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from allocations.models import Account, ChangeRequest, Cluster, Grant, GrantLine, Membership, Pool, Project
from allocations.permissions import can_with_project
from allocations.selectors.reports import report_due_on
from allocations.standing import AccountStanding, account_standing, grant_phase
from portal.people.models import User
from portal.people.permissions import Permission


def projects_of(user: User) -> QuerySet[Project]:
    """Projects a person leads or is a member of, with PI, grants and awards loaded."""
    active = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE)
    return with_grants(Project.objects.filter(pk__in=active.values("project")))


def with_grants(projects: QuerySet[Project]) -> QuerySet[Project]:
    lines = GrantLine.objects.select_related("pool").prefetch_related("entries")
    grants = Grant.objects.prefetch_related(Prefetch("lines", queryset=lines))
    return projects.select_related("pi", "institution").prefetch_related(Prefetch("grants", queryset=grants))


@dataclass(frozen=True, slots=True)
class LineRow:
    line: GrantLine
    pool: Pool
    granted_gpu_seconds: int
    account: Account | None
    standing: AccountStanding | None
    asked: list[str]


@dataclass(frozen=True, slots=True)
class ReportStanding:
    """The final report of a grant that is over: handed in, or due on a day."""

    submitted_at: datetime | None
    due_on: date
    late: bool


@dataclass(frozen=True, slots=True)
class GrantRow:
    grant: Grant
    badge: str
    phase: str
    last_day: datetime
    lines: list[LineRow]
    report: ReportStanding | None


@dataclass(frozen=True, slots=True)
class SubmitLine:
    """The line to copy for one pool; `usable` once Slurm has the account and a grant is open."""

    pool: Pool
    command: str
    usable: bool


def project_frame(project: Project, user: User, at: datetime) -> dict[str, Any]:
    """What the parts of a project's page need (templates/projects/parts/): grants with their state towards Slurm,
    members, the lines to submit jobs with, and whether the reader manages the project and lacks a user name.

    Reads `project.accounts` with their pools, which the caller may prefetch (`with_accounts`).
    """
    cluster = Cluster.current()
    accounts = sorted(project.accounts.all(), key=lambda account: (account.pool.position, account.pool.code))
    members = list(members_of(project))
    by_pool = {account.pool_id: account for account in accounts}
    return {
        "project": project,
        "grants": _grant_rows(project, by_pool, cluster, at),
        "members": members,
        "submit_lines": [_submit_line(account) for account in accounts],
        "may_manage": can_with_project(user, Permission.PROJECT_MANAGE, project),
        "has_delegate": any(row.is_delegate for row in members),
        "needs_username": not user.cluster_username and any(_is_active(row, user) for row in members),
    }


def members_of(project: Project) -> QuerySet[Membership]:
    """Active members and open invitations, the PI first."""
    current = project.memberships.exclude(status=Membership.Status.REMOVED)
    return current.select_related("user", "project").order_by("pk")


def with_accounts(projects: QuerySet[Project]) -> QuerySet[Project]:
    return projects.prefetch_related(Prefetch("accounts", queryset=Account.objects.select_related("pool")))


def _grant_rows(project: Project, accounts: dict[int, Account], cluster: Cluster, at: datetime) -> list[GrantRow]:
    """One query: lines with their grant and the sum of their ledger."""
    lines = GrantLine.objects.filter(grant__project=project).select_related(
        "grant__application", "grant__final_report", "grant__project", "pool"
    )
    rows: dict[Grant, list[LineRow]] = {}
    asked = ChangeRequest.objects.open().filter(project=OuterRef("grant__project")).order_by().values("kind")
    lines = lines.annotate(granted=Coalesce(Sum("entries__gpu_seconds"), 0), asked=ArraySubquery(asked))
    for line in lines.order_by("grant__starts_at", "pk"):
        account = accounts.get(line.pool_id)
        state = account_standing(account, cluster, at) if account else None
        rows.setdefault(line.grant, []).append(LineRow(line, line.pool, line.granted, account, state, line.asked))
    return [_grant_row(grant, of_grant, at) for grant, of_grant in rows.items()]


def _grant_row(grant: Grant, lines: list[LineRow], at: datetime) -> GrantRow:
    badge, phase = grant_phase(grant, at)
    return GrantRow(grant, badge, phase, grant.ends_at - timedelta(seconds=1), lines, _report_standing(grant, at))


def _report_standing(grant: Grant, at: datetime) -> ReportStanding | None:
    """None while the grant runs, and for one that was over when it was imported."""
    if at < grant.ends_at or grant.ends_at <= grant.created_at:
        return None
    report = getattr(grant, "final_report", None)
    due_on = report_due_on(grant)
    submitted_at = report.submitted_at if report else None
    late = submitted_at is None and due_on < timezone.localdate(at, timezone.get_default_timezone())
    return ReportStanding(submitted_at, due_on, late)


def _submit_line(account: Account) -> SubmitLine:
    partition = account.pool.partitions[0]
    command = f"sbatch --account={account.name} --partition={partition} --gpus=1 --time=01:00:00 job.sh"
    return SubmitLine(account.pool, command, account.state == Account.State.IN_FORCE and not account.parked)


def _is_active(membership: Membership, user: User) -> bool:
    return membership.user_id == user.pk and membership.status == Membership.Status.ACTIVE
