"""Knowing a database that was restored from an older backup, by a number that Slurm keeps for the portal.

The number is raised and committed here, then told to Slurm, before the first write of a pass. So Slurm never knows a
higher one than a database that has lived through it all.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F

from allocations.models import Cluster
from allocations.provisioning.crash import crash_point
from portal.events.services import record
from portal.slurm.gateway import SlurmGateway


def database_is_older(gateway: SlurmGateway, cluster: Cluster, *, at: datetime) -> bool:
    """Whether Slurm has seen later writes of the portal than the database knows of; switches writing off then."""
    number = gateway.sequence()
    if number <= cluster.sequence:
        return False
    if cluster.writing_enabled or cluster.ahead_in_slurm != number:
        _stop_writing(cluster, number, at=at)
    return True


@transaction.atomic
def _stop_writing(cluster: Cluster, number: int, *, at: datetime) -> None:
    Cluster.objects.filter(pk=cluster.pk).update(
        writing_enabled=False, writing_changed_by=None, writing_changed_at=at, ahead_in_slurm=number
    )
    cluster.refresh_from_db()
    record("cluster.database_older", target=cluster, by=None, at=at, passes=number - cluster.sequence)


def raise_sequence() -> int:
    """The number of a pass that is about to write, committed."""
    cluster = Cluster.current()
    Cluster.objects.filter(pk=cluster.pk).update(sequence=F("sequence") + 1)
    crash_point("sequence_raised")
    return cluster.sequence + 1
