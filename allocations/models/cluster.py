"""The cluster as the portal keeps it: its pools, the Slurm accounts of projects, and what was done to them."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
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
    # Counts the passes that wrote. Slurm is told the number before the first write of each; where Slurm knows a higher
    # one, the database is an older backup, and the portal only observes until an operator has looked.
    sequence = models.BigIntegerField(default=0)
    # The number found in Slurm, while it is ahead of `sequence`.
    ahead_in_slurm = models.BigIntegerField(null=True, blank=True)
    # The last OperationRecord whose effect the Association rows show: later ones explain a difference from them.
    operations_seen = models.BigIntegerField(default=0)
    # What somebody took away behind the portal's back is given back at once, or waits for an operator. What somebody
    # gave beyond a grant is always taken back at once.
    repairs_by_itself = models.BooleanField(default=True)
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
    # Accounts that are not below the root: [{"name": …, "parent": …, "people": [names], "gpu_minutes": …}, …]
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
    # An account that stood in Slurm before the portal: linked to a project, and left as it is until it is handed over.
    managed = models.BooleanField(default=True)
    # Where an adopted account hangs in Slurm; empty for one of the portal's own, which hangs below its project's.
    parent = models.CharField(max_length=31, blank=True)
    # Since when nothing more can start because the hours are used up; None while something can.
    exhausted_at = models.DateTimeField(null=True, blank=True)

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


class Hold(models.Model):
    """The portal itself has parked this account, or paused this person in it, or is about to.

    Written before the command, and removed when Slurm, read back, lets jobs start again. What is found stopped without
    a hold was stopped by somebody else, and stays so.
    """

    account = models.CharField(max_length=255)
    person = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "person"], name="one_hold_per_association")]

    def __str__(self) -> str:
        return f"{self.account} {self.person}".strip()


class Association(models.Model):
    """One row of Slurm's association tree below our root account, as last read: of an account, or of a person in it."""

    account = models.CharField(max_length=255)
    person = models.CharField(max_length=255, blank=True)
    parent = models.CharField(max_length=255, blank=True)
    gpu_minutes = models.DecimalField(max_digits=20, decimal_places=0, null=True)
    group_jobs = models.BigIntegerField(null=True)
    group_submit_jobs = models.BigIntegerField(null=True)
    qos = ArrayField(models.CharField(max_length=255), default=list)
    default_qos = models.CharField(max_length=255, blank=True)
    lineage_ok = models.BooleanField(default=True)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["account", "person"]
        constraints = [models.UniqueConstraint(fields=["account", "person"], name="association_once")]

    def __str__(self) -> str:
        return f"{self.account} {self.person}".strip()

    @property
    def stopped(self) -> bool:
        return self.group_jobs == 0 or self.group_submit_jobs == 0


class Drift(models.Model):
    """Something below our root account that changed behind the portal's back, with what was expected and found.

    Open until the portal has put it right, somebody has, or an operator has adopted it or left it as it is.
    """

    class Kind(models.TextChoices):
        LIMIT = "limit", _("Limit")
        STOPPED = "stopped", _("Stopped by hand")
        RELEASED = "released", _("Released by hand")
        QOS = "qos", _("QOS")
        ADDED = "added", _("Added")
        REMOVED = "removed", _("Removed")
        PARENT = "parent", _("Place in the tree")
        LINEAGE = "lineage", _("Lineage")

    class Outcome(models.TextChoices):
        REPAIRED = "repaired", _("Put right by the portal")
        VANISHED = "vanished", _("Put right by somebody")
        ADOPTED = "adopted", _("Adopted")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    account = models.CharField(max_length=255)
    person = models.CharField(max_length=255, blank=True)
    # As values of the kind: GPU-minutes, names of QOS, the parent; empty for nothing.
    expected = models.CharField(max_length=300, blank=True)
    found = models.CharField(max_length=300, blank=True)
    found_at = models.DateTimeField()
    # An operator's word that the portal shall put it right, where it does not do so by itself.
    repair_asked_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    # What adopting a limit entered.
    ledger_entry = models.ForeignKey("allocations.LedgerEntry", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-found_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "account", "person"], condition=Q(closed_at__isnull=True), name="one_open_drift"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.account} {self.person}".strip()

    def event_topics(self) -> list[str]:
        return ["operations"]


class Rebase(models.Model):
    """One change of an account's offset, with the two sums it follows from, in GPU-seconds."""

    class Cause(models.TextChoices):
        FALLEN = "fallen", _("Slurm's counter fell")
        BEHIND = "behind", _("Slurm's counter lies below the ledger")
        CAUGHT_UP = "caught_up", _("Slurm's counter caught up again")
        OVERCOUNT = "overcount", _("Slurm counted more than was used")
        ADOPTION = "adoption", _("An account that was there before")
        OPERATOR = "operator", _("Decided by an operator")

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="rebases")
    at = models.DateTimeField()
    cause = models.CharField(max_length=10, choices=Cause.choices)
    before_gpu_seconds = models.BigIntegerField()
    after_gpu_seconds = models.BigIntegerField()
    counter_gpu_seconds = models.BigIntegerField(null=True)
    ledger_gpu_seconds = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.account} {self.before_gpu_seconds} → {self.after_gpu_seconds}"


class OperationRecord(models.Model):
    """One operation sent to Slurm and what came of it. Written before it is sent, so that one whose end nobody saw is
    known too: `succeeded` is None then."""

    at = models.DateTimeField()
    # "worker", or who ran `manage.py slurm apply`.
    by = models.CharField(max_length=60, default="worker")
    operation = models.CharField(max_length=30)
    account = models.CharField(max_length=255, blank=True)
    person = models.CharField(max_length=255, blank=True)
    sentence = models.JSONField(default=dict, help_text="msgid and params")
    succeeded = models.BooleanField(null=True)
    permanent = models.BooleanField(default=False)
    slurm_words = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["account", "-id"], name="operation_by_account")]

    def __str__(self) -> str:
        return f"{self.operation} {self.account} {self.person}".strip()
