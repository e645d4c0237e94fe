"""What must hold for a change, when it is asked for and again when it is granted. Each raises Refused with the rule."""

from __future__ import annotations

from datetime import date, datetime

from django.utils import formats
from django.utils.translation import gettext as _

from allocations.changes import arriving, latest_day, most_supplement
from allocations.models import ChangeRequest, Grant, GrantLine, Membership, Pool, Project
from allocations.permissions import can_with_project
from allocations.selectors.reports import last_day
from allocations.services.ledger import awarded_gpu_seconds, left_gpu_seconds
from allocations.services.outcomes import Refused
from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours_unit


def require_manager(project: Project, by: User) -> None:
    if not can_with_project(by, Permission.PROJECT_MANAGE, project):
        raise Refused(_("Only the PI and the delegate may ask for this."))


def require_running(grant: Grant, at: datetime) -> None:
    if not grant.starts_at <= at < grant.ends_at:
        raise Refused(_("The grant is not running."))


# What a request of each kind must name, so that it can be granted.
NEEDS = {
    ChangeRequest.Kind.SUPPLEMENT: ("grant_id", "pool_id", "gpu_seconds"),
    ChangeRequest.Kind.EXTENSION: ("grant_id", "until"),
    ChangeRequest.Kind.TRANSFER: ("grant_id", "pool_id", "to_pool_id", "gpu_seconds"),
    ChangeRequest.Kind.PI_CHANGE: ("new_pi_id",),
}


def require_whole(change: ChangeRequest) -> None:
    """A row that came in past the forms may lack what its kind needs; a return is done when it is asked for."""
    needed = NEEDS.get(ChangeRequest.Kind(change.kind))
    if needed is None or not all(getattr(change, name) for name in needed):
        raise lacking()


def lacking() -> Refused:
    return Refused(_("The request does not say all that is needed to grant it. Refuse it, and let the PI ask again."))


def require_supplement(line: GrantLine, gpu_seconds: int) -> None:
    require_first_supplement(line.grant)
    most = most_supplement(awarded_gpu_seconds(line))
    if not 0 < gpu_seconds <= most:
        raise Refused(_("At most half of the award can be added: %(most)s.") % {"most": gpu_hours_unit(most)})


def require_first_supplement(grant: Grant, besides: ChangeRequest | None = None) -> None:
    granted = grant.changes.filter(kind=ChangeRequest.Kind.SUPPLEMENT, status=ChangeRequest.Status.GRANTED)
    if any(change != besides for change in granted):
        raise Refused(_("This grant has had its supplement. Apply in an open call for more."))


def require_extension(grant: Grant, until: date) -> None:
    """Against the last day as it stands: between it and six months after it."""
    present = last_day(grant)
    latest = latest_day(present)
    if not present < until <= latest:
        days = {"present": _in_words(present), "latest": _in_words(latest)}
        raise Refused(_("Choose a day after %(present)s and no later than %(latest)s.") % days)


def require_transfer(line: GrantLine, to_pool: Pool, gpu_seconds: int) -> int:
    """GPU-seconds that arrive in the other pool."""
    if line.pool_id == to_pool.pk:
        raise Refused(_("Choose another GPU kind to move hours to."))
    require_left(line, gpu_seconds)
    arrives = arriving(gpu_seconds, line.pool.rate_hundredths, to_pool.rate_hundredths)
    if not arrives:
        raise Refused(_("So little would arrive as nothing. Choose a larger amount."))
    return arrives


def require_left(line: GrantLine, gpu_seconds: int) -> None:
    left = left_gpu_seconds(line)
    if not 0 < gpu_seconds <= left:
        raise Refused(
            _("There are %(left)s left of %(pool)s.") % {"left": gpu_hours_unit(left), "pool": line.pool.name}
        )


def require_new_pi(project: Project, new_pi: User) -> None:
    members = project.memberships.filter(user=new_pi, status=Membership.Status.ACTIVE)
    if new_pi.pk == project.pi_id or not new_pi.is_active or not members.exists():
        raise Refused(_("The new PI must be an active member of the project."))


def may_decide(user: User, change: ChangeRequest) -> bool:
    """Whether the request is this person's to decide on: by role, and without a stake in the project."""
    decidable = ChangeRequest.objects.without_stake_of(user).filter(pk=change.pk)
    return user.can(Permission.CHANGE_DECIDE) and decidable.exists()


def _in_words(day: date) -> str:
    return formats.date_format(day, "DATE_FORMAT")
