"""GPU-hours given back 환급 for jobs that a fault of the center ended. Used stays gross; refunds stand beside it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from accounting.models.jobs import Job
from allocations.models import GrantLine, Pool


class RefundRule(models.Model):
    """Which end states are refunded without being asked for, and how much at most; the newest one counts.

    It concerns jobs that ended since `since`. `states` are Slurm's, for example NODE_FAIL.
    """

    states = models.JSONField(default=list)
    # Run time that is refunded of one job at most; None: all of it.
    most_hours = models.PositiveIntegerField(null=True, blank=True)
    since = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{', '.join(self.states)} {self.most_hours or ''}"


class Maintenance(models.Model):
    """A window of maintenance or of a fault, whose broken jobs are refunded in one act."""

    title = models.CharField(max_length=200)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    # None: all pools.
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    most_hours = models.PositiveIntegerField(null=True, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-starts_at", "-pk"]
        constraints = [models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="maintenance_has_a_span")]

    def __str__(self) -> str:
        return self.title


class Refund(models.Model):
    """GPU-seconds given back for one job, to the grant line it was charged to; or the request for it.

    What is refunded follows the job: `most_gpu_seconds` of its charge, all of it where None. Corrections of the job
    post the difference to the ledger (entries of kind REFUND with `job_key`), whose sum is `refunded_gpu_seconds`.
    """

    class Origin(models.TextChoices):
        RULE = "rule", _("By rule")
        MAINTENANCE = "maintenance", _("Maintenance")
        REQUEST = "request", _("On request")

    class Status(models.TextChoices):
        ASKED = "asked", _("Asked for")
        GRANTED = "granted", _("Granted")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="refunds")
    line = models.ForeignKey(GrantLine, on_delete=models.PROTECT, related_name="refunds")
    origin = models.CharField(max_length=12, choices=Origin.choices)
    maintenance = models.ForeignKey(Maintenance, on_delete=models.PROTECT, null=True, related_name="refunds")
    status = models.CharField(max_length=10, choices=Status.choices)
    most_gpu_seconds = models.BigIntegerField(null=True)
    refunded_gpu_seconds = models.BigIntegerField(default=0)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField()
    words = models.TextField(blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=300, blank=True)
    # Up to which change of the job the ledger follows it; null where it is to be looked at anew.
    followed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["job"], condition=Q(status__in=["asked", "granted"]), name="one_refund_a_job"
            ),
            models.CheckConstraint(condition=Q(refunded_gpu_seconds__gte=0), name="refund_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.status}"

    def event_topics(self) -> list[str]:
        return self.line.grant.event_topics()

    @property
    def lapsed(self) -> bool:
        """Whether the grant was over when it was refunded: then the refund is on record and nothing can use it."""
        return self.decided_at is not None and self.decided_at >= self.line.grant.ends_at
