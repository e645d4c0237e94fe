"""The outbox: every mail, written in the transaction of the act it tells of, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from portal.post.kinds import Delivery, MailKind

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=4)
# With the pauses above: about a day and a half of trying.
MOST_TRIES = 16


class MailQuerySet(models.QuerySet["Mail"]):
    def due(self, at: datetime) -> MailQuerySet:
        """To be sent by themselves now."""
        return self.filter(due_at__lte=at, daily=False)

    def for_digest(self, at: datetime) -> MailQuerySet:
        return self.filter(due_at__lte=at, daily=True)

    def failed_since(self, at: datetime) -> MailQuerySet:
        """Given up: tried as often as a mail is tried."""
        return self.filter(created_at__gte=at, sent_at=None, tries__gte=MOST_TRIES)

    def claim(self, mail: Mail, at: datetime) -> bool:
        """Take the mail for one try; False where another process took it. Its next try is set before this one, so
        that a crash while sending loses nothing."""
        tries = mail.tries + 1
        next_try = at + pause_after(tries) if tries < MOST_TRIES else None
        claimed = self.filter(pk=mail.pk, sent_at=None, tries=mail.tries, due_at__lte=at)
        return claimed.update(tries=F("tries") + 1, due_at=next_try) == 1


def pause_after(tries: int) -> timedelta:
    """How long a mail rests after so many tries in vain: 1 minute, doubled each time, up to 4 hours."""
    return min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)


class Mail(models.Model):
    """One mail to one address, as it reads. `due_at` is when it is sent (or tried again), None when it is done with."""

    kind = models.CharField(_("kind"), max_length=10, choices=MailKind.choices)
    to = models.EmailField(_("receiver"))
    receiver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="mails_received"
    )
    language = models.CharField(max_length=2)
    subject = models.CharField(max_length=250)
    body = models.TextField()
    link = models.URLField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=250, blank=True)
    # Waits for the mail of the day, which takes it in: then `within` names that mail.
    daily = models.BooleanField(default=False)
    within = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="items")

    objects = MailQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="mail_newest"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="mail_due"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} → {self.to}"

    @property
    def is_done(self) -> bool:
        return self.sent_at is not None

    @property
    def is_given_up(self) -> bool:
        return self.sent_at is None and self.tries >= MOST_TRIES


class MailPreference(models.Model):
    """What a person chose for one kind of mail; kinds without a row are taken as portal.post.kinds.DEFAULTS says."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_preferences")
    kind = models.CharField(_("kind"), max_length=10, choices=MailKind.choices)
    delivery = models.CharField(_("when"), max_length=10, choices=Delivery.choices)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="one_choice_per_kind")]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_kind_display()}: {self.get_delivery_display()}"
