"""Review 심사, a reviewer's opinion, and Decision 선정 결과, the center's act: separate rows from the start."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.applications import Application
from allocations.models.calls import Criterion
from allocations.models.cluster import Pool
from portal.people.models import User
from portal.people.permissions import Permission


class ReviewQuerySet(models.QuerySet["Review"]):
    def visible_to(self, user: User) -> ReviewQuerySet:
        """Own ones; who decides sees every submitted one. Nobody sees a colleague's while reviewing."""
        if user.can(Permission.APPLICATION_DECIDE):
            return self.filter(Q(reviewer=user) | Q(submitted_at__isnull=False))
        return self.filter(reviewer=user)


class Review(models.Model):
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews")
    # "I have no conflict of interest": declared before the proposal opens.
    declared_at = models.DateTimeField(null=True, blank=True)
    comment_to_applicant = models.TextField(_("Comment to the applicant"), max_length=4000, blank=True)
    comment_to_panel = models.TextField(_("Comment to the panel only"), max_length=4000, blank=True)
    recommended_gpu_seconds = models.BigIntegerField(_("Recommended GPU time"), null=True, blank=True)
    started_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["started_at"]
        constraints = [models.UniqueConstraint(fields=["application", "reviewer"], name="one_review_per_reviewer")]

    def __str__(self) -> str:
        return f"{self.application.number} · {self.reviewer}"

    def event_topics(self) -> list[str]:
        return [f"person:{self.reviewer_id}", "applications"]


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


class Decision(models.Model):
    class Outcome(models.TextChoices):
        AWARDED = "awarded", _("Selected")
        DECLINED = "declined", _("Not selected")

    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="decision")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason = models.TextField(_("Reason given to the applicant"), max_length=2000, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.application.number}: {self.get_outcome_display()}"

    @property
    def awarded_gpu_seconds(self) -> int:
        return sum(line.awarded_gpu_seconds for line in self.lines.all())


class DecisionLine(models.Model):
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    awarded_gpu_seconds = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["decision", "pool"], name="one_decision_line_per_pool"),
            models.CheckConstraint(condition=Q(awarded_gpu_seconds__gt=0), name="award_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.pool}: {self.awarded_gpu_seconds} GPU-s"
