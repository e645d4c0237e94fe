"""Refunds for a window of maintenance or of a fault: the jobs that ended broken in it, in one act."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounting.models import Job, Maintenance, Refund
from accounting.refunds import mails
from accounting.refunds.charges import Charge, capped, charges_of, run_time_cap
from accounting.refunds.follow import refund_enter
from allocations.models import Account, Pool, Project
from allocations.permissions import has_stake_in_project
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours

# How a job may end that something from outside broke.
BROKEN = (
    "NODE_FAIL",
    "BOOT_FAIL",
    "LAUNCH_FAILED",
    "RECONFIG_FAIL",
    "CANCELLED",
    "FAILED",
    "TIMEOUT",
    "PREEMPTED",
    "REQUEUED",
    "OUT_OF_MEMORY",
    "DEADLINE",
)
# More than one page can show: such a window is refunded in parts.
MOST_JOBS = 500


@dataclass(frozen=True, slots=True)
class Window:
    """`states`: how jobs ended that count as broken. `pool` None: every pool. `most_hours` of run time at most count of
    a job; None: all of it."""

    title: str
    starts_at: datetime
    ends_at: datetime
    states: Sequence[str]
    pool: Pool | None
    most_hours: int | None


@dataclass(frozen=True, slots=True)
class BrokenJob:
    """`gpu_seconds` is what would be refunded. `refund`: one that stands already or is asked for; `own`: the job is of
    a project in which the operator has a stake. Either keeps it out."""

    charge: Charge
    gpu_seconds: int
    refund: Refund | None
    own: bool

    @property
    def counts(self) -> bool:
        return self.refund is None and not self.own


def broken_jobs(window: Window, by: User) -> list[BrokenJob]:
    """Jobs that ended in the window, by project; one more than MOST_JOBS where there are more."""
    names = Account.objects.values("name")
    if window.pool:
        names = names.filter(pool=window.pool)
    ended = Job.objects.filter(final=True, end__gte=window.starts_at, end__lte=window.ends_at, gpus__gt=0)
    broken = ended.filter(state__in=window.states, account__in=names)
    jobs = list(broken.order_by("account", "end", "pk")[: MOST_JOBS + 1])
    standing = Refund.objects.filter(job__in=jobs, status__in=[Refund.Status.ASKED, Refund.Status.GRANTED])
    refunds = {refund.job_id: refund for refund in standing}
    own: dict[int, bool] = {}
    found = []
    for charge in charges_of(jobs):
        project = charge.project
        if project.pk not in own:
            own[project.pk] = has_stake_in_project(by, project)
        amount = capped(charge.gpu_seconds, run_time_cap(window.most_hours, charge.job.gpus))
        found.append(BrokenJob(charge, amount, refunds.get(charge.job.pk), own[project.pk]))
    return found


def fingerprint(rows: Collection[BrokenJob]) -> str:
    """Of what an operator was shown: jobs and amounts."""
    shown = ",".join(f"{row.charge.job.pk}:{row.gpu_seconds}" for row in rows if row.counts)
    return hashlib.sha256(shown.encode()).hexdigest()


@transaction.atomic
def maintenance_refund(
    *, window: Window, left_out: Collection[int], shown: str, by: User, at: datetime
) -> tuple[Maintenance, int]:
    """Refund the broken jobs of a window but those `left_out`; the window as kept, and GPU-seconds in all.

    `shown`: the fingerprint of what the operator saw. Raises LostRace where jobs or amounts are others by now, Refused
    where nothing is left to refund or there is more than can be looked at.
    """
    rows = broken_jobs(window, by)
    if len(rows) > MOST_JOBS:
        raise Refused(_("These are more jobs than can be refunded in one act. Choose a shorter window or one pool."))
    if fingerprint(rows) != shown:
        raise LostRace("maintenance_refund")
    chosen = [row for row in rows if row.counts and row.charge.job.pk not in left_out]
    if not chosen:
        raise Refused(_("No job is left to refund."))
    kept = Maintenance.objects.create(
        title=window.title,
        starts_at=window.starts_at,
        ends_at=window.ends_at,
        pool=window.pool,
        most_hours=window.most_hours,
        by=by,
        at=at,
    )
    amounts: defaultdict[Project, list[int]] = defaultdict(list)
    try:
        for row in chosen:
            amounts[row.charge.project].append(_refund(row, kept, by, at))
    except IntegrityError:
        raise LostRace("maintenance_refund") from None
    for project, of_project in amounts.items():
        _tell(kept, project, of_project, by, at)
    return kept, sum(map(sum, amounts.values()))


def _refund(row: BrokenJob, maintenance: Maintenance, by: User, at: datetime) -> int:
    job = row.charge.job
    refund = Refund.objects.create(
        job=job,
        line_id=row.charge.line,
        origin=Refund.Origin.MAINTENANCE,
        maintenance=maintenance,
        status=Refund.Status.GRANTED,
        most_gpu_seconds=run_time_cap(maintenance.most_hours, job.gpus),
        asked_at=at,
        decided_by=by,
        decided_at=at,
        reason=maintenance.title,
    )
    return refund_enter(refund=refund, reason=maintenance.title, by=by, at=at)


def _tell(maintenance: Maintenance, project: Project, amounts: list[int], by: User, at: datetime) -> None:
    told = {"title": maintenance.title, "jobs": len(amounts), "gpu_hours": gpu_hours(sum(amounts))}
    topics = ("operations", f"project:{project.code}")
    record("refund.maintenance", target=maintenance, by=by, at=at, topics=topics, code=project.code, **told)
    mails.for_maintenance(project, maintenance, sum(amounts), len(amounts))
