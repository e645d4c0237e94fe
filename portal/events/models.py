"""The Event log: what happened, to what, by whom, when. Rows are written by record() alone and never changed;
the database itself refuses UPDATE and DELETE (migration 0001)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.functional import cached_property

CHANNEL = "portal_event"


class Event(models.Model):
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    action = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=40)
    target_id = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    # Whose open pages hear of it: "project:p26001", "application:12", "person:5", "operations".
    topics = ArrayField(models.CharField(max_length=60), default=list)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["target_kind", "target_id", "-id"], name="event_by_target"),
            GinIndex(fields=["topics"], name="event_by_topic"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_kind} {self.target_id}"

    @cached_property
    def sentence(self) -> str:
        """What happened, in the reader's language."""
        from portal.events.phrases import phrase

        return phrase(self.action, self.data)
