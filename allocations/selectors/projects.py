"""Projects: lists, and what the parts of a project's page need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db.models import (
    BigIntegerField,
    Exists,
    Func,
    JSONField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import JSONObject
from django.utils import timezone

from allocations.models import (
    Account,
    ChangeRequest,
    Cluster,
    Drift,
    Grant,
    GrantLine,
    MemberCap,
    Membership,
    Pool,
    Project,
    StopOrder,
    Suspension,
)
from allocations.selectors.reports import report_due_on
from allocations.standing import AccountStanding, account_standing, ended_standing, grant_phase
from allocations.usernames import own_name
from portal.people.models import User
from portal.prepared import Prepared

# How long the project's page says that jobs were ended by order.
STOPS_SHOWN = timedelta(days=1)


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
    suspended: Sequence[tuple[datetime, datetime | None]] = ()
    covered_gpu_seconds: int = 0
    refunded_gpu_seconds: int = 0


@dataclass(frozen=True, slots=True)
class ReportStanding:
    """The final report of a grant that is over: handed in, or due on a day."""

    submitted_at: datetime | None
    due_on: date
    late: bool


@dataclass(frozen=True, slots=True)
class SuspensionRow:
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class StopRow:
    """Jobs that are being ended, or were lately: of a person, or (`username` empty) of the whole project."""

    username: str
    reason: str
    at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class GrantRow:
    grant: Grant
    badge: str
    phase: str
    last_day: datetime
    lines: list[LineRow]
    report: ReportStanding | None
    suspension: SuspensionRow | None = None


@dataclass(frozen=True, slots=True)
class SubmitLine:
    """The line to copy for one pool; `usable` once Slurm has the account and a grant is open."""

    pool: Pool
    command: str
    usable: bool


def project_frame(project: Project, user: User, at: datetime) -> dict[str, Any]:
    """What the parts of a project's page need (templates/projects/parts/): grants with their state towards Slurm,
    members, the lines to submit jobs with, whether the reader manages the project, and where a member's own name on the
    cluster stands that is not ready.

    Reads `project.accounts` with their pools, which the caller may prefetch (`with_accounts`).
    """
    accounts = sorted(project.accounts.all(), key=lambda account: (account.pool.position, account.pool.code))
    members = list(MEMBERS(project.pk))
    by_pool = {account.pool_id: account for account in accounts}
    grants = _grant_rows(project, by_pool, at)
    return {
        "project": project,
        "grants": grants,
        "suspensions": [row.suspension for row in grants if row.suspension],
        "stops": _stops(grants),
        "asked": _asked(grants),
        "stopped_by_hand": _pools_stopped_by_hand(grants),
        "nobody_ready": not any(_is_ready(row) for row in members),
        "members": members,
        "submit_lines": [submit_line(account) for account in accounts],
        "may_manage": _manages(user, project, members),
        "has_delegate": any(row.is_delegate for row in members),
        "own_name": own_name(user) if any(_is_active(row, user) for row in members) else None,
        "own_stop": any(_is_active(row, user) and getattr(row, "stopped_by_hand", False) for row in members),
    }


def _manages(user: User, project: Project, members: list[Membership]) -> bool:
    """As `managed_by` says, from the members at hand."""
    return project.pi_id == user.pk or any(row.is_delegate and _is_active(row, user) for row in members)


def members_of(project: Project | int) -> QuerySet[Membership]:
    """Active members and open invitations, the PI first, each with its caps for `caps_of` and whether somebody stopped
    the person in Slurm itself (`stopped_by_hand`)."""
    current = Membership.objects.filter(project=project).exclude(status=Membership.Status.REMOVED)
    pair = Func("pool_id", "gpu_seconds", template="ARRAY[%(expressions)s]", output_field=ArrayField(BigIntegerField()))
    caps = MemberCap.objects.filter(membership=OuterRef("pk")).order_by().annotate(pair=pair)
    leaves = Account.objects.filter(project=OuterRef(OuterRef("project"))).values("name")
    stops = Drift.objects.filter(kind=Drift.Kind.STOPPED, closed_at=None, account__in=leaves)
    stopped = Exists(stops.exclude(person="").filter(person=OuterRef("user__cluster_username")))
    rows = current.annotate(capped=ArraySubquery(caps.values("pair")), stopped_by_hand=stopped)
    return rows.select_related("user", "project").order_by("pk")


MEMBERS = Prepared(members_of, -1)


def caps_of(membership: Any) -> dict[int, int]:
    """A member's caps in GPU-seconds by pool, of a row of `members_of`."""
    return dict(membership.capped)


def with_accounts(projects: QuerySet[Project]) -> QuerySet[Project]:
    return projects.prefetch_related(Prefetch("accounts", queryset=Account.objects.select_related("pool")))


def _grant_rows(project: Project, accounts: dict[int, Account], at: datetime) -> list[GrantRow]:
    """One query: lines with their grant, the sum of their ledger, and what stands in the way of using it."""
    rows: dict[Grant, list[LineRow]] = {}
    for line in LINES(project.pk, at - STOPS_SHOWN):
        account = accounts.get(line.pool_id)
        state = _line_standing(line, account, _cluster_of(line), at)
        amounts = {"covered_gpu_seconds": line.covered, "refunded_gpu_seconds": line.refunded}
        row = LineRow(line, line.pool, line.granted, account, state, line.suspended, **amounts)
        rows.setdefault(line.grant, []).append(row)
    return [_grant_row(grant, of_grant, at) for grant, of_grant in rows.items()]


def _lines(project: int, since: datetime) -> QuerySet[GrantLine, Any]:
    lines = GrantLine.objects.filter(grant__project=project).with_amounts().with_suspensions()
    lines = lines.select_related("grant__application", "grant__final_report", "grant__project", "pool")
    return lines.annotate(
        asked=_asked_changes(),
        cluster=_cluster(),
        by_hand=_stopped_by_hand(),
        reason=_reason_of_suspension(),
        stops=_stop_orders(since),
    ).order_by("grant__starts_at", "pk")


LINES = Prepared(_lines, -1, datetime(2000, 1, 1, tzinfo=UTC))


def stops_by_hand(account: str | OuterRef | Subquery, project: str | OuterRef) -> QuerySet[Drift]:
    """What somebody stopped in Slurm itself and so holds the account, by its name and its project's code: itself, or
    what it hangs below."""
    places = [account, project, settings.SLURM_ROOT_ACCOUNT]
    return Drift.objects.filter(kind=Drift.Kind.STOPPED, person="", closed_at=None, account__in=places)


def _stopped_by_hand() -> Exists:
    """Whether the project's account in the line's pool is stopped so."""
    leaf = Account.objects.filter(project=OuterRef(OuterRef("grant__project")), pool=OuterRef(OuterRef("pool")))
    return Exists(stops_by_hand(Subquery(leaf.values("name")[:1]), OuterRef("grant__project__code")))


def _pools_stopped_by_hand(grants: list[GrantRow]) -> list[Pool]:
    """Of grants that could be used otherwise."""
    usable = [row for grant in grants if grant.badge == "success" for row in grant.lines]
    return list(dict.fromkeys(row.pool for row in usable if row.account and getattr(row.line, "by_hand", False)))


def _reason_of_suspension() -> Subquery:
    return Subquery(Suspension.objects.filter(grant=OuterRef("grant"), until=None).values("reason")[:1])


def _cluster() -> Subquery:
    """What `account_standing` reads of the cluster, as JSON."""
    row = JSONObject(heartbeat_at="heartbeat_at", writing_enabled="writing_enabled")
    return Subquery(Cluster.objects.filter(name=settings.SLURM_CLUSTER).values(row=row)[:1])


def _cluster_of(line: Any) -> Cluster:
    found = line.cluster or {"heartbeat_at": None, "writing_enabled": False}
    heartbeat_at = found["heartbeat_at"] and _moment(found["heartbeat_at"])
    return Cluster(heartbeat_at=heartbeat_at, writing_enabled=found["writing_enabled"])


def _stop_orders(since: datetime) -> ArraySubquery:
    """Those that are being carried out and those that were until lately, as JSON."""
    recent = Q(done_at=None) | Q(done_at__gt=since)
    orders = StopOrder.objects.filter(recent, project=OuterRef("grant__project"))
    row = JSONObject(username="username", reason="reason", at="at", done_at="done_at")
    return ArraySubquery(orders.values(row=row), output_field=ArrayField(JSONField()))


def _asked_changes() -> ArraySubquery:
    """Changes that wait for a decision, as JSON."""
    asked = ChangeRequest.objects.open().filter(project=OuterRef("grant__project")).order_by("asked_at", "pk")
    row = JSONObject(kind="kind", due_at="due_at")
    return ArraySubquery(asked.values(row=row), output_field=ArrayField(JSONField()))


def _asked(grants: list[GrantRow]) -> dict[str, datetime | None]:
    """By kind, until when the project's changes that wait are to be decided: read with any of its lines."""
    found = getattr(grants[0].lines[0].line, "asked", []) if grants else []
    return {row["kind"]: row["due_at"] and _moment(row["due_at"]) for row in found}


def _stops(grants: list[GrantRow]) -> list[StopRow]:
    """The project's, read with any of its lines."""
    found = getattr(grants[0].lines[0].line, "stops", []) if grants else []
    return [
        StopRow(row["username"], row["reason"], _moment(row["at"]), row["done_at"] and _moment(row["done_at"]))
        for row in found
    ]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _line_standing(line: Any, account: Account | None, cluster: Cluster, at: datetime) -> AccountStanding | None:
    """Of a line that is over, what it came to; of another, how far Slurm follows it."""
    if at >= line.grant.ends_at:
        return ended_standing(line, line.granted, line.covered)
    return account_standing(account, cluster, at, by_hand=line.by_hand) if account else None


def _grant_row(grant: Grant, lines: list[LineRow], at: datetime) -> GrantRow:
    suspension = _suspension(lines[0], at)
    badge, phase = grant_phase(grant, at, suspended=suspension is not None)
    last_day, report = grant.ends_at - timedelta(seconds=1), report_standing(grant, at)
    return GrantRow(grant, badge, phase, last_day, lines, report, suspension)


def _suspension(row: LineRow, at: datetime) -> SuspensionRow | None:
    """The one that lasts, while the grant is not over."""
    since = next((since for since, until in row.suspended if until is None), None)
    reason = getattr(row.line, "reason", None)
    return SuspensionRow(since, reason or "") if since and at < row.line.grant.ends_at else None


def report_standing(grant: Grant, at: datetime) -> ReportStanding | None:
    """None while the grant runs, and for one that was over when it was imported."""
    if at < grant.ends_at or grant.ends_at <= grant.created_at:
        return None
    report = getattr(grant, "final_report", None)
    due_on = report_due_on(grant)
    submitted_at = report.submitted_at if report else None
    late = submitted_at is None and due_on < timezone.localdate(at, timezone.get_default_timezone())
    return ReportStanding(submitted_at, due_on, late)


def submit_line(account: Account) -> SubmitLine:
    """Reads the account's pool."""
    partition = account.pool.partitions[0]
    command = f"sbatch --account={account.name} --partition={partition} --gpus=1 --time=01:00:00 job.sh"
    return SubmitLine(account.pool, command, account.state == Account.State.IN_FORCE and not account.parked)


def _is_ready(membership: Membership) -> bool:
    """Whether the person has a name that stands on the cluster, so that Slurm can know them."""
    user = membership.user
    return user is not None and user.is_active and user.cluster_username_found_at is not None


def _is_active(membership: Membership, user: User) -> bool:
    return membership.user_id == user.pk and membership.status == Membership.Status.ACTIVE
