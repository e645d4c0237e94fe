"""Jobs as slurmdbd tells them, what of them could not be taken as it was, and the live queue."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.db.models.lookups import GreaterThan

from allocations.models import Account

# Rows of a period are found by their ends, those of such jobs apart: no other ended so long after it.
LONG = timedelta(days=2)
TOOK_LONG = Q(GreaterThan(F("end") - F("start"), LONG))

# What jobs are narrowed, ordered and summed by on the pages of a project, which may have a hundred thousand of them:
# read from the index alone. None of it changes while a job runs, so that noting when it was last seen stays cheap.
FOR_LISTS = ["id", "start", "submit", "gpus", "state", "time_limit_minutes", "final", "user", "partition", "job_id",
             "display_id"]  # fmt: skip


def _overlaps(start: datetime, end: datetime) -> tuple[Q, Q, Q]:
    late = TOOK_LONG & Q(end__gte=end + LONG)
    return Q(end__isnull=True), late, Q(end__gte=start, end__lt=end + LONG)


class JobQuerySet(models.QuerySet["Job"]):
    def overlapping(self, start: datetime, end: datetime) -> JobQuerySet:
        """Rows that ran at some moment in [start, end), and those that began and ended at once in it."""
        running, late, soon = _overlaps(start, end)
        return self.filter(running | late | soon, start__lt=end)

    def parts_overlapping(self, start: datetime, end: datetime) -> list[JobQuerySet]:
        """The same rows, by falling ends in parts: those without an end, those that ended long after, the others.

        Each is one stretch of an index; of rows that are found by either of several conditions the table is read.
        """
        return [self.filter(part, start__lt=end) for part in _overlaps(start, end)]

    def open(self) -> JobQuerySet:
        return self.filter(final=False)

    def held(self) -> JobQuerySet:
        """Of which Slurm says less than before, and nobody has decided yet."""
        return self.filter(held_at__isnull=False)


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
    # When a value of the row last changed: what is newer than slurmdbd's roll-up is not in sreport yet.
    changed_at = models.DateTimeField(db_default=Now())
    # Since when slurmctld knows nothing of a job that slurmdbd says is running ("runaway").
    runaway_since = models.DateTimeField(null=True)
    # What Slurm says now, where that would make a finished job cheaper than it was: an operator decides. It stays,
    # without `held_at`, where the operator keeps ours: the same is not held again.
    held = models.JSONField(null=True)
    held_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-end", "-pk"]
        constraints = [models.UniqueConstraint(fields=["cluster", "db_index"], name="job_once")]
        indexes = [
            models.Index(fields=["account", "end"], include=FOR_LISTS, name="job_by_end"),
            models.Index(fields=["account", "end"], condition=TOOK_LONG, name="job_long"),
            models.Index(fields=["end"], name="job_end"),
            models.Index(fields=["account", "user"], condition=Q(final=False), name="job_open"),
            models.Index(fields=["held_at"], condition=Q(held_at__isnull=False), name="job_held"),
            models.Index(fields=["runaway_since"], condition=Q(runaway_since__isnull=False), name="job_runaway"),
            models.Index(fields=["changed_at"], name="job_changed"),
        ]

    def __str__(self) -> str:
        return f"{self.display_id} {self.account} {self.state}"

    @property
    def key(self) -> str:
        """What the ledger calls the row."""
        return f"{self.cluster}/{self.db_index:f}"

    @property
    def until(self) -> datetime:
        """The moment up to which the row is charged: its end, or while it runs when it was last seen."""
        return self.end or self.last_seen_at


class UnreadableJobRowQuerySet(models.QuerySet["UnreadableJobRow"]):
    def open(self) -> UnreadableJobRowQuerySet:
        return self.filter(dismissed_at=None)


class UnreadableJobRow(models.Model):
    """A row of Slurm's that could not be understood, put aside with the reason while the rest went on."""

    digest = models.CharField(max_length=64, unique=True)
    text = models.TextField()
    reason = models.TextField()
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    # Where it was read: a cluster's slurmdbd, or the name of an imported file.
    source = models.CharField(max_length=255, blank=True)
    # An operator looked at it and found that nothing is to be done.
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = UnreadableJobRowQuerySet.as_manager()

    class Meta:
        ordering = ["-last_seen_at", "-pk"]

    def __str__(self) -> str:
        return self.reason


class SealedDifference(models.Model):
    """What a row of Slurm's would change on days that are sealed: nothing, until an operator takes it over.

    Sealed days have no job rows any more to be computed from. `days` are the differences by the keys of UsageDay:
    [{"day": …, "account_name": …, …, "gpu_seconds": ±, "cpu_seconds": ±, "jobs": ±}, …].
    """

    cluster = models.CharField(max_length=40)
    db_index = models.DecimalField(max_digits=20, decimal_places=0)
    display_id = models.CharField(max_length=128)
    account_name = models.CharField(max_length=255)
    user_name = models.CharField(max_length=255)
    days = models.JSONField()
    gpu_seconds = models.BigIntegerField(help_text="in all")
    found_at = models.DateTimeField()
    applied = models.BooleanField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-found_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "db_index"], condition=Q(closed_at=None), name="one_open_sealed_difference"
            )
        ]

    def __str__(self) -> str:
        return f"{self.display_id} {self.gpu_seconds:+d} GPU-s"


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
