"""People and their institutions. A person signs in by e-mail; what they may do follows from roles
(portal/people/permissions.py) and from their relation to a project (allocations/permissions.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from portal.people.permissions import Permission, Role, permissions_of

domain_validator = RegexValidator(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", _("Enter a domain such as postech.ac.kr."))
# What Slurm and Linux both accept without folding or truncating (slurm-facts 1.2).
cluster_username_validator = RegexValidator(
    r"^[a-z][a-z0-9_-]{1,30}$",
    _("Use 2 to 31 lower-case letters, digits, hyphens or underscores, starting with a letter."),
)


def in_language(korean: str, english: str) -> str:
    """The text in the reader's language, or in the other one where that is empty."""
    first, second = (korean, english) if (get_language() or "ko").startswith("ko") else (english, korean)
    return first or second


class InstitutionQuerySet(models.QuerySet["Institution"]):
    def for_email(self, email: str) -> Institution | None:
        """The institution whose domain is the address's domain or a dot-suffix of it; the longest wins."""
        labels = email.lower().rpartition("@")[2].split(".")
        candidates = [".".join(labels[start:]) for start in range(len(labels) - 1)]
        domains = InstitutionDomain.objects.select_related("institution").filter(domain__in=candidates)
        best = max(domains, key=lambda row: len(row.domain), default=None)
        return best.institution if best else None


class Institution(models.Model):
    """기관: a university, institute or firm whose people apply."""

    class Kind(models.TextChoices):
        UNIVERSITY = "university", _("University")
        INSTITUTE = "institute", _("Research institute")
        FIRM = "firm", _("Firm")
        PUBLIC = "public", _("Public body")
        CENTER = "center", _("The center itself")

    name_ko = models.CharField(_("Korean name"), max_length=120, unique=True)
    name_en = models.CharField(_("English name"), max_length=120)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    business_number = models.CharField(
        _("Business registration number"), max_length=10, unique=True, null=True, blank=True
    )
    # False while it is only what an applicant wrote; the office confirms it with the first application.
    confirmed = models.BooleanField(_("confirmed by the office"), default=True)
    registered_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = InstitutionQuerySet.as_manager()

    class Meta:
        ordering = ["name_ko"]

    def __str__(self) -> str:
        return in_language(self.name_ko, self.name_en)


class InstitutionDomain(models.Model):
    institution = models.ForeignKey(Institution, on_delete=models.CASCADE, related_name="domains")
    domain = models.CharField(_("e-mail domain"), max_length=120, unique=True, validators=[domain_validator])

    def __str__(self) -> str:
        return self.domain


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def who_can(self, permission: Permission) -> models.QuerySet[User]:
        """Everybody whose role carries the permission (relations to a project aside)."""
        roles = [role for role in Role if permission in permissions_of([role])]
        return self.filter(is_active=True, role_assignments__role__in=roles).distinct()


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The institution is set from the verified e-mail address."""

    email = models.EmailField(_("e-mail"), unique=True)
    name_ko = models.CharField(_("Korean name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=80, blank=True)
    institution = models.ForeignKey(
        Institution,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="people",
        verbose_name=_("institution"),
    )
    department = models.CharField(_("department"), max_length=120, blank=True)
    language = models.CharField(
        _("language of mails"), max_length=2, default="ko", choices=[("ko", "한국어"), ("en", "English")]
    )
    cluster_username = models.CharField(
        _("cluster user name"),
        max_length=31,
        unique=True,
        null=True,
        blank=True,
        validators=[cluster_username_validator],
    )
    # The name on the cluster is asked for by the person, approved by the center and found there by the worker; it is of
    # use from the last of the three on.
    cluster_username_asked_at = models.DateTimeField(null=True, blank=True)
    cluster_username_approved_at = models.DateTimeField(null=True, blank=True)
    cluster_username_approved_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    cluster_username_found_at = models.DateTimeField(null=True, blank=True)
    # Since when the worker misses a name there that it had found; nothing follows from it but that operators see it.
    cluster_username_lost_at = models.DateTimeField(null=True, blank=True)
    # Why the last name asked for was refused, until another one is asked for.
    cluster_username_refusal = models.CharField(max_length=300, blank=True)
    # What Slurm charges jobs to that name no account, as the worker last read it; empty where that is not known.
    slurm_default_account = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name_ko"]

    class Meta:
        ordering = ["name_ko", "pk"]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        return in_language(self.name_ko, self.name_en) or self.email

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name

    @property
    def is_on_cluster(self) -> bool:
        """Whether the person's name on the cluster is approved and was found there."""
        return bool(self.cluster_username and self.cluster_username_approved_at and self.cluster_username_found_at)

    @cached_property
    def roles(self) -> set[Role]:
        return {Role(row.role) for row in self.role_assignments.all()}

    def can(self, permission: Permission) -> bool:
        """Whether one of the person's roles carries the permission."""
        return self.is_active and permission in permissions_of(self.roles)


class RoleAssignment(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="role_assignments")
    role = models.CharField(_("role"), max_length=20, choices=Role.choices)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "role"], name="one_row_per_role")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()}"


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def valid(self, at: datetime) -> AccessTokenQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=at)


class AccessToken(models.Model):
    """A person's key for scripts: it reads what the person may see, and changes nothing. The secret itself is not kept
    (portal/people/tokens.py)."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_tokens")
    name = models.CharField(_("name"), max_length=60)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # How the secret begins, by which the person knows it again.
    beginning = models.CharField(max_length=12, editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    # To the hour: a script that runs every minute must not write every minute.
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"], condition=models.Q(revoked_at=None), name="one_token_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.name}"
