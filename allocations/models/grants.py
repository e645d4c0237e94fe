"""Grant 배정: awarded GPU time with dates. Amounts are sums of ledger entries, which are never changed."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, Func, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
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

    @property
    def suspension(self) -> Suspension | None:
        """The one that lasts. Reads `suspensions`, which lists prefetch."""
        return next((row for row in self.suspensions.all() if row.until is None), None)

    def is_open(self, at: datetime) -> bool:
        return self.suspension is None and self.starts_at <= at < self.ends_at

    def event_topics(self) -> list[str]:
        return ["operations", "applications", f"project:{self.project.code}", f"person:{self.project.pi_id}"]


class Suspension(models.Model):
    """A span in which a grant gave no right to start anything: from `since` until just before `until`, None while it
    lasts. Kept for good, because use is attributed to the line that was open at its second."""

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="suspensions")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    lifted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["since", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["grant"], condition=Q(until__isnull=True), name="one_lasting_suspension_per_grant"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.grant} {self.since:%Y-%m-%d %H:%M}"


class GrantLineQuerySet(models.QuerySet["GrantLine"]):
    def open(self, at: datetime) -> GrantLineQuerySet:
        """Lines of grants that are open at the moment."""
        return self.filter(grant__starts_at__lte=at, grant__ends_at__gt=at).unsuspended()

    def unsuspended(self) -> GrantLineQuerySet:
        lasting = Suspension.objects.filter(grant=OuterRef("grant"), until=None)
        return self.filter(~Exists(lasting))

    def with_amounts(self) -> GrantLineQuerySet:
        """`granted`: the sum of the ledger. Of it, `covered` only covers an overrun that is past, and `refunded` was
        given back for jobs."""
        covering = Q(entries__kind__in=LedgerEntry.COVERING, entries__gpu_seconds__gt=0)
        return self.annotate(
            granted=Coalesce(Sum("entries__gpu_seconds"), 0),
            covered=Coalesce(Sum("entries__gpu_seconds", filter=covering), 0),
            refunded=Coalesce(Sum("entries__gpu_seconds", filter=Q(entries__kind=LedgerEntry.Kind.REFUND)), 0),
        )

    def with_suspensions(self) -> GrantLineQuerySet:
        """`suspended`: the spans in which the grant was suspended, as pairs of moments; None while it lasts."""
        moments = ArrayField(models.DateTimeField())
        span = Func("since", "until", template="ARRAY[%(expressions)s]", output_field=moments)
        spans = Suspension.objects.filter(grant=OuterRef("grant")).annotate(span=span).values("span")
        return self.annotate(suspended=ArraySubquery(spans))


class GrantLine(models.Model):
    """A grant's share in one pool. `charged_gpu_seconds` is what accounting last attributed to it, raw.

    Settled: its grant has ended, nothing that began before still runs, and Slurm's accounting has caught up. What was
    charged then is kept in `settled_gpu_seconds`; a correction that comes later changes the charge alone.
    """

    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="grant_lines")
    charged_gpu_seconds = models.BigIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_gpu_seconds = models.BigIntegerField(null=True, blank=True)

    objects = GrantLineQuerySet.as_manager()

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
        OVERRUN = "overrun", _("Overrun carried over")

    # On the line that was overrun, these make up for what was used already; nothing can be drawn from them.
    COVERING = (Kind.WRITE_OFF, Kind.OVERRUN)

    line = models.ForeignKey(GrantLine, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    gpu_seconds = models.BigIntegerField()
    reason = models.CharField(max_length=300)
    # None for what follows from a rule by itself, such as an overrun carried over.
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    job_key = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~Q(gpu_seconds=0), name="ledger_entry_is_not_zero"),
            models.UniqueConstraint(fields=["line"], condition=Q(kind="award"), name="one_award_per_line"),
        ]
        indexes = [models.Index(fields=["job_key"], condition=~Q(job_key=""), name="ledger_by_job")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.gpu_seconds:+d} GPU-s"


class Overrun(models.Model):
    """What jobs used beyond a line's award, found when the line was settled.

    Open until it is carried to the project's next line in the pool or written off by a decision; both leave entries in
    the ledger. A line that was extended after it had been settled is settled again, so it may come to a second one.
    """

    line = models.ForeignKey(GrantLine, on_delete=models.PROTECT, related_name="overruns")
    gpu_seconds = models.BigIntegerField()
    found_at = models.DateTimeField()
    carried_to = models.ForeignKey(GrantLine, on_delete=models.PROTECT, null=True, related_name="carried_overruns")
    written_off_reason = models.CharField(max_length=300, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["found_at", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(gpu_seconds__gt=0), name="overrun_is_positive"),
            models.UniqueConstraint(fields=["line"], condition=Q(closed_at__isnull=True), name="one_open_overrun"),
        ]

    def __str__(self) -> str:
        return f"{self.line} +{self.gpu_seconds} GPU-s"
