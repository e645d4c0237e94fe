"""Grant 배정: awarded GPU time with dates. Amounts are sums of ledger entries, which are never changed."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.applications import Application
from allocations.models.cluster import Pool
from allocations.models.projects import Project


class Grant(models.Model):
    """Open from `starts_at` until just before `ends_at` (exclusive), unless suspended."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="grants")
    # None for one that was imported (services/bulk.py).
    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, null=True, blank=True, related_name="grant"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["starts_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=models.F("starts_at")), name="grant_ends_after_it_starts")
        ]

    def __str__(self) -> str:
        return f"{self.project.code} · {self.reference}"

    @property
    def reference(self) -> str:
        """The number of the application it follows from; the project's code where it was imported."""
        return (self.application.number if self.application else None) or self.project.code

    def is_open(self, at: datetime) -> bool:
        return self.suspended_at is None and self.starts_at <= at < self.ends_at

    def event_topics(self) -> list[str]:
        return ["operations", "applications", f"project:{self.project.code}", f"person:{self.project.pi_id}"]


class GrantLine(models.Model):
    """A grant's share in one pool. `charged_gpu_seconds` is what accounting last attributed to it, raw."""

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="grant_lines")
    charged_gpu_seconds = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["grant__starts_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["grant", "pool"], name="one_grant_line_per_pool")]

    def __str__(self) -> str:
        return f"{self.grant} · {self.pool}"

    @property
    def granted_gpu_seconds(self) -> int:
        """Award and all later entries: what the line is worth."""
        return sum(entry.gpu_seconds for entry in self.entries.all())


class LedgerEntry(models.Model):
    """Append-only: the database refuses UPDATE and DELETE (a trigger of migration 0001)."""

    class Kind(models.TextChoices):
        AWARD = "award", _("Award")
        SUPPLEMENT = "supplement", _("Supplement")
        TRANSFER = "transfer", _("Transfer")
        REFUND = "refund", _("Refund")
        REDUCTION = "reduction", _("Reduction")
        WRITE_OFF = "write_off", _("Write-off")
        ADJUSTMENT = "adjustment", _("Adjustment")

    line = models.ForeignKey(GrantLine, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    gpu_seconds = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    job_key = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(gpu_seconds=0), name="ledger_entry_is_not_zero"),
            models.UniqueConstraint(fields=["line"], condition=Q(kind="award"), name="one_award_per_line"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.gpu_seconds:+d} GPU-s"
