"""Jobs that slurmdbd says are running and slurmctld knows nothing of: their end was lost ("runaway").

They are charged on until somebody ends them in Slurm's database, there as here.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings

from accounting.models import Job
from portal.live.notices import announce

# slurmdbd may hear of an end a little later than slurmctld forgets the job.
PATIENCE = timedelta(minutes=5)


def note_runaways(queued: Collection[int], *, at: datetime) -> int:
    """Mark the open rows whose job is not in the queue, and unmark those whose job is; how many are new.

    `queued` are the ids of slurmctld's jobs, asked for before the rows were read: what ended in between is no runaway.
    Of several open rows of one id the newest is the job that runs, since ids are used again.
    """
    rows = Job.objects.open().filter(cluster=settings.SLURM_CLUSTER, start__lte=at - PATIENCE)
    living: dict[int, int] = {}
    missing: list[int] = []
    for pk, job_id in rows.order_by("-submit", "-db_index").values_list("pk", "job_id"):
        if job_id in queued and job_id not in living:
            living[job_id] = pk
        else:
            missing.append(pk)
    Job.objects.filter(pk__in=living.values(), runaway_since__isnull=False).update(runaway_since=None)
    news = Job.objects.filter(pk__in=missing, runaway_since=None).update(runaway_since=at)
    if news:
        announce(["operations"], "usage.refreshed")
    return news


def forget_ended() -> None:
    """What was marked and has ended after all is no runaway any more."""
    Job.objects.filter(runaway_since__isnull=False, final=True).update(runaway_since=None)
