"""What Slurm did, as the portal keeps it: jobs, usage per day, the live queue, and how far each was read.

Usage is integer GPU-seconds and follows from job rows alone: it is recomputed, never incremented.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from allocations.models import Account


class JobQuerySet(models.QuerySet["Job"]):
    def overlapping(self, start: datetime, end: datetime) -> JobQuerySet:
        """Rows that ran at some moment in [start, end), and those that began and ended at once in it."""
        return self.filter(start__lt=end).filter(Q(end__isnull=True) | Q(end__gte=start))

    def open(self) -> JobQuerySet:
        return self.filter(final=False)


class Job(models.Model):
    """One row of slurmdbd's job table, as last read. A requeued job has several, told apart by `db_index`.

    Accounts and users are Slurm's names, also where the portal knows neither.
    """

    cluster = models.CharField(max_length=40)
    # Above 2^63 from Slurm 24.11 on (slurm-facts section 5), hence no BigIntegerField.
    db_index = models.DecimalField(max_digits=20, decimal_places=0)
    job_id = models.BigIntegerField()
    display_id = models.CharField(max_length=128)
    account = models.CharField(max_length=255)
    user = models.CharField(max_length=255)
    partition = models.CharField(max_length=255)
    qos = models.CharField(max_length=255)
    state = models.CharField(max_length=30)
    submit = models.DateTimeField()
    eligible = models.DateTimeField(null=True)
    start = models.DateTimeField(null=True)
    end = models.DateTimeField(null=True)
    gpus = models.PositiveIntegerField()
    # GPUs by type: the same ones as `gpus`, for the breakdown only.
    gpu_kinds = models.JSONField(default=dict)
    cpus = models.PositiveIntegerField()
    exit_code = models.CharField(max_length=20)
    time_limit_minutes = models.PositiveBigIntegerField(null=True)
    final = models.BooleanField(help_text="nothing about the row can change any more but by hand")

    first_seen_at = models.DateTimeField()
    # Kept current while the row is open: a row that vanished at Slurm is charged until it was last seen.
    last_seen_at = models.DateTimeField()
    # What Slurm says now, where that would make a finished job cheaper than it was: an operator decides.
    held = models.JSONField(null=True)
    held_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-submit", "-pk"]
        constraints = [models.UniqueConstraint(fields=["cluster", "db_index"], name="job_once")]
        indexes = [
            models.Index(fields=["account", "submit"], name="job_by_submit"),
            models.Index(fields=["account", "end"], name="job_by_end"),
            models.Index(fields=["end"], name="job_end"),
            models.Index(fields=["account", "user"], condition=Q(final=False), name="job_open"),
            models.Index(fields=["held_at"], condition=Q(held__isnull=False), name="job_held"),
        ]

    def __str__(self) -> str:
        return f"{self.display_id} {self.account} {self.state}"

    @property
    def until(self) -> datetime:
        """The moment up to which the row is charged: its end, or while it runs when it was last seen."""
        return self.end or self.last_seen_at


class UnreadableJobRow(models.Model):
    """A row of Slurm's that could not be understood, put aside with the reason while the rest went on."""

    digest = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    reason = models.TextField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-last_seen_at"]

    def __str__(self) -> str:
        return self.reason


class UsageDay(models.Model):
    """GPU-seconds of one day in Asia/Seoul, by account, person, GPU kind, partition and state.

    `jobs` counts the runs that started on the day, so that it may be summed over days. `provisional` rows are of
    jobs that had not ended when last read; they are kept apart from the final ones.
    """

    day = models.DateField()
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="usage_days")
    account_name = models.CharField(max_length=255)
    user_name = models.CharField(max_length=255)
    gpu_kind = models.CharField(max_length=60)
    partition = models.CharField(max_length=255)
    state = models.CharField(max_length=30)
    provisional = models.BooleanField()
    gpu_seconds = models.BigIntegerField()
    jobs = models.PositiveIntegerField()

    KEY = ("day", "account_name", "user_name", "gpu_kind", "partition", "state", "provisional")

    class Meta:
        ordering = ["day", "account_name", "user_name", "gpu_kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "account_name", "user_name", "gpu_kind", "partition", "state", "provisional"],
                name="usage_once",
            ),
            models.CheckConstraint(condition=Q(gpu_seconds__gte=0), name="usage_is_not_negative"),
        ]
        indexes = [models.Index(fields=["account_name", "day"], name="usage_by_account")]

    def __str__(self) -> str:
        return f"{self.day} {self.account_name} {self.user_name}: {self.gpu_seconds} GPU-s"


class QueueJob(models.Model):
    """A job of ours that waits or runs now, as the worker last saw it: the web may not ask Slurm."""

    job_id = models.BigIntegerField()
    display_id = models.CharField(max_length=128, unique=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="queue")
    user_name = models.CharField(max_length=255)
    partition = models.CharField(max_length=255)
    state = models.CharField(max_length=30)
    reason = models.CharField(max_length=200, blank=True)
    gpus = models.PositiveIntegerField()
    submit = models.DateTimeField()
    start = models.DateTimeField(null=True)
    time_limit_minutes = models.PositiveBigIntegerField(null=True)

    class Meta:
        ordering = [F("start").asc(nulls_last=True), "submit", "job_id"]

    def __str__(self) -> str:
        return f"{self.display_id} {self.state} {self.reason}"

    @property
    def running(self) -> bool:
        return self.state != "PENDING"


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
    last_run_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True)
    queue_read_at = models.DateTimeField(null=True)
    charged_at = models.DateTimeField(null=True)
    charged_ledger_entry = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.cluster} {self.read_until:%Y-%m-%d %H:%M:%S}" if self.read_until else self.cluster

    @classmethod
    def current(cls) -> IngestMark:
        return cls.objects.get_or_create(cluster=settings.SLURM_CLUSTER)[0]


class Verification(models.Model):
    """Our sums held against Slurm's own `sreport`, for whole hours that are over."""

    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    at = models.DateTimeField()
    compared = models.PositiveIntegerField(help_text="pairs of account and person")
    gpu_seconds = models.BigIntegerField(help_text="ours, in all")
    # [{"account": …, "user": …, "ours": seconds, "slurm": seconds}, …]
    differences = models.JSONField(default=list)
    unexplained_gpu_seconds = models.BigIntegerField()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("verification")

    def __str__(self) -> str:
        return f"{self.period_end:%Y-%m-%d %H:%M} {self.unexplained_gpu_seconds} GPU-s"

    @property
    def agrees(self) -> bool:
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """For `--json`, times in UTC."""
        return {
            "start": self.period_start.astimezone(UTC).isoformat(),
            "end": self.period_end.astimezone(UTC).isoformat(),
            "compared": self.compared,
            "gpu_seconds": self.gpu_seconds,
            "differences": self.differences,
            "unexplained_gpu_seconds": self.unexplained_gpu_seconds,
        }
