"""From an award to what stands: project, grant, ledger, Slurm accounts to be applied, invitations."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.models import Account, Application, Grant, GrantLine, LedgerEntry, Membership, Pool, Project
from allocations.services.members import member_invite
from allocations.services.numbers import project_code
from allocations.services.outcomes import Refused
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import gpu_hours


@transaction.atomic
def grant_award(*, application: Application, awards: Mapping[Pool, int], by: User, at: datetime) -> Grant:
    """The project of an awarded application with its grant of `awards`, GPU-seconds by pool.

    Opens on the day asked for, or on the day of the decision where that is later. Raises Refused where the
    period asked for has passed.
    """
    if application.starts_on is None or application.ends_on is None:
        raise Refused(_("The application names no period."))
    starts_at = midnight(max(application.starts_on, timezone.localdate(at)))
    ends_at = midnight(application.ends_on + timedelta(days=1))
    if ends_at <= starts_at:
        raise Refused(_("The period asked for has passed."))
    project = _project_create(application, by, at)
    grant = Grant.objects.create(
        project=project, application=application, starts_at=starts_at, ends_at=ends_at, created_at=at
    )
    for pool, seconds in awards.items():
        _line_create(grant, pool, seconds, by, at)
    record("grant.awarded", target=grant, by=by, at=at, gpu_hours=gpu_hours(sum(awards.values())))
    for member in application.proposed_members.exclude(email__iexact=project.pi.email):
        member_invite(
            project=project,
            email=member.email,
            name=member.name,
            proposed_username=member.cluster_username,
            by=application.applicant,
            at=at,
        )
    return grant


def midnight(day: date) -> datetime:
    """The day's beginning in Asia/Seoul."""
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_default_timezone())


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
    line = GrantLine.objects.create(grant=grant, pool=pool)
    LedgerEntry.objects.create(
        line=line,
        kind=LedgerEntry.Kind.AWARD,
        gpu_seconds=seconds,
        reason=grant.application.number or "",
        by=by,
        at=at,
    )
    Account.objects.get_or_create(
        project=grant.project, pool=pool, defaults={"name": f"{grant.project.code}-{pool.code}"}
    )
