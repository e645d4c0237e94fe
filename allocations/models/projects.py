"""Project 과제: a PI and members who share grants."""

from __future__ import annotations

from secrets import token_urlsafe

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from portal.people.models import Institution, User, cluster_username_validator, in_language
from portal.people.permissions import Permission


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> ProjectQuerySet:
        return self if user.can(Permission.PROJECT_VIEW) else self.of(user)

    def of(self, user: User) -> ProjectQuerySet:
        """Those the person leads or is a member of."""
        active = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE)
        return self.filter(Q(pi=user) | Q(pk__in=active.values("project")))

    def managed_by(self, user: User) -> ProjectQuerySet:
        """Those the person leads or is the delegate of."""
        delegated = Membership.objects.filter(user=user, status=Membership.Status.ACTIVE, is_delegate=True)
        return self.filter(Q(pi=user) | Q(pk__in=delegated.values("project")))


class Project(models.Model):
    """`code` (p26001) is also the project's account in Slurm; accounts of its pools hang below (p26001-h100)."""

    code = models.CharField(max_length=12, unique=True)
    title_ko = models.CharField(max_length=160)
    title_en = models.CharField(max_length=160)
    pi = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="projects_led")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="projects")
    created_at = models.DateTimeField()

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.title}"

    @property
    def title(self) -> str:
        return in_language(self.title_ko, self.title_en)

    def event_topics(self) -> list[str]:
        return [f"project:{self.code}"]


def _token() -> str:
    return token_urlsafe(24)


class Membership(models.Model):
    """A person in a project, the PI included. An invitation has no user yet; it is accepted by its token.

    A removed one stays as it was; who is invited again gets a new row.
    """

    class Status(models.TextChoices):
        INVITED = "invited", _("Invited")
        ACTIVE = "active", _("Active")
        REMOVED = "removed", _("Removed")

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="memberships"
    )
    email = models.EmailField(_("e-mail"))
    name = models.CharField(_("name"), max_length=80, blank=True)
    # What the inviter proposes; the person's own name on the cluster is User.cluster_username.
    proposed_username = models.CharField(
        _("cluster user name"), max_length=31, blank=True, validators=[cluster_username_validator]
    )
    # 과제 담당자(대리인): acts for the PI and succeeds where the PI leaves.
    is_delegate = models.BooleanField(_("delegate of the PI"), default=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.INVITED)
    token = models.CharField(max_length=40, unique=True, default=_token, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    invited_at = models.DateTimeField()
    joined_at = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "email"], condition=~Q(status="removed"), name="one_current_membership_per_address"
            ),
            models.UniqueConstraint(
                fields=["project", "user"], condition=Q(status="active"), name="one_active_membership_per_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.project.code}"

    def event_topics(self) -> list[str]:
        own = [f"person:{self.user_id}"] if self.user_id else []
        return [f"project:{self.project.code}", *own]


class MemberCap(models.Model):
    """What a member may use of a pool at most, in GPU-seconds since the person's association with the account began.

    Cumulative like every limit of Slurm's; the PI raises it where a new grant is meant to give more.
    """

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="caps")
    pool = models.ForeignKey("allocations.Pool", on_delete=models.PROTECT, related_name="+")
    gpu_seconds = models.BigIntegerField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        ordering = ["membership", "pool"]
        constraints = [
            models.UniqueConstraint(fields=["membership", "pool"], name="one_cap_per_member_and_pool"),
            models.CheckConstraint(condition=Q(gpu_seconds__gte=0), name="cap_is_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.membership} · {self.pool}: {self.gpu_seconds} GPU-s"


class DefaultAccount(models.Model):
    """The account that a person wants jobs charged to that name none. Slurm is told only where the present one does not
    work and lies below our root account."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="default_account")
    account = models.ForeignKey("allocations.Account", on_delete=models.CASCADE, related_name="+")
    chosen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user} · {self.account}"


class StopOrder(models.Model):
    """A decision to end jobs at once: of one person in a project, or of everybody (`username` empty).

    The worker cancels what runs and waits until nothing is left, then says when.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="stop_orders")
    username = models.CharField(max_length=31, blank=True)
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "username"], condition=Q(done_at__isnull=True), name="one_stop_order_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.project.code} {self.username}".strip()

    def event_topics(self) -> list[str]:
        return ["operations", f"project:{self.project.code}"]
