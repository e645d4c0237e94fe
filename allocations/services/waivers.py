"""Letting somebody review in spite of a conflict of interest: one of the office asks with a reason, one confirms."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from allocations.conflicts import NEVER_WAIVED, conflicts_between
from allocations.mails import reviewers as mails
from allocations.models import Application, ConflictWaiver
from allocations.permissions import has_stake
from allocations.services.assignment import require_manager
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission


@transaction.atomic
def waiver_ask(*, application: Application, reviewer: User, reason: str, by: User, at: datetime) -> ConflictWaiver:
    """Ask that the reviewer may review the application in spite of what the portal found.

    Raises Refused without a reason, without a conflict, for one that nobody can be let off, or for whom the step is
    not; LostRace where it is asked for already.
    """
    _require_judge(application, by)
    if not reason.strip():
        raise Refused(_("Say why nobody else can review it."))
    if not reviewer.can(Permission.APPLICATION_REVIEW):
        raise Refused(_("This person does not review."))
    found = conflicts_between(application, reviewer)
    if not found:
        raise Refused(_("The portal knows of no conflict of interest here."))
    if found & NEVER_WAIVED:
        raise Refused(_("Nobody reviews an application of their own or their team."))
    waiver, created = ConflictWaiver.objects.get_or_create(
        application=application,
        reviewer=reviewer,
        defaults={"reason": reason.strip(), "asked_by": by, "asked_at": at},
    )
    if not created:
        raise LostRace("waiver")
    record("waiver.asked", target=waiver, by=by, at=at, number=application.number, reason=waiver.reason)
    mails.waiver_asked(waiver)
    return waiver


@transaction.atomic
def waiver_confirm(*, waiver: ConflictWaiver, by: User, at: datetime) -> ConflictWaiver:
    """The second person's word; from now on the conflict does not count for this application and reviewer.

    Raises Refused for who asked, is the reviewer, or may not act; LostRace where it is confirmed or withdrawn already.
    """
    _require_judge(waiver.application, by)
    if by.pk in {waiver.asked_by_id, waiver.reviewer_id}:
        raise Refused(_("A second person confirms a waiver."))
    if not ConflictWaiver.objects.filter(pk=waiver.pk, confirmed_at=None).update(confirmed_by=by, confirmed_at=at):
        raise LostRace("waiver")
    waiver.refresh_from_db()
    record("waiver.confirmed", target=waiver, by=by, at=at, number=waiver.application.number)
    return waiver


@transaction.atomic
def waiver_refuse(*, waiver: ConflictWaiver, by: User, at: datetime) -> None:
    """Take away a waiver that is not confirmed: by who asked, or a second person. The Event stays.

    Raises Refused for who may not act, LostRace where it is confirmed or gone.
    """
    _require_judge(waiver.application, by)
    pk = waiver.pk
    gone, _rows = ConflictWaiver.objects.filter(pk=pk, confirmed_at=None).delete()
    if not gone:
        raise LostRace("waiver")
    record("waiver.refused", target=waiver, by=by, at=at, number=waiver.application.number)


def _require_judge(application: Application, by: User) -> None:
    require_manager(by)
    if has_stake(by, application):
        raise Refused(_("Nobody acts for the center on an application of their own, their institution or their team."))
