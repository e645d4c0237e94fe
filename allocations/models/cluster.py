"""The cluster as the portal keeps it: its pools, the Slurm accounts of projects, and what was done to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from portal.people.models import in_language

# Without a sign of life for so long no worker is taken to be connected.
HEARTBEAT_SECONDS = 30


class Cluster(models.Model):
    """The one cluster, and the worker's last word on it. The worker alone writes from `heartbeat_at` on."""

    name = models.CharField(max_length=40, unique=True)
    # The switch: a new installation reads, plans and shows, and writes nothing until an operator turns this on.
    writing_enabled = models.BooleanField(default=False)
    writing_changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    writing_changed_at = models.DateTimeField(null=True, blank=True)
    # An operator's word that a plan which pauses very many people may pass, once.
    pausing_confirmed_at = models.DateTimeField(null=True, blank=True)

    heartbeat_at = models.DateTimeField(null=True, blank=True)
    driver = models.CharField(max_length=20, blank=True)
    # Why this driver, as a sentence: {"message": msgid, "params": {…}}.
    driver_note = models.JSONField(default=dict, blank=True)
    slurm_version = models.CharField(max_length=40, blank=True)
    last_sync_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    # [{"level": "danger", "code": …, "message": msgid, "params": {…}, "file": …, "line": …}, …] from portal.slurm.check
    findings = models.JSONField(default=list)
    # What still has to be done in Slurm, as sentences.
    pending_plan = models.JSONField(default=list)
    # The plan pauses so many people at once that it waits for an operator.
    pausing_waits = models.BooleanField(default=False)
    # What stands otherwise than it should in Slurm and is left to a person, as sentences.
    remarks = models.JSONField(default=list)
    foreign_accounts = models.JSONField(default=list)
    capacity = models.JSONField(default=list)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def current(cls) -> Cluster:
        return cls.objects.get_or_create(name=settings.SLURM_CLUSTER)[0]

    def event_topics(self) -> list[str]:
        return ["operations"]

    def is_attached(self, at: datetime) -> bool:
        """Whether a worker gave a sign of life within HEARTBEAT_SECONDS before `at`."""
        return self.heartbeat_at is not None and at - self.heartbeat_at < timedelta(seconds=HEARTBEAT_SECONDS)


class Pool(models.Model):
    """GPUs that are granted together: one GPU kind, one Slurm QOS, the partitions that accept only that QOS."""

    code = models.SlugField(max_length=12, unique=True)
    name_ko = models.CharField(_("Korean name"), max_length=60)
    name_en = models.CharField(_("English name"), max_length=60)
    gpu_kind = models.CharField(_("GPU kind in Slurm"), max_length=30)
    gpus = models.PositiveIntegerField(_("GPUs installed"))
    qos = models.CharField(max_length=40)
    partitions = ArrayField(models.CharField(max_length=40))
    most_gpus_per_job = models.PositiveSmallIntegerField(_("most GPUs per job"), default=8)
    position = models.PositiveSmallIntegerField(default=0)
    # What an hour here is worth when hours move between pools, in hundredths of a standard hour.
    rate_hundredths = models.PositiveIntegerField(_("rate"), default=100)

    class Meta:
        ordering = ["position", "code"]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return in_language(self.name_ko, self.name_en)


class Account(models.Model):
    """A leaf account in Slurm: one project in one pool. Never deleted, never moved, never renamed.

    Its limit is derived (allocations/budget.py); the rows here say how far Slurm has followed.
    """

    class State(models.TextChoices):
        APPLYING = "applying", _("Being applied")
        IN_FORCE = "in_force", _("In force")
        REFUSED = "refused", _("Refused by Slurm")

    project = models.ForeignKey("allocations.Project", on_delete=models.PROTECT, related_name="accounts")
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=31, unique=True)
    # Slurm's counter minus our ledger, changed only by a recorded rebase (design.md section 7).
    offset_gpu_seconds = models.BigIntegerField(default=0)

    state = models.CharField(max_length=12, choices=State.choices, default=State.APPLYING)
    in_force_since = models.DateTimeField(null=True, blank=True)
    limit_gpu_minutes = models.BigIntegerField(null=True, blank=True, help_text="as last read back from Slurm")
    parked = models.BooleanField(default=True, help_text="as last read back from Slurm")
    slurm_words = models.TextField(blank=True)
    read_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "pool"], name="one_account_per_project_and_pool")]

    def __str__(self) -> str:
        return self.name

    def event_topics(self) -> list[str]:
        return ["operations", f"project:{self.project.code}"]


class OperationRecord(models.Model):
    """One operation sent to Slurm and what came of it."""

    at = models.DateTimeField()
    operation = models.CharField(max_length=30)
    account = models.CharField(max_length=31, blank=True)
    person = models.CharField(max_length=31, blank=True)
    sentence = models.JSONField(default=dict, help_text="msgid and params")
    succeeded = models.BooleanField()
    permanent = models.BooleanField(default=False)
    slurm_words = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-id"], name="operation_by_account")]

    def __str__(self) -> str:
        return f"{self.operation} {self.account} {self.person}".strip()
