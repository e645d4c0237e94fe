"""What pages read: each function is one page's or one section's data in a bounded number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet, Sum
from django.db.models.functions import Coalesce

from allocations.models import Account, Application, Call, Cluster, Grant, GrantLine, Membership, Pool, Project, Review
from allocations.permissions import can_with_project
from allocations.scoring import mean_score, recommended_gpu_seconds
from allocations.standing import AccountStanding, Standing, account_standing, grant_phase, standing
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission


@dataclass(frozen=True, slots=True)
class ApplicationRow:
    application: Application
    standing: Standing


def applications_of(user: User) -> list[ApplicationRow]:
    """A person's own applications, the newest first, each with who has it."""
    own = Application.objects.filter(applicant=user).select_related("call", "grant__project")
    rows = own.prefetch_related("lines__pool", "reviews")
    return [ApplicationRow(application, standing(application)) for application in rows]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """An application in a reviewer's queue with their own review, if begun, and its number of submitted ones."""

    application: Application
    review: Review | None
    submitted_reviews: int


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    to_do: list[QueueRow]
    in_progress: list[QueueRow]
    done: list[QueueRow]


def review_queue(user: User) -> ReviewQueue:
    """What a reviewer has to do, has begun and has done; who waits longest comes first. What has its reviews already,
    or was decided, is not asked for again."""
    if not user.can(Permission.APPLICATION_REVIEW):
        return ReviewQueue([], [], [])
    reviewable = Application.objects.reviewable_by(user).select_related("call", "institution")
    rows = [
        _queue_row(row, user) for row in reviewable.prefetch_related("lines__pool", "reviews").order_by("submitted_at")
    ]
    open_rows = [row for row in rows if row.application.status == ApplicationStatus.SUBMITTED]
    return ReviewQueue(
        to_do=[row for row in open_rows if row.review is None and _lacks_reviews(row)],
        in_progress=[row for row in open_rows if row.review is not None and row.review.submitted_at is None],
        done=[row for row in reversed(rows) if row.review is not None and row.review.submitted_at is not None],
    )


def reviews_due(user: User) -> list[QueueRow]:
    """What a reviewer is asked to do: begun ones and those that lack reviews."""
    queue = review_queue(user)
    return [*queue.in_progress, *queue.to_do]


def _queue_row(application: Application, user: User) -> QueueRow:
    reviews = list(application.reviews.all())
    own = next((review for review in reviews if review.reviewer_id == user.pk), None)
    return QueueRow(application, own, sum(review.submitted_at is not None for review in reviews))


def _lacks_reviews(row: QueueRow) -> bool:
    return row.submitted_reviews < row.application.call.reviews_needed


@dataclass(frozen=True, slots=True)
class PanelRow:
    """An application before the panel. Of one in which the reader has a stake no opinion is shown."""

    application: Application
    conflicted: bool
    submitted_reviews: int
    score: Decimal | None
    recommended_gpu_seconds: int | None

    @property
    def ready(self) -> bool:
        return self.submitted_reviews >= self.application.call.reviews_needed


def panel_rows(user: User) -> list[PanelRow]:
    """Everything that waits for a decision: what can be decided first, then by how long it waits."""
    waiting = Application.objects.filter(status=ApplicationStatus.SUBMITTED)
    judgeable = set(waiting.without_stake_of(user).values_list("pk", flat=True))
    found = waiting.select_related("call", "institution", "applicant").prefetch_related(
        "lines__pool", submitted_reviews()
    )
    rows = [_panel_row(application, application.pk not in judgeable) for application in found.order_by("submitted_at")]
    return sorted(rows, key=lambda row: (row.conflicted, not row.ready))


def to_decide(user: User) -> list[PanelRow]:
    """What a decider can decide now."""
    if not user.can(Permission.APPLICATION_DECIDE):
        return []
    return [row for row in panel_rows(user) if row.ready and not row.conflicted]


def submitted_reviews() -> Prefetch[Any]:
    """`application.reviews` as submitted ones only, with scores and criteria."""
    rows = Review.objects.filter(submitted_at__isnull=False).select_related("reviewer")
    return Prefetch("reviews", queryset=rows.prefetch_related("scores__criterion"))


def _panel_row(application: Application, conflicted: bool) -> PanelRow:
    reviews = list(application.reviews.all())
    return PanelRow(
        application=application,
        conflicted=conflicted,
        submitted_reviews=len(reviews),
        score=None if conflicted else mean_score(reviews),
        recommended_gpu_seconds=None if conflicted else recommended_gpu_seconds(reviews),
    )


@dataclass(frozen=True, slots=True)
class CallRow:
    call: Call
    days_left: int


def calls_listed(at: datetime) -> dict[str, list[CallRow]]:
    """Published calls: `open` by deadline, `upcoming` by opening, `closed` the latest first."""
    rows = [CallRow(call, (call.closes_at - at).days) for call in Call.objects.published(at).prefetch_related("pools")]
    return {
        "open": sorted((row for row in rows if row.call.is_open(at)), key=lambda row: row.call.closes_at),
        "upcoming": sorted((row for row in rows if row.call.opens_at > at), key=lambda row: row.call.opens_at),
        "closed": [row for row in rows if row.call.closes_at <= at],
    }


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


@dataclass(frozen=True, slots=True)
class GrantRow:
    grant: Grant
    badge: str
    phase: str
    last_day: datetime
    lines: list[LineRow]


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
    lines = GrantLine.objects.filter(grant__project=project).select_related("grant__application", "pool")
    rows: dict[Grant, list[LineRow]] = {}
    for line in lines.annotate(granted=Coalesce(Sum("entries__gpu_seconds"), 0)).order_by("grant__starts_at", "pk"):
        account = accounts.get(line.pool_id)
        state = account_standing(account, cluster, at) if account else None
        rows.setdefault(line.grant, []).append(LineRow(line, line.pool, line.granted, account, state))
    return [_grant_row(grant, of_grant, at) for grant, of_grant in rows.items()]


def _grant_row(grant: Grant, lines: list[LineRow], at: datetime) -> GrantRow:
    badge, phase = grant_phase(grant, at)
    return GrantRow(grant, badge, phase, grant.ends_at - timedelta(seconds=1), lines)


def _submit_line(account: Account) -> SubmitLine:
    partition = account.pool.partitions[0]
    command = f"sbatch --account={account.name} --partition={partition} --gpus=1 --time=01:00:00 job.sh"
    return SubmitLine(account.pool, command, account.state == Account.State.IN_FORCE and not account.parked)


def _is_active(membership: Membership, user: User) -> bool:
    return membership.user_id == user.pk and membership.status == Membership.Status.ACTIVE
