"""Usage, as recomputed from job rows: by day, and the same by month so that long periods cost little to read."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from allocations.models import Account


class Usage(models.Model):
    """What runs of one key held in one day or month.

    `jobs` counts the runs that started in it, so that it may be summed. A run with several kinds of GPU counts, and
    its CPU-seconds stand, with the first of them. `provisional` rows are of jobs that had not ended when last read;
    they are kept apart from the final ones.
    """

    # Found by its name: another index would be paid for with every row.
    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    account_name = models.CharField(max_length=255)
    user_name = models.CharField(max_length=255)
    gpu_kind = models.CharField(max_length=60)
    partition = models.CharField(max_length=255)
    state = models.CharField(max_length=30)
    provisional = models.BooleanField()
    gpu_seconds = models.BigIntegerField()
    # (End − Start) × CPUs, suspended time included as with GPUs.
    cpu_seconds = models.BigIntegerField(default=0)
    jobs = models.PositiveIntegerField()

    WHOSE = ("account_name", "user_name", "gpu_kind", "partition", "state", "provisional")
    AMOUNTS = ("gpu_seconds", "cpu_seconds", "jobs")

    class Meta:
        abstract = True


class UsageDay(Usage):
    """Of one day in Asia/Seoul."""

    day = models.DateField()

    KEY = ("day", *Usage.WHOSE)

    class Meta:
        ordering = ["day", "account_name", "user_name", "gpu_kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "account_name", "user_name", "gpu_kind", "partition", "state", "provisional"],
                name="usage_once",
            ),
            models.CheckConstraint(condition=Q(gpu_seconds__gte=0), name="usage_is_not_negative"),
        ]
        indexes = [
            models.Index(fields=["account_name", "day"], name="usage_by_account"),
            models.Index(fields=["account_name", "user_name"], condition=Q(provisional=True), name="usage_provisional"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.account_name} {self.user_name}: {self.gpu_seconds} GPU-s"


class UsageMonth(Usage):
    """The sum of the month's days, kept in the same transaction as they are."""

    month = models.DateField(help_text="its first day")

    KEY = ("month", *Usage.WHOSE)

    class Meta:
        ordering = ["month", "account_name", "user_name", "gpu_kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["month", "account_name", "user_name", "gpu_kind", "partition", "state", "provisional"],
                name="usage_month_once",
            ),
        ]
        indexes = [models.Index(fields=["account_name", "month"], name="usage_month_by_account")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.account_name} {self.user_name}: {self.gpu_seconds} GPU-s"


class UsageOfAll(models.Model):
    """What an account held of one kind of GPU in one day or month: the sum of all its persons, partitions and states,
    final and provisional, kept in the same transaction as they are.

    What is asked by day, month and account over everybody is read here: it costs the same however many persons there
    are.
    """

    account_name = models.CharField(max_length=255)
    gpu_kind = models.CharField(max_length=60)
    gpu_seconds = models.BigIntegerField()
    cpu_seconds = models.BigIntegerField()
    jobs = models.PositiveIntegerField()

    AMOUNTS = Usage.AMOUNTS

    class Meta:
        abstract = True


class UsageSum(UsageOfAll):
    """Of one day in Asia/Seoul."""

    day = models.DateField()

    KEY = ("day", "account_name", "gpu_kind")

    class Meta:
        ordering = ["day", "account_name", "gpu_kind"]
        constraints = [
            # A day of all accounts, and below an account's days, are read from the index alone.
            models.UniqueConstraint(
                fields=["day", "account_name", "gpu_kind"],
                include=["gpu_seconds", "cpu_seconds", "jobs"],
                name="usage_sum_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_name", "day"],
                include=["gpu_kind", "gpu_seconds", "cpu_seconds", "jobs"],
                name="usage_sum_by_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.account_name} {self.gpu_kind}: {self.gpu_seconds} GPU-s"


class UsageMonthSum(UsageOfAll):
    """Of one month: the sum of its days' sums."""

    month = models.DateField(help_text="its first day")

    KEY = ("month", "account_name", "gpu_kind")

    class Meta:
        ordering = ["month", "account_name", "gpu_kind"]
        constraints = [
            models.UniqueConstraint(
                fields=["month", "account_name", "gpu_kind"],
                include=["gpu_seconds", "cpu_seconds", "jobs"],
                name="usage_month_sum_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["account_name", "month"],
                include=["gpu_kind", "gpu_seconds", "cpu_seconds", "jobs"],
                name="usage_month_sum_by_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.account_name} {self.gpu_kind}: {self.gpu_seconds} GPU-s"
