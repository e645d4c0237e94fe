"""The only writer of ledger entries after the award, and what stands of a line."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from allocations.changes import whole_minutes
from allocations.models import Account, Grant, GrantLine, LedgerEntry, Pool, Project
from portal.people.models import User

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
    *, line: GrantLine, kind: LedgerEntry.Kind, gpu_seconds: int, reason: str, by: User | None, at: datetime
) -> LedgerEntry:
    """Write one entry; `by` is None for what follows from a rule by itself. Its reason is cut to what the ledger holds;
    the whole of it stays where it was given."""
    return LedgerEntry.objects.create(
        line=line, kind=kind, gpu_seconds=gpu_seconds, reason=reason[:REASON_LENGTH], by=by, at=at
    )


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
