"""Reviewers 심사위원: how they come in, what they know, and where they have a conflict of interest."""

from __future__ import annotations

from secrets import token_urlsafe

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from allocations.models.applications import Application
from portal.people.models import Institution


def _token() -> str:
    return token_urlsafe(24)


class ReviewerProfile(models.Model):
    """A reviewer's fields and load. Who has none yet is taken without keywords and with the usual load."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviewer_profile")
    keywords = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    most_at_once = models.PositiveSmallIntegerField(_("at most at a time"), default=10)
    # Takes no new reviews from then on, by their own wish or the office's.
    paused_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.user)


class ReviewerInvitation(models.Model):
    """An invitation to be a reviewer, accepted by its token."""

    email = models.EmailField(_("e-mail"))
    name = models.CharField(_("name"), max_length=80, blank=True)
    keywords = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    token = models.CharField(max_length=40, unique=True, default=_token, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["email"], condition=Q(accepted_at=None, withdrawn_at=None), name="one_open_reviewer_invitation"
            )
        ]

    def __str__(self) -> str:
        return self.email

    def event_topics(self) -> list[str]:
        return ["applications"]


class DeclaredConflict(models.Model):
    """A standing conflict a reviewer declares once: with a person (by address) or an institution."""

    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="declared_conflicts")
    email = models.EmailField(_("e-mail"), blank=True)
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(_("Reason"), max_length=300, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(email="") | Q(institution__isnull=False), name="conflict_names_somebody"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.email or self.institution}"


class ConflictWaiver(models.Model):
    """A conflict that may be passed over for one application and reviewer: asked for with a reason by one person of
    the office, and confirmed by another."""

    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="waivers")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="waivers")
    reason = models.TextField(_("Reason"), max_length=1000)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "reviewer"], name="one_waiver_per_conflict"),
            models.CheckConstraint(
                condition=Q(confirmed_by=None) | ~Q(confirmed_by=models.F("asked_by")),
                name="a_second_person_confirms",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.application} · {self.reviewer}"

    def event_topics(self) -> list[str]:
        return ["applications"]
