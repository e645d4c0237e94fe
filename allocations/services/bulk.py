"""Bulk import: projects, people and grants of a center that comes from spreadsheets. All or nothing, and idempotent.

A line of a grant is recognised by project, pool and first day. What is there already must be as the file says;
changes go through the portal's own ways, which the bad row names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from allocations.mails import members as mails
from allocations.models import Grant, GrantLine, LedgerEntry, Membership, Project
from allocations.selectors.changes import LineFigures, figures
from allocations.selectors.reports import last_day
from allocations.services.bulk_check import Known, bad_rows, user_names
from allocations.services.bulk_rows import BadRow, Member, Row, members_of_rows
from allocations.services.grants import midnight
from allocations.services.ledger import ledger_enter, line_open
from portal.events.services import record
from portal.people.models import Institution, User
from portal.web.templatetags.figures import gpu_hours


@dataclass(slots=True)
class Imported:
    """What an import made, or with `check` would make."""

    people: int = 0
    projects: int = 0
    members: int = 0
    grants: int = 0
    lines: int = 0
    new_people: list[User] = field(default_factory=list)


class BadFile(Exception):
    """Rows that cannot be imported; nothing was."""

    def __init__(self, rows: list[BadRow]) -> None:
        super().__init__(str(len(rows)))
        self.rows = rows


@transaction.atomic
def grants_import(*, rows: list[Row], by: User, at: datetime, invite: bool = False, check: bool = False) -> Imported:
    """Make what is not there yet. With `check` nothing stays. Raises BadFile with every bad row.

    New people have no password: they set one by "forgot password", which `invite` tells them by mail.
    """
    known = Known.load(rows)
    if bad := bad_rows(rows, known):
        raise BadFile(bad)
    done = Imported()
    people = _people(rows, known, by, at, done)
    by_project: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_project[row.project_code].append(row)
    for code, of_project in by_project.items():
        project = known.projects.get(code) or _project(of_project[0], people, known, by, at, done)
        _memberships(project, of_project, people, by, at, done)
        _grants(project, of_project, known, by, at, done)
    if check:
        transaction.set_rollback(True)
    elif invite:
        for user in done.new_people:
            mails.imported(user)
    return done


def grants_export() -> list[Row]:
    """Every line that is worth something, as `grants_import` takes it back."""
    rows = [row for row in figures(GrantLine.objects.all()) if row.granted >= 60]
    projects = Project.objects.select_related("pi", "institution").prefetch_related("memberships__user")
    by_pk = {project.pk: project for project in projects}
    exported = [_as_row(row, by_pk[row.line.grant.project_id]) for row in rows]
    return sorted(exported, key=lambda row: (row.project_code, row.start, row.pool))


def _as_row(row: LineFigures, project: Project) -> Row:
    current = [each for each in project.memberships.all() if each.status == Membership.Status.ACTIVE and each.user]
    members = [Member(each.user.email, each.user.cluster_username or "") for each in current if each.user]
    return Row(
        line=0,
        project_code=project.code,
        title=project.title_ko,
        institution=project.institution.name_ko,
        pi_email=project.pi.email,
        members=tuple(sorted(members, key=lambda member: member.email)),
        pool=row.pool.code,
        gpu_seconds=row.granted // 60 * 60,
        start=row.first_day,
        end=row.last_day,
    )


def _people(rows: list[Row], known: Known, by: User, at: datetime, done: Imported) -> dict[str, User]:
    """Everybody named, by address; made where they are new, with the institution of their address or project.

    The names on the cluster that the file gives are approved by who imports it, their own excepted.
    """
    people = dict(known.people)
    names = user_names(rows)
    for row, member in members_of_rows(rows):
        username = names.get(member.email)
        if member.email not in people:
            institution = Institution.objects.for_email(member.email) or known.institutions[row.institution]
            people[member.email] = _person(member.email, institution)
            done.new_people.append(people[member.email])
            done.people += 1
        user = people[member.email]
        if username and user.cluster_username_approved_at is None:
            _name(user, username, by, at)
    return people


def _name(user: User, username: str, by: User, at: datetime) -> None:
    """As approved; one's own is asked for, and waits for another operator."""
    user.cluster_username, user.cluster_username_refusal = username, ""
    if user.pk == by.pk:
        user.cluster_username_asked_at = user.cluster_username_asked_at or at
    else:
        user.cluster_username_approved_at, user.cluster_username_approved_by = at, by
    user.save()


def _person(email: str, institution: Institution) -> User:
    user = User.objects.create_user(email, None, name_ko=email.partition("@")[0], institution=institution)
    EmailAddress.objects.create(user=user, email=email, verified=False, primary=True)
    return user


def _project(row: Row, people: dict[str, User], known: Known, by: User, at: datetime, done: Imported) -> Project:
    pi = people[row.pi_email]
    project = Project.objects.create(
        code=row.project_code,
        title_ko=row.title,
        title_en=row.title,
        pi=pi,
        institution=known.institutions[row.institution],
        created_at=at,
    )
    record("project.imported", target=project, by=by, at=at, topics=(f"person:{pi.pk}",), code=project.code)
    done.projects += 1
    return project


def _memberships(
    project: Project, rows: Iterable[Row], people: dict[str, User], by: User, at: datetime, done: Imported
) -> None:
    """Add who has never been in the project: who was removed here stays out."""
    of_project = project.memberships.select_related("user")
    there = {each.user.email.lower() if each.user else each.email.lower() for each in of_project}
    for _row, member in members_of_rows(rows):
        if member.email in there:
            continue
        there.add(member.email)
        user = people[member.email]
        membership = Membership.objects.create(
            project=project,
            user=user,
            email=user.email,
            name=user.name_ko,
            status=Membership.Status.ACTIVE,
            invited_by=by,
            invited_at=at,
            joined_at=at,
        )
        record("member.imported", target=membership, by=by, at=at, email=user.email)
        done.members += 1


def _grants(project: Project, rows: Iterable[Row], known: Known, by: User, at: datetime, done: Imported) -> None:
    """Lines that are not there yet; those of the same days are of one grant."""
    for row in rows:
        pool = known.pools[row.pool]
        if known.line(row) is not None:
            continue
        grant = _grant_of(project, row) or _grant(project, row, at, done)
        line = line_open(grant=grant, pool=pool)
        kind, reason = LedgerEntry.Kind.AWARD, _("Imported from the center's list")
        ledger_enter(line=line, kind=kind, gpu_seconds=row.gpu_seconds, reason=reason, by=by, at=at)
        hours = gpu_hours(row.gpu_seconds)
        record("grant.imported", target=grant, by=by, at=at, gpu_hours=hours)
        done.lines += 1


def _grant_of(project: Project, row: Row) -> Grant | None:
    same_days = (grant for grant in project.grants.all() if _days(grant) == (row.start, row.end))
    return next(same_days, None)


def _grant(project: Project, row: Row, at: datetime, done: Imported) -> Grant:
    done.grants += 1
    ends_at = midnight(row.end + timedelta(days=1))
    return Grant.objects.create(project=project, starts_at=midnight(row.start), ends_at=ends_at, created_at=at)


def _days(grant: Grant) -> tuple[object, object]:
    return timezone.localdate(grant.starts_at, timezone.get_default_timezone()), last_day(grant)
