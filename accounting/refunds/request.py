"""Refunds on request: the PI or the delegate says why a job was lost by no fault of theirs, an operator decides."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounting.models import Job, Refund
from accounting.refunds import mails
from accounting.refunds.charges import Charge, charge_of
from accounting.refunds.follow import refund_enter
from allocations.models import Project
from allocations.services.change_rules import require_manager
from allocations.services.guards import require_no_stake
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours

Status = Refund.Status


def oldest_end(at: datetime) -> datetime:
    """Jobs that ended before are not refunded on request any more."""
    return at - timedelta(days=settings.REFUND_REQUEST_DAYS)


def require_askable(job: Job, project: Project, at: datetime) -> Charge:
    """What was charged for the job. Raises Refused, with the reason, where nothing can be asked for it."""
    if not job.final or job.end is None:
        raise Refused(_("The job has not ended yet."))
    if job.end < oldest_end(at):
        raise Refused(
            _("A refund can be asked for within %(days)s days of a job's end.") % {"days": settings.REFUND_REQUEST_DAYS}
        )
    earlier = Refund.objects.filter(job=job).exclude(status=Status.WITHDRAWN).first()
    if earlier is not None:
        raise Refused(
            {
                Status.ASKED: _("A refund of this job has been asked for and waits for a decision."),
                Status.GRANTED: _("This job has been refunded already."),
                Status.DECLINED: _("A refund of this job was declined."),
            }[Status(earlier.status)]
        )
    charge = charge_of(job)
    if charge is None or charge.project.pk != project.pk:
        raise Refused(_("The project was charged nothing for this job."))
    return charge


@transaction.atomic
def refund_ask(*, job: Job, project: Project, words: str, by: User, at: datetime) -> Refund:
    """Ask that the project gets back what a job used. Raises Refused where a rule forbids it or it was asked."""
    require_manager(project, by)
    if not words.strip():
        raise Refused(_("Say what happened."))
    charge = require_askable(job, project, at)
    try:
        with transaction.atomic():
            refund = Refund.objects.create(
                job=job,
                line_id=charge.line,
                origin=Refund.Origin.REQUEST,
                status=Status.ASKED,
                asked_by=by,
                asked_at=at,
                words=words.strip(),
            )
    except IntegrityError:
        raise Refused(_("A refund of this job has been asked for and waits for a decision.")) from None
    _record("refund.asked", refund, by, at, gpu_hours=gpu_hours(charge.gpu_seconds))
    mails.asked(refund, charge.gpu_seconds)
    return refund


@transaction.atomic
def refund_withdraw(*, refund: Refund, by: User, at: datetime) -> None:
    """Take a request back; it may be asked for again. Raises LostRace where it was decided on meanwhile."""
    require_manager(refund.line.grant.project, by)
    _close(refund, Status.WITHDRAWN, decided_by=by, decided_at=at)
    _record("refund.withdrawn", refund, by, at)


@transaction.atomic
def refund_grant(*, refund: Refund, gpu_seconds: int | None, reason: str, by: User, at: datetime) -> int:
    """Give back what the job used, or `gpu_seconds` of it at most; GPU-seconds entered in the ledger.

    All of it follows later corrections of the job in both directions, a part only where the job turns out to have used
    less. Raises Refused for one's own project or institution and for more than was charged, LostRace where it was
    decided on or withdrawn meanwhile.
    """
    require_no_stake(by, refund.line.grant.project)
    charge = charge_of(refund.job)
    if charge is None:
        raise Refused(_("The project was charged nothing for this job."))
    if gpu_seconds is not None and not 0 < gpu_seconds <= charge.gpu_seconds:
        raise Refused(_("Grant an amount up to what the job was charged."))
    most = None if gpu_seconds == charge.gpu_seconds else gpu_seconds
    reason = reason.strip()[:REASON_LENGTH]
    _close(refund, Status.GRANTED, decided_by=by, decided_at=at, reason=reason, most_gpu_seconds=most)
    amount = refund_enter(refund=refund, reason=reason or refund.words, by=by, at=at)
    refund.refresh_from_db()
    _record("refund.granted", refund, by, at, gpu_hours=gpu_hours(amount))
    mails.decided(refund)
    return amount


@transaction.atomic
def refund_decline(*, refund: Refund, reason: str, by: User, at: datetime) -> None:
    """Decline a request with the reason that the project reads. Raises as refund_grant does, and without a reason."""
    require_no_stake(by, refund.line.grant.project)
    if not reason.strip():
        raise Refused(_("Say why it is declined."))
    _close(refund, Status.DECLINED, decided_by=by, decided_at=at, reason=reason.strip()[:REASON_LENGTH])
    _record("refund.declined", refund, by, at)
    mails.decided(refund)


def _close(refund: Refund, status: Refund.Status, **how: Any) -> None:
    """The conditional update: one act closes it, every other lost the race."""
    if not Refund.objects.filter(pk=refund.pk, status=Status.ASKED).update(status=status, **how):
        raise LostRace("refund")
    refund.refresh_from_db(fields=["status", *how])


def _record(action: str, refund: Refund, by: User, at: datetime, **told: Any) -> None:
    code = refund.line.grant.project.code
    record(action, target=refund, by=by, at=at, code=code, job=refund.job.display_id, **told)
