"""Alerts 알림: what a project's use gave reason to say, once for each cause, and the thresholds people set for it."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from allocations.models import Pool, Project


class Alert(models.Model):
    """Said at most once for its key; `over_at` while what it says does not hold any more.

    `threshold` is what was passed: percent used, percent of the term, points behind the plan, days before the end,
    percent that failed, hours without figures. `cause` names what it is about (a grant line, a day); `occasion` counts
    how often it came about anew (accounting/alerts/findings.py).
    """

    class Kind(models.TextChoices):
        USED = "used", _("GPU-hours used")
        EARLY = "early", _("Runs out early")
        UNDER = "under", _("Used less than planned")
        EXPIRY = "expiry", _("Grant ends")
        WASTE = "waste", _("Jobs that failed")
        STALE = "stale", _("Figures are old")

    # None: about the center as a whole.
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="alerts")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    threshold = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=60)
    occasion = models.PositiveSmallIntegerField(default=0)
    # What its sentence names, in JSON values (accounting/alerts/words.py).
    data = models.JSONField(default=dict)
    raised_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-raised_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "pool", "kind", "threshold", "cause", "occasion"],
                nulls_distinct=False,
                name="one_alert_per_cause",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.threshold} {self.cause}"


class AlertThresholds(models.Model):
    """From when on alerts are wanted: for a project, or a person's own in it. None and empty: not at all."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="alert_thresholds")
    # None: the project's, for everybody without their own.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    used = ArrayField(models.PositiveSmallIntegerField(), default=list)
    early = models.PositiveSmallIntegerField(null=True)
    under = models.PositiveSmallIntegerField(null=True)
    expiry = ArrayField(models.PositiveSmallIntegerField(), default=list)
    waste = models.PositiveSmallIntegerField(null=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "user"], nulls_distinct=False, name="one_set_of_thresholds_per_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.user or ''}"


class HiddenAlert(models.Model):
    """A person has seen the alert and does not want it shown any more."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="hidden")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "user"], name="hidden_once")]

    def __str__(self) -> str:
        return f"{self.alert} · {self.user}"
