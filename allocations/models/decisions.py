"""Decision 선정 결과: the center's act on an application. Announced separately from being made."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.applications import Application
from allocations.models.cluster import Pool


class Decision(models.Model):
    """One to an application. Until it is announced it may be taken back; then it stands, but for a place on the
    reserve list, which can become a selection."""

    class Outcome(models.TextChoices):
        AWARDED = "awarded", _("Selected")
        PARTLY = "partly", _("Partly selected")
        CONDITIONAL = "conditional", _("Conditionally selected")
        RESERVE = "reserve", _("Reserve list")
        DECLINED = "declined", _("Not selected")

    class Reason(models.TextChoices):
        """Why, as a word that statistics can count."""

        MERIT = "merit", _("Ranked by merit")
        RULE = "rule", _("Granted by rule")
        TECHNICAL = "technical", _("Technical check")
        REDUCED = "reduced", _("Reduced to what was found necessary")
        HOURS_GONE = "hours_gone", _("No hours left in the call")
        BELOW_THRESHOLD = "below_threshold", _("Score below the threshold")
        NOT_FEASIBLE = "not_feasible", _("Not feasible here")
        NOT_NEEDED = "not_needed", _("Need for GPU time not shown")
        OUT_OF_SCOPE = "out_of_scope", _("Outside the purpose of the call")
        OTHER = "other", _("Another reason, given in words")

    SELECTS = frozenset({Outcome.AWARDED, Outcome.PARTLY, Outcome.CONDITIONAL})

    application = models.OneToOneField(Application, on_delete=models.PROTECT, related_name="decision")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason_code = models.CharField(_("Kind of reason"), max_length=20, choices=Reason.choices, default=Reason.OTHER)
    reason = models.TextField(_("Reason given to the applicant"), max_length=2000, blank=True)
    conditions = models.TextField(_("Conditions"), max_length=2000, blank=True)
    # None where the portal decided by rule.
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField()
    announced_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.application.number}: {self.get_outcome_display()}"

    @property
    def selects(self) -> bool:
        return self.outcome in self.SELECTS

    @property
    def awarded_gpu_seconds(self) -> int:
        return sum(line.awarded_gpu_seconds for line in self.lines.all())


class DecisionLine(models.Model):
    decision = models.ForeignKey(Decision, on_delete=models.CASCADE, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+")
    awarded_gpu_seconds = models.BigIntegerField()

    class Meta:
        ordering = ["pool__position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["decision", "pool"], name="one_decision_line_per_pool"),
            models.CheckConstraint(condition=Q(awarded_gpu_seconds__gt=0), name="award_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.pool}: {self.awarded_gpu_seconds} GPU-s"
