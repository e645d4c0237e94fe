"""Acts after the award: asking for a change of a running grant or of the PI, deciding on it, giving hours back.

What is granted changes ledger, dates or PI in the same transaction as the decision; Slurm follows by itself, because
limits are derived from these (allocations/budget.py).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from allocations.mails import changes as mails
from allocations.models import ChangeRequest, Grant, GrantLine, LedgerEntry, MemberCap, Membership, Pool, Project
from allocations.services.change_rules import (
    lacking,
    may_decide,
    require_extension,
    require_first_supplement,
    require_left,
    require_manager,
    require_new_pi,
    require_running,
    require_supplement,
    require_transfer,
    require_whole,
)
from allocations.services.grants import midnight
from allocations.services.ledger import ledger_enter, left_gpu_seconds, line_open
from allocations.services.outcomes import Refused
from allocations.workdays import business_days_after
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours

Kind, Status = ChangeRequest.Kind, ChangeRequest.Status
# Business days in which the center means to answer a request.
DAYS_TO_DECIDE = 5
# Between two presses of one button.
A_MOMENT = timedelta(seconds=30)


# --- Asking ---


@transaction.atomic
def supplement_ask(*, line: GrantLine, gpu_seconds: int, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Ask for more GPU-seconds in a pool: at most half of what was awarded there, once for a grant.

    Raises Refused where a rule forbids it or such a request is open already, as all of asking does.
    """
    grant = _locked(line.grant, by)
    require_running(grant, at)
    require_supplement(line, gpu_seconds)
    return _ask(Kind.SUPPLEMENT, grant.project, by, at, reason, grant=grant, pool=line.pool, gpu_seconds=gpu_seconds)


@transaction.atomic
def extension_ask(*, grant: Grant, until: date, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Ask for a later last day (inclusive), by six months at most. It brings no hours."""
    grant = _locked(grant, by)
    require_running(grant, at)
    require_extension(grant, until)
    return _ask(Kind.EXTENSION, grant.project, by, at, reason, grant=grant, until=until)


@transaction.atomic
def transfer_ask(
    *, line: GrantLine, to_pool: Pool, gpu_seconds: int, reason: str, by: User, at: datetime
) -> ChangeRequest:
    """Ask to move GPU-seconds of what is left in a pool to another; pools' rates say what arrives."""
    grant = _locked(line.grant, by)
    require_running(grant, at)
    require_transfer(line, to_pool, gpu_seconds)
    wish = {"pool": line.pool, "to_pool": to_pool, "gpu_seconds": gpu_seconds}
    return _ask(Kind.TRANSFER, grant.project, by, at, reason, grant=grant, **wish)


@transaction.atomic
def pi_change_ask(*, project: Project, new_pi: User, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Ask that another active member leads the project. The delegate may ask where the PI no longer can."""
    require_manager(project, by)
    require_new_pi(project, new_pi)
    return _ask(Kind.PI_CHANGE, project, by, at, reason, new_pi=new_pi)


@transaction.atomic
def change_withdraw(*, change: ChangeRequest, by: User, at: datetime) -> ChangeRequest:
    """Take a request back. Raises LostRace where it was decided on meanwhile."""
    require_manager(change.project, by)
    _withdraw(change, by, at)
    return change


def _withdraw(change: ChangeRequest, by: User, at: datetime) -> None:
    _close(change, Status.WITHDRAWN, by, at)
    record("change.withdrawn", target=change, by=by, at=at, code=change.project.code)


# --- Giving back: nobody has to agree ---


@transaction.atomic
def hours_return(*, line: GrantLine, gpu_seconds: int, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Give back some of what is left in a pool, at once and for good. Raises Refused for more than is left."""
    grant = _locked(line.grant, by)
    if earlier := _pressed_twice(
        grant.project, by, at, reason, kind=Kind.RETURN, pool=line.pool, gpu_seconds=gpu_seconds
    ):
        return earlier
    require_running(grant, at)
    line = GrantLine.objects.select_for_update(of=("self",)).select_related("pool").get(pk=line.pk)
    require_left(line, gpu_seconds)
    ledger_enter(line=line, kind=LedgerEntry.Kind.REDUCTION, gpu_seconds=-gpu_seconds, reason=reason, by=by, at=at)
    record("grant.returned", target=grant, by=by, at=at, gpu_hours=gpu_hours(gpu_seconds))
    return _returned(grant, by, at, reason, pool=line.pool, gpu_seconds=gpu_seconds)


@transaction.atomic
def grant_return(*, grant: Grant, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Give back all that is left in every pool and end the grant now. Running jobs run on to their end. What was asked
    for about the grant is withdrawn with it: granted later it would bring the grant back."""
    grant = _locked(grant, by)
    if earlier := _pressed_twice(grant.project, by, at, reason, kind=Kind.RETURN, grant=grant, pool=None):
        return earlier
    require_running(grant, at)
    given_back = 0
    for line in grant.lines.select_for_update():
        if left := left_gpu_seconds(line):
            ledger_enter(line=line, kind=LedgerEntry.Kind.REDUCTION, gpu_seconds=-left, reason=reason, by=by, at=at)
            given_back += left
    Grant.objects.filter(pk=grant.pk).update(ends_at=max(at, grant.starts_at + timedelta(seconds=1)))
    for change in grant.changes.open().select_related("project"):
        _withdraw(change, by, at)
    record("grant.ended_early", target=grant, by=by, at=at, gpu_hours=gpu_hours(given_back))
    return _returned(grant, by, at, reason, gpu_seconds=given_back)


# --- Deciding ---


@transaction.atomic
def change_grant(
    *, change: ChangeRequest, gpu_seconds: int | None = None, answer: str = "", by: User, at: datetime
) -> ChangeRequest:
    """Grant a request and put it into effect; `gpu_seconds` grants less than was asked.

    Raises Refused where a rule forbids it as things stand now or the request lacks what its kind needs, LostRace
    where somebody else decided or it was withdrawn.
    """
    _require_decider(change, by)
    require_whole(change)
    if change.grant_id is not None:
        change.grant = Grant.objects.select_for_update(of=("self",)).select_related("project").get(pk=change.grant_id)
    asked = change.gpu_seconds
    if gpu_seconds is not None and asked is not None and not 0 < gpu_seconds <= asked:
        raise Refused(_("Grant an amount up to what was asked for."))
    _close(change, Status.GRANTED, by, at, answer=answer, gpu_seconds=gpu_seconds or asked)
    {
        Kind.SUPPLEMENT: _supplement,
        Kind.EXTENSION: _extend,
        Kind.TRANSFER: _transfer,
        Kind.PI_CHANGE: _change_pi,
    }[Kind(change.kind)](change, by, at)
    mails.decided(change)
    return change


@transaction.atomic
def change_refuse(*, change: ChangeRequest, answer: str, by: User, at: datetime) -> ChangeRequest:
    """Refuse a request with the reason that the PI reads. Raises as change_grant does."""
    _require_decider(change, by)
    if not answer.strip():
        raise Refused(_("Say why it is refused."))
    _close(change, Status.REFUSED, by, at, answer=answer)
    record("change.refused", target=change, by=by, at=at, code=change.project.code)
    mails.decided(change)
    return change


def _supplement(change: ChangeRequest, by: User, at: datetime) -> None:
    line, gpu_seconds = _line_of(change), change.gpu_seconds or 0
    require_first_supplement(line.grant, besides=change)  # it stands as granted by now itself
    reason = change.reason
    ledger_enter(line=line, kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=gpu_seconds, reason=reason, by=by, at=at)
    hours = gpu_hours(gpu_seconds)
    record("grant.supplemented", target=line.grant, by=by, at=at, gpu_hours=hours, pool=line.pool.code)


def _extend(change: ChangeRequest, by: User, at: datetime) -> None:
    if change.grant is None or change.until is None:
        raise lacking()
    require_extension(change.grant, change.until)
    Grant.objects.filter(pk=change.grant.pk).update(ends_at=midnight(change.until + timedelta(days=1)))
    record("grant.extended", target=change.grant, by=by, at=at, until=change.until.isoformat())


def _transfer(change: ChangeRequest, by: User, at: datetime) -> None:
    line, to_pool, gpu_seconds = _line_of(change), change.to_pool, change.gpu_seconds or 0
    if to_pool is None:
        raise lacking()
    arrives = require_transfer(line, to_pool, gpu_seconds)
    target = line_open(grant=line.grant, pool=to_pool)
    for part, amount in ((line, -gpu_seconds), (target, arrives)):
        kind, reason = LedgerEntry.Kind.TRANSFER, change.reason
        ledger_enter(line=part, kind=kind, gpu_seconds=amount, reason=reason, by=by, at=at)
    record(
        "grant.transferred",
        target=line.grant,
        by=by,
        at=at,
        gpu_hours=gpu_hours(gpu_seconds),
        pool=line.pool.code,
        to_pool=to_pool.code,
        arrived=gpu_hours(arrives),
    )


def _change_pi(change: ChangeRequest, by: User, at: datetime) -> None:
    if change.new_pi is None:
        raise lacking()
    project = Project.objects.select_for_update(no_key=True).get(pk=change.project_id)
    require_new_pi(project, change.new_pi)
    former, project.pi = project.pi, change.new_pi
    project.save(update_fields=["pi"])
    project.memberships.filter(user=change.new_pi, status=Membership.Status.ACTIVE).update(is_delegate=False)
    # The PI has no cap, and so nobody could lift one that came along.
    MemberCap.objects.filter(membership__project=project, membership__user=change.new_pi).delete()
    change.project = project
    topics = (f"person:{former.pk}", f"person:{change.new_pi.pk}")
    record("project.pi_changed", target=project, by=by, at=at, topics=topics, name=change.new_pi.display_name)
    mails.leads_now(project)
    mails.leads_no_longer(project, former)


# --- What all share ---


def _locked(grant: Grant, by: User) -> Grant:
    """The grant as it stands, held against other changes until this one is done. Raises Refused."""
    grant = Grant.objects.select_for_update(of=("self",)).select_related("project__pi").get(pk=grant.pk)
    require_manager(grant.project, by)
    return grant


def _pressed_twice(project: Project, by: User, at: datetime, reason: str, **what: Any) -> ChangeRequest | None:
    """The same of a moment ago: a button that was pressed twice asks, and gives back, once."""
    same = project.changes.exclude(status=Status.WITHDRAWN).filter(asked_by=by, reason=reason, **what)
    return same.filter(asked_at__gt=at - A_MOMENT, asked_at__lte=at).first()


def _line_of(change: ChangeRequest) -> GrantLine:
    lines = GrantLine.objects.select_for_update(of=("self",)).select_related("pool", "grant__project")
    line = lines.filter(grant=change.grant_id, pool=change.pool_id).first()
    if line is None:
        raise Refused(_("The grant has no hours in this pool."))
    return line


def _ask(kind: ChangeRequest.Kind, project: Project, by: User, at: datetime, reason: str, **wish: Any) -> ChangeRequest:
    try:
        with transaction.atomic():
            change = ChangeRequest.objects.create(
                project=project,
                kind=kind,
                reason=reason,
                asked_by=by,
                asked_at=at,
                due_at=business_days_after(at, DAYS_TO_DECIDE),
                **wish,
            )
    except IntegrityError:
        if earlier := _pressed_twice(project, by, at, reason, kind=kind, **wish):
            return earlier
        raise Refused(_("Such a request of this project is waiting for a decision already.")) from None
    record(f"change.{kind}_asked", target=change, by=by, at=at, code=project.code)
    mails.asked(change)
    return change


def _returned(grant: Grant, by: User, at: datetime, reason: str, **what: Any) -> ChangeRequest:
    """Keep the return among the project's changes, and tell the PI and the office."""
    change = ChangeRequest.objects.create(
        project=grant.project,
        grant=grant,
        kind=Kind.RETURN,
        status=Status.GRANTED,
        reason=reason,
        asked_by=by,
        asked_at=at,
        decided_by=by,
        decided_at=at,
        **what,
    )
    mails.returned(change)
    return change


def _require_decider(change: ChangeRequest, by: User) -> None:
    if not may_decide(by, change):
        raise Refused(_("Nobody decides on requests of their own, their institution or their project."))


def _close(change: ChangeRequest, status: ChangeRequest.Status, by: User, at: datetime, **more: Any) -> None:
    """The conditional update: one closes it, everybody else lost the race."""
    rows = ChangeRequest.objects.filter(pk=change.pk, status=Status.ASKED)
    if not rows.update(status=status, decided_by=by, decided_at=at, **more):
        raise LostRace("change")
    change.refresh_from_db(fields=["status", "decided_by", "decided_at", *more])
