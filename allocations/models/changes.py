"""What a PI asks for after the award, one small form each, and the report at the end."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from allocations.changes import arriving
from allocations.models.cluster import Pool
from allocations.models.grants import Grant
from allocations.models.projects import Membership, Project
from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours_unit


class ChangeRequestQuerySet(models.QuerySet["ChangeRequest"]):
    def visible_to(self, user: User) -> ChangeRequestQuerySet:
        if user.can(Permission.CHANGE_DECIDE) or user.can(Permission.PROJECT_VIEW):
            return self
        return self.filter(project__in=Project.objects.visible_to(user))

    def without_stake_of(self, user: User) -> ChangeRequestQuerySet:
        """Those a person may decide on: of no project they are in, none of their institution, none that names them."""
        active = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE)
        return (
            self.exclude(asked_by=user)
            .exclude(new_pi=user)
            .exclude(project__pi=user)
            .exclude(project__institution=user.institution_id)
            .exclude(project__in=active.values("project"))
        )

    def open(self) -> ChangeRequestQuerySet:
        return self.filter(status=ChangeRequest.Status.ASKED)


class ChangeRequest(models.Model):
    """`pool`, `to_pool`, `gpu_seconds`, `until` and `new_pi` hold what the kind needs; the rest is empty."""

    class Kind(models.TextChoices):
        SUPPLEMENT = "supplement", _("Supplement")
        EXTENSION = "extension", _("Extension")
        TRANSFER = "transfer", _("Transfer between pools")
        RETURN = "return", _("Early return")
        PI_CHANGE = "pi_change", _("Change of PI")

    class Status(models.TextChoices):
        ASKED = "asked", _("Waiting for a decision")
        GRANTED = "granted", _("Granted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="changes")
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, null=True, blank=True, related_name="changes")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ASKED)
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    to_pool = models.ForeignKey(Pool, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    gpu_seconds = models.BigIntegerField(null=True, blank=True)
    until = models.DateField(null=True, blank=True)
    new_pi = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.TextField(_("Reason"), max_length=2000)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(_("Answer"), max_length=2000, blank=True)

    objects = ChangeRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "kind"], condition=Q(status="asked"), name="one_open_change_of_a_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project.code} · {self.get_kind_display()}"

    @property
    def in_words(self) -> str:
        """What it is about, in the reader's language: `H100: 100 GPU-hours`, `until 2026-12-31`, a name."""
        if self.kind == self.Kind.EXTENSION and self.until:
            return _("until %(day)s") % {"day": formats.date_format(self.until, "DATE_FORMAT")}
        if self.kind == self.Kind.PI_CHANGE and self.new_pi:
            return self.new_pi.display_name
        hours = gpu_hours_unit(self.gpu_seconds)
        if self.to_pool and self.pool and self.gpu_seconds:
            arrives = gpu_hours_unit(
                arriving(self.gpu_seconds, self.pool.rate_hundredths, self.to_pool.rate_hundredths)
            )
            return f"{self.pool.name} {hours} → {self.to_pool.name} {arrives}"
        return f"{self.pool.name}: {hours}" if self.pool else _("everything left: %(hours)s") % {"hours": hours}

    def event_topics(self) -> list[str]:
        return ["applications", f"project:{self.project.code}", f"person:{self.project.pi_id}"]


class FinalReport(models.Model):
    """결과보고서: what came of a grant. A draft until it is submitted."""

    grant = models.OneToOneField(Grant, on_delete=models.PROTECT, related_name="final_report")
    outcomes = models.TextField(_("Outcomes"), max_length=4000, blank=True)
    publications = models.TextField(_("Publications (one DOI a line)"), max_length=4000, blank=True)
    patents = models.TextField(_("Patents"), max_length=2000, blank=True)
    released = models.TextField(_("Models, data and code released"), max_length=2000, blank=True)
    trained_people = models.PositiveIntegerField(_("People trained"), null=True, blank=True)
    business_effect = models.TextField(_("Effect on the business"), max_length=2000, blank=True)
    unused_reason = models.TextField(_("Why hours were left unused"), max_length=2000, blank=True)
    updated_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    revision = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.grant)

    def event_topics(self) -> list[str]:
        return ["applications", f"project:{self.grant.project.code}"]


class OnboardingStep(models.Model):
    """A step of getting onto the cluster that a person says is done (allocations/onboarding.py lists them)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="onboarding_steps")
    step = models.SlugField(max_length=20)
    done_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "step"], name="a_step_is_done_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.step}"


class Notice(models.Model):
    """That a reminder went out: at most one for each `key`, whatever stops and starts in between."""

    key = models.CharField(max_length=120, unique=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key
