"""Names on the cluster as operators see them: asked for, to be made, missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Prefetch, Q, QuerySet
from django.utils.translation import gettext as _

from allocations.models import Association, Cluster, Membership
from portal.people.models import User


@dataclass(frozen=True, slots=True)
class AskedName:
    """A person with the name they ask for. `warnings`: why it may be somebody else's."""

    user: User
    projects: list[str]
    warnings: list[str]

    @property
    def key(self) -> str:
        """Says whose name was seen: a name that was given up may be asked for by somebody else a moment later."""
        return f"{self.user.pk} {self.user.cluster_username}"


def names_asked(by: User | None = None) -> QuerySet[User]:
    """Whose name waits for approval, the longest first; `by`: without their own, which is not theirs to decide."""
    waiting = User.objects.filter(
        cluster_username__isnull=False, cluster_username_approved_at=None, is_active=True
    ).order_by("cluster_username_asked_at", "pk")
    return waiting.exclude(pk=by.pk) if by else waiting


def names_to_make() -> QuerySet[User]:
    """Approved, and not found on the cluster yet."""
    return _approved().filter(cluster_username_found_at=None).order_by("cluster_username_approved_at", "pk")


def names_lost() -> QuerySet[User]:
    """In use, and not found on the cluster any more."""
    return _approved().filter(cluster_username_lost_at__isnull=False).order_by("cluster_username_lost_at", "pk")


def names_without_login() -> QuerySet[User]:
    """Both of these: what is for the operators to do on the cluster itself."""
    nowhere = Q(cluster_username_found_at=None) | Q(cluster_username_lost_at__isnull=False)
    return _approved().filter(nowhere).order_by("cluster_username_approved_at", "pk")


def names_to_see_to(by: User) -> QuerySet[User]:
    """What an operator has to do with names: to approve those of others, and to make or look for logins."""
    people = names_asked(by) | names_without_login()
    return people.select_related("institution").order_by("cluster_username_asked_at", "pk")


def _approved() -> QuerySet[User]:
    people = User.objects.filter(cluster_username_approved_at__isnull=False, is_active=True)
    return people.select_related("institution", "cluster_username_approved_by")


def with_warnings(waiting: QuerySet[User]) -> list[AskedName]:
    """Those that wait with their projects and with what Slurm knows of the name already: four queries."""
    active = Membership.objects.filter(status=Membership.Status.ACTIVE).select_related("project")
    people = list(waiting.select_related("institution").prefetch_related(Prefetch("memberships", queryset=active)))
    known = _known_to_slurm([str(user.cluster_username) for user in people])
    return [
        AskedName(user, [row.project.code for row in user.memberships.all()], _warnings(user, known)) for user in people
    ]


def _warnings(user: User, known: Mapping[str, Sequence[str]]) -> list[str]:
    warnings = []
    if user.cluster_username_found_at is not None:
        warnings.append(_("A login of this name exists on the cluster. Approve only if it is this person's own."))
    if accounts := known.get(str(user.cluster_username)):
        text = _("Slurm knows the name already, in: %(accounts)s.")
        warnings.append(text % {"accounts": ", ".join(sorted(set(accounts)))})
    return warnings


def _known_to_slurm(names: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The accounts in which Slurm has the names, ours and others'."""
    known: defaultdict[str, list[str]] = defaultdict(list)
    if not names:
        return known
    for account, person in Association.objects.filter(person__in=names).values_list("account", "person"):
        known[person].append(account)
    for row in Cluster.current().foreign_accounts:
        for person in set(names).intersection(row["people"]):
            known[person].append(row["name"])
    return known
