"""From an accepted award to what stands: project, grant, ledger, Slurm accounts to be applied, invitations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Application, Grant, LedgerEntry, Membership, Pool, Project
from allocations.permissions import can_with_project
from allocations.services.ledger import ledger_enter, line_open
from allocations.services.members import member_invite
from allocations.services.numbers import project_code
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User
from portal.people.permissions import Permission
from portal.web.templatetags.figures import gpu_hours


@transaction.atomic
def grant_award(*, application: Application, awards: Mapping[Pool, int], by: User, at: datetime) -> Grant:
    """The grant of `awards`, GPU-seconds by pool, in a project of its own or, for a renewal, in the renewed one.

    Opens on the day asked for, or today where that is later; a renewal leaves no gap behind the grant before it.
    Raises Refused where the period asked for has passed, or the applicant leads the renewed project no longer.
    """
    if application.starts_on is None or application.ends_on is None:
        raise Refused(_("The application names no period."))
    project = _project_of(application, by, at)
    starts_at = _start(application.starts_on, project, at)
    ends_at = midnight(application.ends_on + timedelta(days=1))
    if ends_at <= max(starts_at, at):
        raise Refused(_("The period asked for has passed."))
    grant = Grant.objects.create(
        project=project, application=application, starts_at=starts_at, ends_at=ends_at, created_at=at
    )
    for pool, seconds in awards.items():
        _line_create(grant, pool, seconds, by, at)
    record("grant.awarded", target=grant, by=by, at=at, gpu_hours=gpu_hours(sum(awards.values())))
    _invite_team(application, project, at)
    return grant


def midnight(day: date) -> datetime:
    """The day's beginning in Asia/Seoul."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())


def _start(asked_for: date, project: Project, at: datetime) -> datetime:
    today = midnight(timezone.localdate(at, timezone.get_default_timezone()))
    start = max(midnight(asked_for), today)
    ends = project.grants.values_list("ends_at", flat=True)
    return min(start, max([today, *ends])) if ends else start


def _project_of(application: Application, by: User, at: datetime) -> Project:
    if application.renews is None:
        return _project_create(application, by, at)
    if not can_with_project(application.applicant, Permission.PROJECT_MANAGE, application.renews):
        raise Refused(_("Only the PI or the delegate may renew the project."))
    return application.renews


def _project_create(application: Application, by: User, at: datetime) -> Project:
    project = Project.objects.create(
        code=project_code(at),
        title_ko=application.title_ko,
        title_en=application.title_en,
        pi=application.applicant,
        institution=application.institution,
        created_at=at,
    )
    Membership.objects.create(
        project=project,
        user=project.pi,
        email=project.pi.email,
        name=project.pi.name_ko,
        status=Membership.Status.ACTIVE,
        invited_at=at,
        joined_at=at,
    )
    record("project.created", target=project, by=by, at=at, topics=(f"person:{project.pi_id}",), code=project.code)
    return project


def _line_create(grant: Grant, pool: Pool, seconds: int, by: User, at: datetime) -> None:
    line = line_open(grant=grant, pool=pool)
    ledger_enter(line=line, kind=LedgerEntry.Kind.AWARD, gpu_seconds=seconds, reason=grant.reference, by=by, at=at)


def _invite_team(application: Application, project: Project, at: datetime) -> None:
    """Invite the proposed members who are not in the project yet, and mark the delegate."""
    delegate = application.delegate_email.lower()
    proposed = application.proposed_members.all()
    team = {member.email.lower(): (member.name, member.cluster_username) for member in proposed}
    if delegate:
        team.setdefault(delegate, (application.delegate_name, ""))
    present = _addresses(project)
    for email, (name, username) in team.items():
        if email not in present:
            by = application.applicant
            member_invite(project=project, email=email, name=name, proposed_username=username, by=by, at=at)
    if delegate and delegate != project.pi.email.lower():
        current = project.memberships.exclude(status=Membership.Status.REMOVED)
        (current.filter(email__iexact=delegate) | current.filter(user__email__iexact=delegate)).update(is_delegate=True)


def _addresses(project: Project) -> set[str]:
    """Of everybody in the project or invited to it, as invited and as they sign in."""
    current = project.memberships.exclude(status=Membership.Status.REMOVED)
    pairs = current.values_list("email", "user__email")
    return {address.lower() for pair in pairs for address in pair if address}
