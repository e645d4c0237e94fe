"""The center's own words on the portal's pages, edited by operators: where to log in, whom to ask."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.people.models import in_language


class CenterText(models.Model):
    """`code` says where the text stands (allocations/texts.py lists the codes)."""

    code = models.SlugField(max_length=30, unique=True)
    text_ko = models.TextField(_("Korean text"), blank=True)
    text_en = models.TextField(_("English text"), blank=True)
    changed_at = models.DateTimeField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code

    @property
    def text(self) -> str:
        return in_language(self.text_ko, self.text_en)
