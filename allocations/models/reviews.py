"""Review 심사: a reviewer's task and opinion on one application, and the technical review before it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.applications import Application
from allocations.models.calls import Criterion
from allocations.models.cluster import Pool
from allocations.workflow import ApplicationStatus

# A late review is still taken, and still read, until the decision.
TAKES_REVIEWS = (ApplicationStatus.REVIEW, ApplicationStatus.PANEL)


class ReviewQuerySet(models.QuerySet["Review"]):
    def current(self) -> ReviewQuerySet:
        """Neither taken back nor ended by a conflict of interest."""
        return self.filter(released_at=None)


class Review(models.Model):
    """Assigned; then declared free of conflict, which opens the proposal; then submitted. Or released: by a declared
    conflict, or because the office takes it back."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    assigned_at = models.DateTimeField()
    # None where the portal assigned by itself.
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    due_at = models.DateTimeField(null=True, blank=True)
    # "I have no conflict of interest": declared before the proposal opens.
    declared_at = models.DateTimeField(null=True, blank=True)
    conflict_reason = models.CharField(_("Conflict of interest"), max_length=500, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    comment_to_applicant = models.TextField(_("Comment to the applicant"), max_length=4000, blank=True)
    comment_to_panel = models.TextField(_("Comment to the panel only"), max_length=4000, blank=True)
    recommended_gpu_seconds = models.BigIntegerField(_("Recommended GPU time"), null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    # Counts saves, so that a second tab cannot silently overwrite the first.
    revision = models.PositiveIntegerField(default=0)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["assigned_at", "pk"]
        constraints = [models.UniqueConstraint(fields=["application", "reviewer"], name="one_review_per_reviewer")]

    def __str__(self) -> str:
        return f"{self.application.number} · {self.reviewer}"

    def event_topics(self) -> list[str]:
        return [f"person:{self.reviewer_id}", "applications"]

    def is_late(self, at: datetime) -> bool:
        return self.submitted_at is None and self.due_at is not None and at > self.due_at


class Score(models.Model):
    review = models.ForeignKey(Review, on_delete=models.CASCADE, related_name="scores")
    criterion = models.ForeignKey(Criterion, on_delete=models.PROTECT, related_name="+")
    value = models.PositiveSmallIntegerField(validators=[MaxValueValidator(5)])

    class Meta:
        ordering = ["criterion__position"]
        constraints = [
            models.UniqueConstraint(fields=["review", "criterion"], name="one_score_per_criterion"),
            models.CheckConstraint(condition=Q(value__lte=5), name="score_at_most_5"),
        ]

    def __str__(self) -> str:
        return f"{self.criterion}: {self.value}"


class TechnicalReview(models.Model):
    """기술검토: whether it can run here, and how much of each pool that takes. One for each time it was handed in."""

    class Verdict(models.TextChoices):
        FEASIBLE = "feasible", _("Feasible as asked for")
        CHANGES = "changes", _("Feasible with changes")
        INFEASIBLE = "infeasible", _("Not feasible")

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="technical_reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(_("Verdict"), max_length=12, choices=Verdict.choices, blank=True)
    comment_to_applicant = models.TextField(_("Comment to the applicant"), max_length=4000, blank=True)
    comment_to_panel = models.TextField(_("Comment to the panel only"), max_length=4000, blank=True)
    started_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["application"], condition=Q(submitted_at=None), name="one_open_technical_review"
            )
        ]

    def __str__(self) -> str:
        return f"{self.application.number} · {self.get_verdict_display()}"

    def event_topics(self) -> list[str]:
        return ["applications"]


class TechnicalLine(models.Model):
    """The amount of a pool that the technical review recommends."""

    review = models.ForeignKey(TechnicalReview, on_delete=models.CASCADE, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    recommended_gpu_seconds = models.BigIntegerField()

    class Meta:
        ordering = ["pool__position", "pk"]
        constraints = [models.UniqueConstraint(fields=["review", "pool"], name="one_technical_line_per_pool")]

    def __str__(self) -> str:
        return f"{self.pool}: {self.recommended_gpu_seconds} GPU-s"
