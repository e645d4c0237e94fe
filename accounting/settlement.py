"""When a grant line that is over has come to rest: nothing more can be charged to it but by a correction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Q, QuerySet

from accounting.balance import recharge
from accounting.models import IngestMark, Job, QueueJob
from allocations.models import Account, GrantLine
from allocations.services.overruns import line_reopen, line_settle, overrun_carry, overruns_to_carry
from allocations.workflow import LostRace

log = logging.getLogger(__name__)

# How long history must have been read beyond the end, and beyond that of the last job that outlived it. slurmdbd gets
# an end from slurmctld within seconds, and after an outage of its own within a minute (slurm-facts 12.9).
MARGIN = timedelta(hours=1)


def settle(at: datetime) -> int:
    """Settle every line that has come to rest, carry what overruns can be carried; how many lines were settled.

    A line that was extended after it had been settled is open again, and is settled anew at its later end.
    """
    for line in GrantLine.objects.filter(settled_at__isnull=False, grant__ends_at__gt=at):
        _done(partial(line_reopen, line=line, at=at), line)
    settled = sum(_done(partial(_settle, line, account, at), line) for line, account in _at_rest())
    for overrun, to in overruns_to_carry(at):
        _done(partial(overrun_carry, overrun=overrun, to=to, at=at), overrun.line)
    return settled


def _done(act: Callable[[], object], line: GrantLine) -> bool:
    """One line with which something is wrong is tried again and keeps no other from its turn."""
    try:
        act()
    except LostRace:  # a person was faster; the next look sees what they did
        return False
    except Exception:
        log.exception("The grant line %s could not be settled.", line.pk)
        return False
    return True


@transaction.atomic
def _settle(line: GrantLine, account: str, at: datetime) -> None:
    recharge([account])
    line_settle(line=line, at=at)


def _at_rest() -> list[tuple[GrantLine, str]]:
    """Lines that are over and not settled, for which no job runs that began before the end, each with its account."""
    known_until = _known_until()
    if known_until is None:
        return []
    over = list(unsettled(known_until))
    accounts = {
        (row.project_id, row.pool_id): row.name
        for row in Account.objects.filter(project__in={line.grant.project_id for line in over})
    }
    named = [(line, accounts.get((line.grant.project_id, line.pool_id), "")) for line in over]
    return [(line, name) for line, name in named if name and not _something_lasts(line, name, known_until)]


def unsettled(until: datetime) -> QuerySet[GrantLine]:
    """Lines of grants that ended by then and are not settled, the first to end first."""
    lines = GrantLine.objects.filter(settled_at=None, grant__ends_at__lte=until)
    return lines.select_related("grant").order_by("grant__ends_at", "pk")


def _known_until() -> datetime | None:
    """Up to when all is known of jobs: read from the job table and seen in the queue, with the margin off."""
    mark = IngestMark.current()
    if mark.read_until is None or mark.queue_read_at is None:
        return None
    return min(mark.read_until, mark.queue_read_at) - MARGIN


def _something_lasts(line: GrantLine, account: str, known_until: datetime) -> bool:
    """Whether a job of before the line's end runs, or ended so lately that its row may still change.

    Slurm's queue is asked besides its history: of a job that began while slurmdbd was away there is no row yet.
    """
    end = line.grant.ends_at
    rows = Job.objects.filter(Q(final=False) | Q(end__gt=known_until), account=account, start__lt=end)
    running = QueueJob.objects.exclude(state="PENDING").filter(account__name=account, submit__lt=end)
    return rows.exists() or running.filter(Q(start=None) | Q(start__lt=end)).exists()
