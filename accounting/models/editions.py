"""Reports for the city and funders: editions of a period, frozen, and what a year is meant to reach."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Edition(models.Model):
    """A month, quarter or year of the center as it was reported, append-only: the database refuses UPDATE and DELETE
    (migration 0006). What becomes known of the period later is a further edition."""

    class Kind(models.TextChoices):
        MONTH = "month"
        QUARTER = "quarter"
        YEAR = "year"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    first = models.DateField(help_text="the first day of the period")
    # 2026-10-1, 2026Q3-1, 2026-1: the period, then which edition of it.
    number = models.CharField(max_length=16, unique=True)
    edition = models.PositiveSmallIntegerField()
    # The whole of it, as accounting/report/content.py reads it: amounts in GPU-seconds, nothing translated.
    figures = models.JSONField()
    # What of it the public does not see, as pairs of table and row (accounting/report/small_cells.py).
    hidden = models.JSONField()
    frozen_at = models.DateTimeField()
    frozen_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-first", "kind", "-edition"]
        constraints = [models.UniqueConstraint(fields=["kind", "first", "edition"], name="edition_once")]

    def __str__(self) -> str:
        return self.number


class Target(models.Model):
    """What a year is meant to reach in one of the report's indicators, in the unit that the indicator is kept in."""

    year = models.PositiveSmallIntegerField()
    indicator = models.CharField(max_length=30)
    value = models.BigIntegerField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["year", "indicator"]
        constraints = [
            models.UniqueConstraint(fields=["year", "indicator"], name="one_target_per_year_and_indicator"),
            models.CheckConstraint(condition=models.Q(value__gt=0), name="target_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.year} {self.indicator}: {self.value}"
