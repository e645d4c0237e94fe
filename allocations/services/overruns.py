"""What is settled when a grant line is over, and what becomes of an overrun 초과 사용: carried over or written off.

Neither moves the limit by itself. A line that is over counts with what was charged to it, whatever its ledger says
(allocations/budget.py); only what is taken off the next line lowers the limit, once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.budget import FLOORING_GPU_SECONDS
from allocations.models import GrantLine, LedgerEntry, Overrun
from allocations.services.guards import require_no_stake
from allocations.services.ledger import REASON_LENGTH, ledger_enter
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours


@transaction.atomic
def line_settle(*, line: GrantLine, at: datetime) -> None:
    """Keep what was charged to a line that is over, and name what went beyond its award.

    The caller knows that nothing more is to come (accounting/settlement.py). A correction that comes later changes
    what is charged, and nothing else. Raises Refused while the grant is not over, LostRace where the line is settled.
    """
    line = _locked(line)
    if line.grant.ends_at > at:
        raise Refused(_("The grant has not ended."))
    charged, granted = line.charged_gpu_seconds, line.granted_gpu_seconds
    unsettled = GrantLine.objects.filter(pk=line.pk, settled_at=None)
    if not unsettled.update(settled_at=at, settled_gpu_seconds=charged):
        raise LostRace("line_settled")
    hours: dict[str, Any] = {"used": gpu_hours(charged), "granted": gpu_hours(granted)}
    record("line.settled", target=line.grant, by=None, at=at, pool=line.pool.code, **hours)
    if charged - granted >= FLOORING_GPU_SECONDS:
        overrun_found(line=line, gpu_seconds=charged - granted, at=at)


@transaction.atomic
def line_reopen(*, line: GrantLine, at: datetime) -> None:
    """Undo the settlement of a line whose grant was extended after it had ended: it will be settled again. An overrun
    that nothing was done about goes with it; the line itself still bears it. Raises LostRace where nothing is settled.
    """
    line = _locked(line)
    settled = GrantLine.objects.filter(pk=line.pk, settled_at__isnull=False)
    if not settled.update(settled_at=None, settled_gpu_seconds=None):
        raise LostRace("line_reopened")
    line.overruns.filter(closed_at=None).delete()
    record("line.reopened", target=line.grant, by=None, at=at, pool=line.pool.code)


@transaction.atomic
def overrun_found(*, line: GrantLine, gpu_seconds: int, at: datetime) -> Overrun:
    overrun = Overrun.objects.create(line=line, gpu_seconds=gpu_seconds, found_at=at)
    record("overrun.found", target=line.grant, by=None, at=at, pool=line.pool.code, gpu_hours=gpu_hours(gpu_seconds))
    return overrun


def overruns_to_carry(at: datetime) -> list[tuple[Overrun, GrantLine]]:
    """Every open overrun whose project has another line in the pool, open or to come, with that line."""
    waiting = Overrun.objects.filter(closed_at=None).select_related("line__grant")
    return [(overrun, to) for overrun in waiting if (to := next_line(overrun.line, at))]


def next_line(line: GrantLine, at: datetime) -> GrantLine | None:
    """The project's line in the same pool that is open or opens next; a suspended one counts, it may be resumed."""
    others = GrantLine.objects.filter(grant__project=line.grant.project_id, pool=line.pool_id, grant__ends_at__gt=at)
    return others.exclude(pk=line.pk).order_by("grant__starts_at", "pk").first()


@transaction.atomic
def overrun_carry(*, overrun: Overrun, to: GrantLine, at: datetime) -> None:
    """Take the overrun off another line of the project in the pool, by rule and not by anybody.

    The line that was overrun is thereby granted what it used. Raises Refused for a line elsewhere or one that is over,
    LostRace where the overrun was carried or written off meanwhile.
    """
    line, to = _locked(overrun.line), _locked(to)
    elsewhere = (line.grant.project_id, line.pool_id) != (to.grant.project_id, to.pool_id)
    if elsewhere or line.pk == to.pk or to.grant.ends_at <= at:
        raise Refused(_("An overrun is carried to another grant of the project in the same pool that is not over."))
    _close(overrun, at, carried_to=to)
    kind = LedgerEntry.Kind.OVERRUN
    reasons = (f"→ {to.grant.reference}", f"{line.grant.reference} →")
    for part, amount, reason in ((line, overrun.gpu_seconds, reasons[0]), (to, -overrun.gpu_seconds, reasons[1])):
        ledger_enter(line=part, kind=kind, gpu_seconds=amount, reason=reason, by=None, at=at)
    hours = gpu_hours(overrun.gpu_seconds)
    record("overrun.carried", target=to.grant, by=None, at=at, pool=line.pool.code, gpu_hours=hours)


@transaction.atomic
def overrun_write_off(*, overrun: Overrun, reason: str, by: User, at: datetime) -> None:
    """Waive an overrun: no later grant pays for it. Raises Refused without a reason and for one's own project or
    institution, LostRace where it was carried or written off meanwhile."""
    if not reason.strip():
        raise Refused(_("Say why it is written off."))
    line = _locked(overrun.line)
    require_no_stake(by, line.grant.project)
    reason = reason.strip()[:REASON_LENGTH]
    _close(overrun, at, written_off_reason=reason, closed_by=by)
    kind = LedgerEntry.Kind.WRITE_OFF
    ledger_enter(line=line, kind=kind, gpu_seconds=overrun.gpu_seconds, reason=reason, by=by, at=at)
    hours = gpu_hours(overrun.gpu_seconds)
    record("overrun.written_off", target=line.grant, by=by, at=at, pool=line.pool.code, gpu_hours=hours, reason=reason)


def _locked(line: GrantLine) -> GrantLine:
    """The line as it stands, with its pool, grant and project, held until the transaction ends."""
    rows = GrantLine.objects.select_for_update(of=("self",))
    return rows.select_related("pool", "grant__project", "grant__application").get(pk=line.pk)


def _close(overrun: Overrun, at: datetime, **how: Any) -> None:
    """The conditional update: one act closes it, every other lost the race."""
    if not Overrun.objects.filter(pk=overrun.pk, closed_at=None).update(closed_at=at, **how):
        raise LostRace("overrun")
    overrun.refresh_from_db()
