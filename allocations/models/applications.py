"""Application 신청: what somebody asks for, from the first draft on. Its status is changed by services only."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Lower, Replace, Upper
from django.utils.translation import gettext_lazy as _

from allocations.models.calls import Call, Tier
from allocations.models.cluster import Pool
from allocations.models.projects import Membership
from allocations.workflow import CLOSED, HANDED_IN, WRITABLE, ApplicationStatus
from portal.people.models import Institution, User, cluster_username_validator, in_language
from portal.people.permissions import Permission

# Whoever has one of these in a call competes with its other applicants.
COMPETING = HANDED_IN - CLOSED
# How long having worked in one project stands against judging each other (48 months).
SHARED_WITHIN = timedelta(days=1461)


class ApplicationQuerySet(models.QuerySet["Application"]):
    def visible_to(self, user: User) -> ApplicationQuerySet:
        """Own ones; with the role, every one that was handed in; a reviewer's assigned ones."""
        own = Q(applicant=user)
        if user.can(Permission.APPLICATION_VIEW):
            return self.filter(own | ~Q(submitted_at=None))
        if user.can(Permission.APPLICATION_REVIEW):
            return self.filter(own | Q(pk__in=Application.objects.reviewable_by(user)))
        return self.filter(own)

    def handed_in(self) -> ApplicationQuerySet:
        return self.filter(status__in=HANDED_IN)

    def without_stake_of(self, user: User) -> ApplicationQuerySet:
        """Those a person may judge for the center: where allocations/conflicts.py finds nothing, asked in one query.

        Whom the applicant named as not to review may still check and decide; a waiver is for reviewing only.
        """
        declared = user.declared_conflicts.exclude(email="").annotate(address=Lower("email")).values("address")
        with_institutions = user.declared_conflicts.filter(institution__isnull=False).values("institution")
        theirs = Q(institution=user.institution_id) | Q(institution__in=with_institutions)
        near = User.objects.filter(theirs, institution__isnull=False).values("email")
        return (
            self.exclude(applicant=user)
            .exclude(institution=user.institution_id)
            .exclude(institution__in=with_institutions)
            .exclude(applicant__in=user.reviews.exclude(conflict_reason="").values("application__applicant"))
            .exclude(call__in=user.applications.filter(status__in=COMPETING).values("call"))
            .exclude(applicant__email__in=declared)
            .exclude(Exists(_named_in_team([user.email.lower()])) | Q(delegate_email__iexact=user.email))
            .exclude(Exists(_named_in_team(declared)) | Q(delegate_email__in=declared))
            .exclude(Exists(_named_in_team(near)) | Q(delegate_email__in=near))
            .exclude(Exists(_comembers(user)))
            .exclude(Exists(_shared_grants(user)))
        )

    def reviewable_by(self, user: User) -> ApplicationQuerySet:
        """Those assigned to the reviewer and not taken from them again."""
        assigned = self.filter(reviews__reviewer=user, reviews__released_at=None)
        return assigned.exclude(status=ApplicationStatus.WITHDRAWN)


class Application(models.Model):
    number = models.CharField(
        max_length=12, unique=True, null=True, editable=False, help_text="2026-0001, given at submission"
    )
    call = models.ForeignKey(Call, on_delete=models.PROTECT, related_name="applications")
    # Which way it goes, fixed at submission by what is asked for; a correction may change it.
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, null=True, blank=True, related_name="applications")
    applicant = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="applications")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="applications")
    # A renewal: its grant goes to this project instead of a new one.
    renews = models.ForeignKey(
        "allocations.Project", on_delete=models.PROTECT, null=True, blank=True, related_name="renewals"
    )
    status = models.CharField(max_length=12, choices=ApplicationStatus.choices, default=ApplicationStatus.DRAFT)
    status_since = models.DateTimeField()
    # By when whoever has it should have done their part.
    due_at = models.DateTimeField(null=True, blank=True)

    title_ko = models.CharField(_("Project title in Korean"), max_length=160, blank=True)
    title_en = models.CharField(_("Project title in English"), max_length=160, blank=True)
    summary = models.TextField(_("Summary"), max_length=1000, blank=True)
    purpose = models.TextField(_("Purpose and method"), max_length=4000, blank=True)
    starts_on = models.DateField(_("From"), null=True, blank=True)
    ends_on = models.DateField(_("Until (inclusive)"), null=True, blank=True)
    # What the fields of allocations/fields.py that have no column hold, by name.
    answers = models.JSONField(default=dict, blank=True)
    # Who may act for the PI, and succeeds where the PI leaves.
    delegate_name = models.CharField(_("Delegate's name"), max_length=80, blank=True)
    delegate_email = models.EmailField(_("Delegate's e-mail address"), blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    # Counts saves, so that a second tab cannot silently overwrite the first.
    revision = models.PositiveIntegerField(default=0)

    objects = ApplicationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["status", "submitted_at"], name="application_queue"),
            models.Index(fields=["call", "status"], name="application_of_call"),
        ]

    def __str__(self) -> str:
        return f"{self.number or _('Draft')} {self.title}"

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    @property
    def writable(self) -> bool:
        """Whether the applicant may write in it: a draft, or one that was returned."""
        return self.status in WRITABLE

    @property
    def route(self) -> Tier.Route:
        return Tier.Route(self.tier.route) if self.tier else Tier.Route.FULL

    @property
    def reviews_needed(self) -> int:
        """Scientific reviews asked for before the panel decides."""
        if self.route != Tier.Route.FULL:
            return 0
        return self.tier.reviews_needed if self.tier else 1

    @property
    def requested_gpu_seconds(self) -> int:
        return sum(line.requested_gpu_seconds or 0 for line in self.lines.all())

    def event_topics(self) -> list[str]:
        return [f"application:{self.pk}", f"person:{self.applicant_id}", "applications"]


class RequestLine(models.Model):
    """What is asked of one pool: GPUs per job × hours × runs, with a margin for failed and repeated runs, explains the
    amount; the amount is what is asked. Less than `minimum_gpu_seconds` would be of no use to the applicant.

    The figures may be missing in a draft only (services/completeness.py).
    """

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="lines")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="+", verbose_name=_("GPU kind"))
    gpus_per_job = models.PositiveIntegerField(_("GPUs per job"), null=True, validators=[MinValueValidator(1)])
    minutes_per_run = models.PositiveIntegerField(_("Minutes per run"), null=True, validators=[MinValueValidator(1)])
    runs = models.PositiveIntegerField(_("Runs"), null=True, validators=[MinValueValidator(1)])
    margin_percent = models.PositiveSmallIntegerField(_("Margin"), default=0)
    requested_gpu_seconds = models.BigIntegerField(_("Requested GPU time"), null=True)
    minimum_gpu_seconds = models.BigIntegerField(_("Minimum useful amount"), null=True, blank=True)

    class Meta:
        ordering = ["pool__position", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["application", "pool"], name="one_request_line_per_pool"),
            models.CheckConstraint(condition=Q(requested_gpu_seconds__gt=0), name="request_is_positive"),
            models.CheckConstraint(condition=Q(minimum_gpu_seconds__gte=0), name="minimum_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.pool} {self.requested_gpu_seconds} GPU-s"

    @property
    def product_gpu_seconds(self) -> int | None:
        """GPUs × hours × runs with the margin, in whole GPU-minutes rounded up, where all three are known."""
        if not (self.gpus_per_job and self.minutes_per_run and self.runs):
            return None
        minutes = self.gpus_per_job * self.minutes_per_run * self.runs
        return -(-minutes * (100 + self.margin_percent) // 100) * 60


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


class RelatedGrant(models.Model):
    """연계 과제: a research grant the computing is for."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="related_grants")
    number = models.CharField(_("Grant number"), max_length=60)
    agency = models.CharField(_("Agency"), max_length=80, blank=True)
    title = models.CharField(_("Title"), max_length=160, blank=True)
    ends_on = models.DateField(_("Until"), null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["application", "number"], name="relate_a_grant_once")]

    def __str__(self) -> str:
        return self.number


class FirmDetails(models.Model):
    """What a firm says of itself in this application."""

    class Size(models.TextChoices):
        STARTUP = "startup", _("Start-up")
        SMALL = "small", _("Small or medium-sized enterprise")
        MIDDLE = "middle", _("Mid-sized enterprise")
        LARGE = "large", _("Large enterprise")

    application = models.OneToOneField(Application, on_delete=models.CASCADE, related_name="firm")
    business_number = models.CharField(_("Business registration number"), max_length=10, blank=True)
    representative = models.CharField(_("Representative"), max_length=60, blank=True)
    size = models.CharField(_("Size"), max_length=10, choices=Size.choices, blank=True)
    address = models.CharField(_("Place of business"), max_length=200, blank=True)
    in_pohang = models.BooleanField(_("In Pohang"), null=True, blank=True)
    employees = models.PositiveIntegerField(_("Employees"), null=True, blank=True)
    product = models.CharField(_("Main product"), max_length=120, blank=True)
    sme_certificate_until = models.DateField(_("SME certificate valid until"), null=True, blank=True)

    def __str__(self) -> str:
        return self.business_number


def attachment_path(attachment: Attachment, filename: str) -> str:
    """A name of our own on disk; what the applicant called the file is kept beside it."""
    return f"applications/{attachment.application_id}/{uuid4().hex}{PurePath(filename).suffix.lower()[:6]}"


class Attachment(models.Model):
    """`blind` ones are what reviewers of a blind call may read: metadata taken out, shown without their name."""

    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="attachments")
    file = models.FileField(_("file"), upload_to=attachment_path)
    name = models.CharField(max_length=200)
    size = models.PositiveIntegerField()
    content_type = models.CharField(max_length=100)
    blind = models.BooleanField(_("blind copy for reviewers"), default=False)
    uploaded_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


class ApplicationVersion(models.Model):
    """What was handed in, as it was: one for each submission. `snapshot` is read by services/versions.py only."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveSmallIntegerField()
    snapshot = models.JSONField()
    submitted_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["application", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.application} v{self.number}"


class CorrectionRequest(models.Model):
    """보완요청: what the applicant is asked to correct, and when that was answered."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="corrections")
    text = models.TextField(_("What is to be corrected"), max_length=4000)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.application}: {self.at:%Y-%m-%d}"


def _named_in_team(addresses: Any) -> models.QuerySet[ProposedMember]:
    """Of the outer application: proposed members with one of the (lower-case) addresses."""
    team = ProposedMember.objects.filter(application=OuterRef("pk"))
    return team.annotate(address=Lower("email")).filter(address__in=addresses)


def _comembers(user: User) -> models.QuerySet[Membership]:
    """Of the outer application: memberships of its applicant or team in a project that the person shares or shared
    within SHARED_WITHIN before the application was begun."""
    since = OuterRef("created_at") - SHARED_WITHIN
    theirs = Membership.objects.filter(Q(removed_at=None) | Q(removed_at__gte=since), user__isnull=False)
    mine = Q(project__memberships__user=user) & (
        Q(project__memberships__removed_at=None) | Q(project__memberships__removed_at__gte=since)
    )
    team = ProposedMember.objects.filter(application=OuterRef(OuterRef("pk"))).annotate(address=Lower("email"))
    of_application = (
        Q(user=OuterRef("applicant")) | Q(user__email__in=team.values("address")) | Q(user__email=_delegate())
    )
    return theirs.exclude(user=user).filter(mine).filter(of_application)


def _delegate() -> Lower:
    return Lower(OuterRef("delegate_email"))


def _shared_grants(user: User) -> models.QuerySet[RelatedGrant]:
    """Of the outer application: related grants that an application of the person's names too."""
    plain = Upper(Replace(Replace(F("number"), Value("-")), Value(" ")))
    numbered = RelatedGrant.objects.annotate(plain=plain)
    own = numbered.filter(application__applicant=user).exclude(application__status=ApplicationStatus.DRAFT)
    return numbered.filter(application=OuterRef("pk"), plain__in=own.values("plain"))
