"""What the worker last read of Slurm: its counters, how they deviate, and how far the job history was read."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models import Account


class DeviationQuerySet(models.QuerySet["Deviation"]):
    def open(self) -> DeviationQuerySet:
        return self.filter(closed_at=None)

    def alarms(self, at: datetime) -> DeviationQuerySet:
        """Open ones that a person has to look at."""
        lasting = Q(since__lte=at - Deviation.PATIENCE) | Q(kind=Deviation.Kind.MISPLACED)
        return self.open().filter(lasting)


class Counter(models.Model):
    """slurmctld's own counter of an account: what it checks a job against before it starts."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="counter")
    used_gpu_seconds = models.BigIntegerField()
    reserved_gpu_seconds = models.BigIntegerField()
    limit_gpu_minutes = models.BigIntegerField(null=True)
    exact = models.BooleanField()
    read_at = models.DateTimeField()
    # When counter and ledger were last found to agree while nothing ran.
    agreed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.account}: {self.used_gpu_seconds} GPU-s"

    @property
    def startable_gpu_seconds(self) -> int | None:
        """What jobs that start now may still ask for (GPUs × time limit). None where Slurm has no limit set."""
        if self.limit_gpu_minutes is None:
            return None
        return max(0, self.limit_gpu_minutes * 60 - self.used_gpu_seconds - self.reserved_gpu_seconds)


class Deviation(models.Model):
    """Slurm's counter and the ledger disagree about an account, beyond what their readings lag, in GPU-seconds."""

    class Kind(models.TextChoices):
        AHEAD = "ahead", _("Slurm's counter is too high")
        MISPLACED = "misplaced", _("Use in an account without a limit")

    # Until then it may be rows that slurmdbd delivers late.
    PATIENCE = timedelta(minutes=15)

    kind = models.CharField(max_length=10, choices=Kind.choices)
    account_name = models.CharField(max_length=255)
    since = models.DateTimeField()
    counter_gpu_seconds = models.BigIntegerField()
    ledger_gpu_seconds = models.BigIntegerField(default=0)
    offset_gpu_seconds = models.BigIntegerField(default=0)
    difference_gpu_seconds = models.BigIntegerField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = DeviationQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account_name"], condition=Q(closed_at__isnull=True), name="one_open_deviation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.account_name} {self.difference_gpu_seconds:+d} GPU-s"

    def is_alarm(self, at: datetime) -> bool:
        return self.kind == self.Kind.MISPLACED or at - self.since >= self.PATIENCE


class IngestMark(models.Model):
    """How far slurmdbd's job table has been read, and what else the worker last did about figures."""

    cluster = models.CharField(max_length=40, unique=True)
    # Every row that ended before this moment had been read, as slurmdbd then had them.
    read_until = models.DateTimeField(null=True)
    # From here on rows are to be read again, up to the newest ones; null where nothing is due.
    reread_from = models.DateTimeField(null=True)
    reread_planned_at = models.DateTimeField(null=True)
    last_run_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True)
    queue_read_at = models.DateTimeField(null=True)
    charged_at = models.DateTimeField(null=True)
    charged_ledger_entry = models.BigIntegerField(default=0)
    # Days before this one are sealed: their job rows may be gone, their usage takes only recorded differences.
    sealed_before = models.DateField(null=True)

    def __str__(self) -> str:
        return f"{self.cluster} {self.read_until:%Y-%m-%d %H:%M:%S}" if self.read_until else self.cluster

    @classmethod
    def current(cls) -> IngestMark:
        return cls.objects.get_or_create(cluster=settings.SLURM_CLUSTER)[0]
