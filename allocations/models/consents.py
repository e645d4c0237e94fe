"""Texts people agree to, each in numbered versions that never change, and what each person agreed to and when."""

from __future__ import annotations

from hashlib import sha256

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from allocations.models.calls import Call
from portal.people.models import in_language


class ConsentText(models.Model):
    """One version of a text. The newest of a code is the one in use; an older one stays for who agreed to it."""

    class Stage(models.TextChoices):
        APPLICATION = "application", _("With the application")
        AGREEMENT = "agreement", _("With the agreement, before the grant")
        REVIEWER = "reviewer", _("By reviewers, once a year")

    code = models.SlugField(_("code"), max_length=30)
    version = models.PositiveSmallIntegerField(_("version"))
    stage = models.CharField(_("asked for"), max_length=12, choices=Stage.choices)
    required = models.BooleanField(_("required"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    # None: in every track; otherwise the track it is asked for in.
    track = models.CharField(_("only in the track"), max_length=12, blank=True)
    title_ko = models.CharField(_("Korean title"), max_length=120)
    title_en = models.CharField(_("English title"), max_length=120)
    text_ko = models.TextField(_("Korean text"))
    text_en = models.TextField(_("English text"))
    created_at = models.DateTimeField()
    retired = models.BooleanField(_("no longer asked for"), default=False)

    class Meta:
        ordering = ["stage", "position", "code", "-version"]
        constraints = [models.UniqueConstraint(fields=["code", "version"], name="one_text_per_version")]

    def __str__(self) -> str:
        return f"{self.title} v{self.version}"

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    @property
    def text(self) -> str:
        return in_language(self.text_ko, self.text_en)

    @property
    def track_label(self) -> str:
        """The track it is asked for in; "" where that is every one."""
        return str(Call.Track(self.track).label) if self.track else ""

    @property
    def sha256(self) -> str:
        """Of both languages' titles and texts, as agreed to."""
        whole = "\x00".join([self.title_ko, self.text_ko, self.title_en, self.text_en])
        return sha256(whole.encode()).hexdigest()


class Consent(models.Model):
    """What a person answered to a text, with the text's hash at that moment. A changed answer is a new row."""

    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="consents")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents")
    application = models.ForeignKey(
        "allocations.Application", on_delete=models.PROTECT, null=True, blank=True, related_name="consents"
    )
    given = models.BooleanField()
    sha256 = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["application", "text"], name="consents_of_application")]

    def __str__(self) -> str:
        return f"{self.user}: {self.text} {'yes' if self.given else 'no'}"
