"""What the cluster had, and where the time of its GPUs went, as Slurm sums it up."""

from __future__ import annotations

from django.db import models


class ClusterDay(models.Model):
    """One day in Asia/Seoul of one GPU kind, or (kind "") of all GPUs, in GPU-seconds.

    `installed` counts the hours that Slurm had summed up when last read; a row of "" with 0 says that Slurm has nothing
    of the day. Of it `allocated` was held by jobs or reserved for somebody, `down` failed or was drained,
    `planned_down` was in maintenance; the rest stood free. What a GPU was really busy with is not measured.
    """

    day = models.DateField()
    gpu_kind = models.CharField(max_length=60, blank=True)
    installed = models.BigIntegerField()
    allocated = models.BigIntegerField()
    down = models.BigIntegerField()
    planned_down = models.BigIntegerField()
    read_at = models.DateTimeField()

    AMOUNTS = ("installed", "allocated", "down", "planned_down")

    class Meta:
        ordering = ["day", "gpu_kind"]
        constraints = [models.UniqueConstraint(fields=["day", "gpu_kind"], name="cluster_day_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.gpu_kind or 'GPU'}: {self.allocated} of {self.installed} GPU-s"
