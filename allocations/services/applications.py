"""The applicant's acts: start, save, submit and withdraw an application."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.mails import applications as mails
from allocations.mails import office as office_mails
from allocations.models import Application, Call, Project, Tier
from allocations.selectors.reports import reports_overdue
from allocations.services.completeness import problems, tier_for
from allocations.services.deadlines import due_after
from allocations.services.decisions import decision_by_rule
from allocations.services.drafts import Draft, DraftGrant, DraftLine, DraftMember, Upload, copy_into, store
from allocations.services.numbers import application_number
from allocations.services.outcomes import Incomplete, Refused
from allocations.services.versions import version_store
from allocations.workflow import WRITABLE, Action, ApplicationStatus, LostRace, advance, transition
from portal.events.services import record
from portal.people.models import User

__all__ = [
    "Draft",
    "DraftGrant",
    "DraftLine",
    "DraftMember",
    "Upload",
    "application_save",
    "application_start",
    "application_submit",
    "application_withdraw",
]


@transaction.atomic
def application_start(
    *, call: Call, by: User, at: datetime, clone_of: Application | None = None, renews: Project | None = None
) -> Application:
    """A new draft, or the untouched one that a double click has just made.

    `clone_of` is an earlier application of the person's whose texts are taken over. `renews` is a project they lead,
    which a grant would go to; its last application is taken over. Raises Refused where the call is not open, the
    person belongs to no institution, owes a final report, or may not take over what they named.
    """
    _require_may_start(by, at)
    earlier = _earlier(by, clone_of, renews)
    User.objects.select_for_update(no_key=True).get(pk=by.pk)
    call = _held_open(call, at)
    untouched = Application.objects.filter(
        call=call, applicant=by, status=ApplicationStatus.DRAFT, revision=0, renews=renews
    )
    application = untouched.first() or _draft_create(call, by, renews, at)
    if earlier is not None:
        copy_into(application, earlier, at)
    return application


@transaction.atomic
def application_save(*, application: Application, draft: Draft, revision: int, by: User, at: datetime) -> Application:
    """Store the draft as it is, complete or not. `revision` is the one the writer started from.

    Raises LostRace where it was saved elsewhere meanwhile or can no longer be written in, and Refused where a file
    cannot be kept; nothing is changed then.
    """
    _require_applicant(application, by)
    current = (
        Application.objects.select_for_update(of=("self",), no_key=True)
        .filter(pk=application.pk, status__in=WRITABLE, revision=revision)
        .select_related("call")
        .first()
    )
    if current is None:
        raise LostRace(Action.SUBMIT)
    store(current, draft, at)
    current.revision += 1
    current.updated_at = at
    current.save()
    application.refresh_from_db()
    return application


@transaction.atomic
def application_submit(*, application: Application, by: User, at: datetime) -> Application:
    """Hand the application in, for the first time or corrected. What the rule of its tier decides is decided at once.

    Raises Incomplete with every problem, Refused where the call is closed or it is not the person's, LostRace where
    it was submitted or withdrawn meanwhile.
    """
    _require_applicant(application, by)
    rows = Application.objects.select_for_update(of=("self",), no_key=True).select_related("call")
    application = rows.get(pk=application.pk)
    first = application.status == ApplicationStatus.DRAFT
    action = Action.SUBMIT if first else Action.RESUBMIT
    if transition(action, application.status) is None:
        raise LostRace(action)
    if first:
        # Person before call: the order in which everything locks (services/room.py).
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        application.call = _held_open(application.call, at)
    found = problems(application, timezone.localdate(at))
    if found:
        raise Incomplete(found)
    advance(
        application,
        action,
        at=at,
        due_at=due_after(action, application.call, at),
        number=application.number or application_number(at),
        submitted_at=application.submitted_at or at,
        tier=tier_for(application),
    )
    application.corrections.filter(answered_at=None).update(answered_at=at)
    version_store(application=application, at=at)
    event = "application.submitted" if first else "application.resubmitted"
    record(event, target=application, by=by, at=at, number=application.number)
    mails.submitted(application) if first else mails.resubmitted(application)
    if application.tier is not None and application.tier.route == Tier.Route.RULE:
        decision_by_rule(application=application, at=at)
        application.refresh_from_db()
    office_mails.arrived(application, corrected=not first)
    return application


@transaction.atomic
def application_withdraw(*, application: Application, by: User, at: datetime) -> Application:
    """Take the application back, as long as nothing was announced. Raises LostRace where that is so."""
    _require_applicant(application, by)
    advance(application, Action.WITHDRAW, at=at)
    record("application.withdrawn", target=application, by=by, at=at)
    return application


def _require_applicant(application: Application, by: User) -> None:
    if application.applicant_id != by.pk:
        raise Refused(_("Only the applicant may do this."))


def _held_open(call: Call, at: datetime) -> Call:
    """The call as it stands, kept so until the transaction ends: what may change of it depends on who has begun.
    Raises Refused where it takes no applications."""
    held = Call.objects.select_for_update(no_key=True).filter(pk=call.pk).first()
    if held is None or not held.is_open(at):
        raise Refused(_("This call takes no applications now."))
    return held


def _require_may_start(by: User, at: datetime) -> None:
    if by.institution is None:
        raise Refused(_("Your e-mail address belongs to no institution registered here."))
    if reports_overdue(by, at):
        raise Refused(_("A final report of an earlier grant of yours is overdue. Hand it in first."))


def _earlier(by: User, clone_of: Application | None, renews: Project | None) -> Application | None:
    """The application to take over from."""
    if renews is not None:
        if not Project.objects.managed_by(by).filter(pk=renews.pk).exists():
            raise Refused(_("Only the PI or the delegate may renew the project."))
        return Application.objects.filter(grant__project=renews).order_by("-grant__starts_at").first()
    if clone_of is not None:
        _require_applicant(clone_of, by)
    return clone_of


def _draft_create(call: Call, by: User, renews: Project | None, at: datetime) -> Application:
    assert by.institution is not None
    application = Application.objects.create(
        call=call,
        applicant=by,
        institution=renews.institution if renews else by.institution,
        renews=renews,
        status_since=at,
        created_at=at,
        updated_at=at,
    )
    record("application.started", target=application, by=by, at=at)
    return application
