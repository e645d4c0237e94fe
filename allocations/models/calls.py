"""Call 공고: the invitation to apply. Everything a center sets per call is data here, edited on the call's pages."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from allocations.models.cluster import Pool
from portal.people.models import in_language


class Programme(models.Model):
    """A programme of the city or a funder that calls belong to, such as 스마트팩토리."""

    name_ko = models.CharField(_("Korean name"), max_length=80, unique=True)
    name_en = models.CharField(_("English name"), max_length=80)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    active = models.BooleanField(_("offered for new calls"), default=True)

    class Meta:
        ordering = ["position", "pk"]

    def __str__(self) -> str:
        return in_language(self.name_ko, self.name_en)


class CallQuerySet(models.QuerySet["Call"]):
    def published(self, at: datetime) -> CallQuerySet:
        return self.filter(published_at__lte=at)

    def open(self, at: datetime) -> CallQuerySet:
        return self.published(at).filter(opens_at__lte=at, closes_at__gt=at)


class Call(models.Model):
    """Applications are taken from `opens_at` until just before `closes_at`. Where a call stands follows from its
    moments (`stage`), so nothing has to run for it to open and close."""

    class Track(models.TextChoices):
        ACADEMIC = "academic", _("Academic")
        FIRM = "firm", _("Firms")
        EDUCATION = "education", _("Education")
        STARTER = "starter", _("Starter")
        URGENT = "urgent", _("Urgent")

    class Stage(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published, not open yet")
        OPEN = "open", _("Open for applications")
        CLOSED = "closed", _("Closed, being decided")
        DECIDED = "decided", _("Decided")

    title_ko = models.CharField(_("Korean title"), max_length=160)
    title_en = models.CharField(_("English title"), max_length=160)
    text_ko = models.TextField(_("Korean text"), blank=True)
    text_en = models.TextField(_("English text"), blank=True)
    track = models.CharField(_("track"), max_length=12, choices=Track.choices, default=Track.ACADEMIC)
    programme = models.ForeignKey(
        Programme, on_delete=models.PROTECT, null=True, blank=True, related_name="calls", verbose_name=_("programme")
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    opens_at = models.DateTimeField(_("opens"))
    closes_at = models.DateTimeField(_("closes"))
    # Set when the last decision of a closed call is announced.
    decided_at = models.DateTimeField(null=True, blank=True)
    pools: models.ManyToManyField[Pool, CallPool] = models.ManyToManyField(
        Pool, through="allocations.CallPool", related_name="calls", verbose_name=_("pools")
    )

    most_gpu_seconds_per_person = models.BigIntegerField(_("at most per applicant"), null=True, blank=True)
    most_gpu_seconds_per_institution = models.BigIntegerField(_("at most per institution"), null=True, blank=True)
    blind = models.BooleanField(
        _("blind"), default=False, help_text=_("Reviewers see neither people nor institutions.")
    )
    # The lowest mean score, in hundredths, that the panel may select without a word of reason.
    threshold_hundredths = models.PositiveSmallIntegerField(_("score needed"), default=300)
    # {field name: "required" | "optional" | "hidden"} where it differs from allocations/fields.py
    field_levels = models.JSONField(default=dict, blank=True)

    # Business days each step may take.
    days_for_check = models.PositiveSmallIntegerField(_("days for the eligibility check"), default=3)
    days_for_correction = models.PositiveSmallIntegerField(_("days for a correction"), default=5)
    days_for_technical = models.PositiveSmallIntegerField(_("days for the technical review"), default=5)
    days_for_reviews = models.PositiveSmallIntegerField(_("days for scientific reviews"), default=15)
    days_for_decision = models.PositiveSmallIntegerField(_("days for the decision"), default=10)
    days_for_acceptance = models.PositiveSmallIntegerField(_("days for the agreement"), default=10)

    objects = CallQuerySet.as_manager()

    class Meta:
        ordering = ["-opens_at"]
        constraints = [
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="call_closes_after_it_opens")
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    @property
    def text(self) -> str:
        return in_language(self.text_ko, self.text_en)

    def stage(self, at: datetime) -> Stage:
        if self.published_at is None or self.published_at > at:
            return self.Stage.DRAFT
        if at < self.opens_at:
            return self.Stage.PUBLISHED
        if at < self.closes_at:
            return self.Stage.OPEN
        return self.Stage.CLOSED if self.decided_at is None else self.Stage.DECIDED

    def is_open(self, at: datetime) -> bool:
        return self.stage(at) == self.Stage.OPEN

    def event_topics(self) -> list[str]:
        return ["applications"]


class CallPool(models.Model):
    """What a call gives in a pool; without an amount it is not bounded."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="offers")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="offers")
    gpu_seconds = models.BigIntegerField(_("GPU time given"), null=True, blank=True)

    class Meta:
        ordering = ["pool__position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["call", "pool"], name="a_call_offers_a_pool_once"),
            models.CheckConstraint(condition=Q(gpu_seconds__gte=0), name="call_offer_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.gpu_seconds}"


class Tier(models.Model):
    """How far an application of a size has to go: the first tier whose `upto_gpu_seconds` holds it decides.

    A call without tiers takes every application the whole way with one scientific review.
    """

    class Route(models.TextChoices):
        RULE = "rule", _("Decided by rule at once")
        TECHNICAL = "technical", _("One technical check")
        FULL = "full", _("Technical and scientific review, decision by the panel")

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="tiers")
    name_ko = models.CharField(_("Korean name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=60)
    upto_gpu_seconds = models.BigIntegerField(_("up to"), null=True, blank=True, help_text=_("Empty: any amount."))
    route = models.CharField(_("route"), max_length=12, choices=Route.choices, default=Route.FULL)
    reviews_needed = models.PositiveSmallIntegerField(_("scientific reviews needed"), default=1)
    most_days = models.PositiveSmallIntegerField(_("longest period in days"), default=366)

    class Meta:
        ordering = [F("upto_gpu_seconds").asc(nulls_last=True), "pk"]

    def __str__(self) -> str:
        return in_language(self.name_ko, self.name_en)

    def holds(self, gpu_seconds: int) -> bool:
        return self.upto_gpu_seconds is None or gpu_seconds <= self.upto_gpu_seconds


class Criterion(models.Model):
    """What a review scores from 0 to 5, with its weight in percent of the whole."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="criteria")
    position = models.PositiveSmallIntegerField()
    name_ko = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    help_ko = models.CharField(max_length=300, blank=True)
    help_en = models.CharField(max_length=300, blank=True)
    # What 0, 1, … 5 mean here; empty where the usual words do (allocations/scoring.py).
    anchors_ko = ArrayField(models.CharField(max_length=200, blank=True), size=6, default=list, blank=True)
    anchors_en = ArrayField(models.CharField(max_length=200, blank=True), size=6, default=list, blank=True)
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


def document_path(document: CallDocument, filename: str) -> str:
    return f"calls/{document.call_id}/{uuid4().hex}"


class CallDocument(models.Model):
    """A form or guide to download with the call."""

    call = models.ForeignKey(Call, on_delete=models.CASCADE, related_name="documents")
    title_ko = models.CharField(_("Korean title"), max_length=120)
    title_en = models.CharField(_("English title"), max_length=120)
    file = models.FileField(_("file"), upload_to=document_path)
    name = models.CharField(max_length=200)
    size = models.PositiveIntegerField()
    content_type = models.CharField(max_length=100)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return in_language(self.title_ko, self.title_en)
