"""Suspending a grant 배정 정지, and resuming it. Slurm follows by itself, because limits are derived from what is open
(allocations/budget.py): a suspended line gives what was charged to it, and nothing more."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.mails import grants as mails
from allocations.models import Grant, Suspension
from allocations.services.guards import require_no_stake
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.services.stopping import jobs_stop
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User


@transaction.atomic
def grant_suspend(*, grant: Grant, reason: str, by: User, at: datetime, stop_jobs: bool = False) -> Suspension:
    """From `at` on the grant gives no right to start anything: jobs that wait go on waiting, running ones end.
    With `stop_jobs` all jobs of the project end at once, those on another grant of it too.

    Raises Refused without a reason and for a grant that has ended, LostRace where it is suspended already.
    """
    if not reason.strip():
        raise Refused(_("Say why the grant is suspended."))
    grant = _locked(grant, at)
    if grant.suspensions.filter(until=None).exists():
        raise LostRace("grant_suspended")
    suspension = Suspension.objects.create(grant=grant, since=at, reason=reason.strip()[:REASON_LENGTH], by=by)
    record("grant.suspended", target=grant, by=by, at=at, reason=suspension.reason)
    if stop_jobs:
        jobs_stop(project=grant.project, reason=suspension.reason, by=by, at=at)
    mails.suspended(suspension, jobs_stopped=stop_jobs)
    return suspension


@transaction.atomic
def grant_resume(*, grant: Grant, by: User, at: datetime) -> None:
    """Give the right back: limit and accounts return to exactly what they would be had it never been suspended.

    Raises Refused for a grant that has ended and for one's own project or institution, LostRace where it is not
    suspended any more.
    """
    grant = _locked(grant, at)
    require_no_stake(by, grant.project)
    if not Suspension.objects.filter(grant=grant, until=None).update(until=at, lifted_by=by):
        raise LostRace("grant_resumed")
    record("grant.resumed", target=grant, by=by, at=at)
    mails.resumed(grant)


def _locked(grant: Grant, at: datetime) -> Grant:
    """The grant as it stands, held until the transaction ends. Raises Refused where it is over."""
    rows = Grant.objects.select_for_update(of=("self",)).select_related("project__pi", "application")
    grant = rows.get(pk=grant.pk)
    if at >= grant.ends_at:
        raise Refused(_("The grant has ended."))
    return grant
