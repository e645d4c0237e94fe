"""Statements: what a project was granted and used in a month, frozen once the month is closed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from allocations.models import Project


class Statement(models.Model):
    """A closed month of a project, append-only: the database refuses UPDATE and DELETE (migration 0004).

    What becomes known later of the month stands in the statement of the month in which it becomes known.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="statements")
    month = models.DateField(help_text="its first day")
    number = models.CharField(max_length=30, unique=True)
    # The whole of it, as accounting/statements/ reads it: amounts in GPU-seconds, nothing translated.
    figures = models.JSONField()
    used_gpu_seconds = models.BigIntegerField(help_text="in the month, as closed")
    corrections_gpu_seconds = models.BigIntegerField(help_text="of earlier months, found since they were closed")
    closed_at = models.DateTimeField()
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-month", "project"]
        constraints = [models.UniqueConstraint(fields=["project", "month"], name="statement_once_a_month")]

    def __str__(self) -> str:
        return self.number
