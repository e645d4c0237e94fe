"""Call 공고: the invitation to apply, with the criteria its reviews are scored by."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.people.models import in_language


class CallQuerySet(models.QuerySet["Call"]):
    def published(self, at: datetime) -> CallQuerySet:
        return self.filter(published_at__lte=at)

    def open(self, at: datetime) -> CallQuerySet:
        return self.published(at).filter(opens_at__lte=at, closes_at__gt=at)


class Call(models.Model):
    """Applications are taken from `opens_at` until just before `closes_at`."""

    title_ko = models.CharField(_("Korean title"), max_length=160)
    title_en = models.CharField(_("English title"), max_length=160)
    text_ko = models.TextField(_("Korean text"), blank=True)
    text_en = models.TextField(_("English text"), blank=True)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    opens_at = models.DateTimeField(_("opens"))
    closes_at = models.DateTimeField(_("closes"))
    reviews_needed = models.PositiveSmallIntegerField(_("reviews needed before a decision"), default=1)
    pools = models.ManyToManyField("allocations.Pool", related_name="calls", verbose_name=_("pools"))

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ["-opens_at"]
        constraints = [
            models.CheckConstraint(condition=Q(closes_at__gt=models.F("opens_at")), name="call_closes_after_it_opens")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    @property
    def text(self) -> str:
        return in_language(self.text_ko, self.text_en)

    def is_open(self, at: datetime) -> bool:
        return self.published_at is not None and self.published_at <= at and self.opens_at <= at < self.closes_at


class Criterion(models.Model):
    """What a review scores from 0 to 5, with its weight in percent of the whole."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="criteria")
    position = models.PositiveSmallIntegerField()
    name_ko = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    help_ko = models.CharField(max_length=300, blank=True)
    help_en = models.CharField(max_length=300, blank=True)
    weight = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["call", "position"], name="one_criterion_per_position")]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return in_language(self.name_ko, self.name_en)

    @property
    def help(self) -> str:
        return in_language(self.help_ko, self.help_en)
