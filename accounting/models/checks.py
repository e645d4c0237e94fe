"""Proofs that are kept: our sums held against Slurm's, and our own books held against themselves."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Verification(models.Model):
    """Our sums held against Slurm's own `sreport`, for whole hours that are over."""

    class Cause(models.TextChoices):
        RESERVATION = "reservation", _("Reserved and idle")
        RUNAWAY = "runaway", _("Runs only in slurmdbd")
        LATE = "late", _("Came after the hour was summed up")
        HELD = "held", _("Held for an operator")
        UNREAD = "unread", _("Not taken over yet")
        GONE = "gone", _("Gone at Slurm")
        TREE = "tree", _("Booked to another account by Slurm")
        ACCEPTED = "accepted", _("Accepted by an operator")

    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    at = models.DateTimeField()
    compared = models.PositiveIntegerField(help_text="pairs of account and person")
    gpu_seconds = models.BigIntegerField(help_text="ours, in all")
    # [{"account": …, "user": …, "ours": seconds, "slurm": seconds, "unexplained": seconds,
    #   "causes": [{"kind": Cause, "what": job or reservation, "gpu_seconds": ±seconds}, …]}, …]
    differences = models.JSONField(default=list)
    unexplained_gpu_seconds = models.BigIntegerField()
    # Every closed hour from the first job until then has been compared, by this or an earlier comparison; null while
    # an earlier stretch of time is missing.
    covered_until = models.DateTimeField(null=True)
    # What of all hours compared so far is still unexplained, also from earlier comparisons that were not repeated:
    # [{"account": …, "user": …, "since": ISO time, "until": ISO time, "gpu_seconds": ±ours minus Slurm's}, …].
    disputed = models.JSONField(default=list)

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("verification")

    def __str__(self) -> str:
        return f"{self.period_end:%Y-%m-%d %H:%M} {self.unexplained_gpu_seconds} GPU-s"

    @property
    def agrees(self) -> bool:
        return not self.differences

    @property
    def explained(self) -> bool:
        """Equal to the second, but for differences whose jobs or reservations are named."""
        return not self.unexplained_gpu_seconds

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


class AcceptedDifference(models.Model):
    """A difference that nothing explained and that an operator looked at and let stand, by person and span."""

    account = models.CharField(max_length=255)
    user = models.CharField(max_length=255)
    since = models.DateTimeField()
    until = models.DateTimeField()
    gpu_seconds = models.BigIntegerField(help_text="ours minus Slurm's; another amount is another difference")
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.account} {self.user} {self.gpu_seconds:+d} GPU-s"


class LedgerCheck(models.Model):
    """Every sum that is kept, computed anew from what it is the sum of."""

    at = models.DateTimeField()
    # [{"check": name, "checked": how many, "wrong": [{what is wrong, for a person}, …]}, …]
    results = models.JSONField(default=list)
    wrong = models.PositiveIntegerField(help_text="in all")

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.wrong}"
