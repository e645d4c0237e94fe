"""The only writer of ledger entries after the award, and what stands of a line."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from allocations.changes import whole_minutes
from allocations.mails import grants as mails
from allocations.models import Account, Grant, GrantLine, LedgerEntry, Pool, Project
from allocations.services.guards import require_no_stake
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import hours_text

REASON_LENGTH = 300


def leaf_name(project: Project, pool: Pool) -> str:
    """What the project's account in the pool is called in Slurm, where it is the portal's own."""
    return f"{project.code}-{pool.code}"


def line_open(*, grant: Grant, pool: Pool) -> GrantLine:
    """The grant's line in a pool, made where there is none, with the project's account there."""
    line, _made = GrantLine.objects.get_or_create(grant=grant, pool=pool)
    Account.objects.get_or_create(project=grant.project, pool=pool, defaults={"name": leaf_name(grant.project, pool)})
    return line


def ledger_enter(
    *,
    line: GrantLine,
    kind: LedgerEntry.Kind,
    gpu_seconds: int,
    reason: str,
    by: User | None,
    at: datetime,
    job_key: str = "",
) -> LedgerEntry:
    """Write one entry; `by` is None for what follows from a rule by itself. Its reason is cut to what the ledger holds;
    the whole of it stays where it was given. `job_key` names the job that a refund is for."""
    return LedgerEntry.objects.create(
        line=line, kind=kind, gpu_seconds=gpu_seconds, reason=reason[:REASON_LENGTH], by=by, at=at, job_key=job_key
    )


@transaction.atomic
def line_adjust(
    *, line: GrantLine, gpu_seconds: int, granted_gpu_seconds: int, reason: str, by: User, at: datetime
) -> LedgerEntry:
    """Give a line more GPU-seconds or, negative, take some off, by an operator's word. The limit in Slurm follows.

    `granted_gpu_seconds`: what the ledger of the line came to when the operator was shown it. Raises LostRace where it
    comes to something else by now (also after a second press of the button); Refused without a reason, for one's own
    project or institution, for a grant that is over, and for more than is left.
    """
    rows = GrantLine.objects.select_for_update(of=("self",)).select_related("grant__project__pi", "pool")
    line = rows.get(pk=line.pk)
    require_no_stake(by, line.grant.project)
    if line.grant.ends_at <= at:
        raise Refused(_("The grant is over: nothing of it can be used any more."))
    if not reason.strip():
        raise Refused(_("Say why it is adjusted."))
    if gpu_seconds < 0 and left_gpu_seconds(line) < -gpu_seconds:
        raise Refused(_("The grant has less left than would be taken from it."))
    if _sum(line) != granted_gpu_seconds:
        raise LostRace("line_adjust")
    kind = LedgerEntry.Kind.ADJUSTMENT
    entry = ledger_enter(line=line, kind=kind, gpu_seconds=gpu_seconds, reason=reason.strip(), by=by, at=at)
    hours = hours_text(gpu_seconds, 2)
    record("grant.adjusted", target=line.grant, by=by, at=at, gpu_hours=hours, pool=line.pool.code, reason=entry.reason)
    mails.adjusted(line, entry)
    return entry


def awarded_gpu_seconds(line: GrantLine) -> int:
    return _sum(line, kind=LedgerEntry.Kind.AWARD)


def left_gpu_seconds(line: GrantLine) -> int:
    """What is granted and not charged yet, in whole GPU-minutes. Running jobs are charged as they go on."""
    return whole_minutes(_sum(line) - line.charged_gpu_seconds)


def charged_gpu_seconds(account: Account) -> int:
    """What the account's lines were charged, in all: what its counter minus its offset should be."""
    lines = GrantLine.objects.filter(grant__project=account.project_id, pool=account.pool_id)
    return lines.aggregate(sum=Sum("charged_gpu_seconds"))["sum"] or 0


def _sum(line: GrantLine, **only: LedgerEntry.Kind) -> int:
    return LedgerEntry.objects.filter(line=line, **only).aggregate(sum=Sum("gpu_seconds"))["sum"] or 0
