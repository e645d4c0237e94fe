"""The ledger follows the job: what is refunded of it is entered, and after each correction the difference."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from accounting.models import Refund, RefundRule
from accounting.refunds.charges import capped, charge_of
from allocations.models import LedgerEntry
from allocations.services.ledger import ledger_enter
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import hours_text

log = logging.getLogger(__name__)


def follow(at: datetime) -> int:
    """Bring every refund in line whose job was corrected since; how many changed. A job of which nothing changed costs
    nothing, so that reading it again does nothing."""
    corrected = Q(followed_at=None) | ~Q(followed_at=F("job__changed_at"))
    behind = Refund.objects.filter(corrected, status=Refund.Status.GRANTED).order_by("pk")
    changed = 0
    for refund in behind.select_related("job"):
        try:
            changed += _follow(refund, at)
        except Exception:  # one with which something is wrong keeps no other from its turn
            log.exception("The refund %s does not follow its job.", refund.pk)
    return changed


@transaction.atomic
def _follow(refund: Refund, at: datetime) -> bool:
    before = refund.refunded_gpu_seconds
    after = refund_enter(refund=refund, reason=refund.reason or refund.words, by=None, at=at)
    if after == before:
        return False
    moved: dict[str, Any] = {
        "job": refund.job.display_id,
        "before": hours_text(before, 2),
        "after": hours_text(after, 2),
    }
    record("refund.followed", target=refund, by=None, at=at, **moved)
    return True


@transaction.atomic
def refund_enter(*, refund: Refund, reason: str, by: User | None, at: datetime) -> int:
    """Enter in the ledger what is missing to what the job now gives; GPU-seconds refunded in all.

    The refund is held until the transaction ends, so that two who enter at once enter once.
    """
    locked = Refund.objects.select_for_update(of=("self",)).select_related("job", "line__grant__project__pi")
    refund = locked.get(pk=refund.pk, status=Refund.Status.GRANTED)
    due = _due(refund)
    before = refund.refunded_gpu_seconds
    if missing := due - before:
        if before:
            reason = f"{hours_text(before, 2)} → {hours_text(due, 2)}: {reason}"
        kind, key = LedgerEntry.Kind.REFUND, refund.job.key
        ledger_enter(line=refund.line, kind=kind, gpu_seconds=missing, reason=reason, by=by, at=at, job_key=key)
    followed = Refund.objects.filter(pk=refund.pk)
    followed.update(refunded_gpu_seconds=due, followed_at=refund.job.changed_at)
    return due


def _due(refund: Refund) -> int:
    """What of the job is to stand refunded, GPU-seconds: nothing once it turns out to be another account's, and by rule
    nothing once it turns out to have ended otherwise."""
    if refund.origin == Refund.Origin.RULE and not _still_by_rule(refund):
        return 0
    charge = charge_of(refund.job)
    if charge is None or (charge.project.pk, charge.pool.pk) != (refund.line.grant.project_id, refund.line.pool_id):
        return 0
    return capped(charge.gpu_seconds, refund.most_gpu_seconds)


def _still_by_rule(refund: Refund) -> bool:
    """Whether it ended as when it was refunded, or in another way that a rule refunds."""
    if refund.job.state == refund.reason:
        return True
    return RefundRule.objects.filter(states__contains=[refund.job.state], since__lte=refund.job.end).exists()
