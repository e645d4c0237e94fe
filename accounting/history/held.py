"""Held jobs 확인 대기 작업: Slurm says less of a finished job than it did, and a person decides which is right."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounting.models import Job, UnreadableJobRow
from accounting.usage import seconds
from allocations.models import Project
from allocations.services.guards import require_no_stake
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User

# Between the values of a row, in sacct's own output and in files.
DELIMITERS = ("\x1f", "|")


@transaction.atomic
def job_keep(*, job: Job, reason: str, by: User, at: datetime) -> None:
    """Leave the job as the portal has it; the same from Slurm is not held again, anything else is.

    Raises Refused without a reason or for a project of one's own, LostRace where it was decided meanwhile.
    """
    if not reason.strip():
        raise Refused(_("Say why ours stays."))
    require_no_stake_in_account(by, job.account)
    if not Job.objects.held().filter(pk=job.pk, held=job.held).update(held_at=None):
        raise LostRace("held")
    record(
        "job.kept",
        target=job,
        by=by,
        at=at,
        topics=("operations",),
        job=job.display_id,
        account=job.account,
        gpu_seconds=charged_gpu_seconds(job),
        reason=reason.strip()[:REASON_LENGTH],
    )


@transaction.atomic
def unreadable_dismiss(*, row: UnreadableJobRow, by: User, at: datetime) -> None:
    """Nothing is to be done about the row; it is shown again only where another text comes in its place.

    Raises Refused where the row is of an account of one's own project or institution, LostRace where somebody else was
    faster.
    """
    values = row.text.translate(dict.fromkeys(map(ord, DELIMITERS), "\n")).split("\n")
    for project in Project.objects.filter(accounts__name__in=values).distinct():
        require_no_stake(by, project)
    if not UnreadableJobRow.objects.open().filter(pk=row.pk).update(dismissed_at=at, dismissed_by=by):
        raise LostRace("row")
    record("row.dismissed", target=row, by=by, at=at, topics=("operations",), reason=row.reason)


def require_no_stake_in_account(by: User, account_name: str) -> None:
    """Raises Refused where the account is of the person's own project or institution."""
    for project in Project.objects.filter(accounts__name=account_name):
        require_no_stake(by, project)


def charged_gpu_seconds(job: Job) -> int:
    return job.gpus * seconds(job.start, job.until) if job.start else 0


def rows_in_question(account_names: Collection[str]) -> int:
    """How many jobs of these accounts the center has to clarify: held ones, and rows that could not be read.

    One query.
    """
    if not account_names:
        return 0
    texts = Q()
    for name in account_names:
        for mark in DELIMITERS:
            texts |= Q(text__contains=f"{mark}{name}{mark}")
    held = Job.objects.held().filter(account__in=account_names).order_by()
    unreadable = UnreadableJobRow.objects.open().filter(texts).order_by()
    return held.values("pk").union(unreadable.values("pk"), all=True).count()
