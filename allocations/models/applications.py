"""Application 신청: what somebody asks for, from the first draft on. Its status is changed by services only."""

from __future__ import annotations

from pathlib import PurePath
from uuid import uuid4

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.calls import Call
from allocations.models.cluster import Pool
from allocations.workflow import ApplicationStatus
from portal.people.models import Institution, User, cluster_username_validator, in_language
from portal.people.permissions import Permission


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: User) -> ApplicationQuerySet:
        """Own ones; with the role, every submitted one. A reviewer's own institution is hidden from review."""
        if user.can(Permission.APPLICATION_VIEW):
            return self.filter(Q(applicant=user) | ~Q(status=ApplicationStatus.DRAFT))
        if user.can(Permission.APPLICATION_REVIEW):
            return self.filter(Q(applicant=user) | Q(pk__in=Application.objects.reviewable_by(user)))
        return self.filter(applicant=user)

    def reviewable_by(self, user: User) -> ApplicationQuerySet:
        """Submitted ones in which the reviewer has no stake."""
        return self.without_stake_of(user).exclude(status__in=[ApplicationStatus.DRAFT, ApplicationStatus.WITHDRAWN])

    def without_stake_of(self, user: User) -> ApplicationQuerySet:
        """Those a person may judge: not their own, not their institution's, not their team's."""
        return (
            self.exclude(applicant=user)
            .exclude(institution=user.institution_id)
            .exclude(proposed_members__email__iexact=user.email)
        )


class Application(models.Model):
    number = models.CharField(
        max_length=12, unique=True, null=True, editable=False, help_text="2026-0001, given at submission"
    )
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    applicant = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="applications")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="applications")
    status = models.CharField(max_length=12, choices=ApplicationStatus.choices, default=ApplicationStatus.DRAFT)

    title_ko = models.CharField(_("Project title in Korean"), max_length=160, blank=True)
    title_en = models.CharField(_("Project title in English"), max_length=160, blank=True)
    summary = models.TextField(_("Summary"), max_length=1000, blank=True)
    purpose = models.TextField(_("Purpose and method"), max_length=4000, blank=True)
    starts_on = models.DateField(_("From"), null=True, blank=True)
    ends_on = models.DateField(_("Until (inclusive)"), null=True, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    # Counts saves, so that a second tab cannot silently overwrite the first.
    revision = models.PositiveIntegerField(default=0)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["status", "submitted_at"], name="application_queue")]

    def __str__(self) -> str:
        return f"{self.number or _('Draft')} {self.title}"

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    @property
    def requested_gpu_seconds(self) -> int:
        return sum(line.requested_gpu_seconds or 0 for line in self.lines.all())

    def event_topics(self) -> list[str]:
        return [f"application:{self.pk}", f"person:{self.applicant_id}", "applications"]


class RequestLine(models.Model):
    """What is asked of one pool: GPUs per job × hours × runs explains the amount, the amount is what is asked.

    The figures may be missing in a draft only (services/completeness.py).
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+", verbose_name=_("GPU kind"))
    gpus_per_job = models.PositiveIntegerField(_("GPUs per job"), null=True, validators=[MinValueValidator(1)])
    minutes_per_run = models.PositiveIntegerField(_("Minutes per run"), null=True, validators=[MinValueValidator(1)])
    runs = models.PositiveIntegerField(_("Runs"), null=True, validators=[MinValueValidator(1)])
    requested_gpu_seconds = models.BigIntegerField(_("Requested GPU time"), null=True)

    class Meta:
        ordering = ["pool__position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["application", "pool"], name="one_request_line_per_pool"),
            models.CheckConstraint(condition=Q(requested_gpu_seconds__gt=0), name="request_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.requested_gpu_seconds} GPU-s"

    @property
    def product_gpu_seconds(self) -> int | None:
        """GPUs × hours × runs, where all three are known."""
        if not (self.gpus_per_job and self.minutes_per_run and self.runs):
            return None
        return self.gpus_per_job * self.minutes_per_run * 60 * self.runs


class ProposedMember(models.Model):
    """Somebody the applicant wants in the project; invited when the grant is awarded."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="proposed_members")
    email = models.EmailField(_("e-mail"))
    name = models.CharField(_("name"), max_length=80, blank=True)
    cluster_username = models.CharField(
        _("cluster user name"), max_length=31, blank=True, validators=[cluster_username_validator]
    )

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["application", "email"], name="propose_a_member_once")]

    def __str__(self) -> str:
        return self.email


def attachment_path(attachment: Attachment, filename: str) -> str:
    """A name of our own on disk; what the applicant called the file is kept beside it."""
    return f"applications/{attachment.application_id}/{uuid4().hex}{PurePath(filename).suffix.lower()[:6]}"


class Attachment(models.Model):
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(_("file"), upload_to=attachment_path)
    name = models.CharField(max_length=200)
    size = models.PositiveIntegerField()
    content_type = models.CharField(max_length=100)
    uploaded_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
