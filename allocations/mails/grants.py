"""Mails about a grant in its life, to the PI and the project's delegates."""

from __future__ import annotations

from allocations.models import Account, Grant, GrantLine, LedgerEntry, Membership, Project, Suspension
from allocations.texts import center_text
from portal.people.models import User
from portal.post.kinds import MailKind
from portal.post.sending import link_to, post


def suspended(suspension: Suspension, *, jobs_stopped: bool) -> None:
    grant = suspension.grant
    _tell(MailKind.DECISION, grant.project, "grant_suspended", suspension=suspension, jobs_stopped=jobs_stopped)


def resumed(grant: Grant) -> None:
    _tell(MailKind.DECISION, grant.project, "grant_resumed")


def adjusted(line: GrantLine, entry: LedgerEntry) -> None:
    amounts = {"entry": entry, "taken": -entry.gpu_seconds}
    _tell(MailKind.DECISION, line.grant.project, "grant_adjusted", pool=line.pool, **amounts)


def exhausted(account: Account) -> None:
    _tell(MailKind.TASK, account.project, "account_exhausted", account=account, pool=account.pool)


def _tell(kind: MailKind, project: Project, template: str, **context: object) -> None:
    link = link_to("project", project.code)
    for person in managers(project):
        post(kind, person, f"mails/{template}", link=link, project=project, contact=_contact, **context)


def managers(project: Project) -> list[User]:
    """The PI and the active delegates, the PI first."""
    rows = project.memberships.filter(status=Membership.Status.ACTIVE, is_delegate=True, user__isnull=False)
    delegates = [row.user for row in rows.select_related("user") if row.user and row.user != project.pi]
    return [project.pi, *delegates]


def _contact() -> str:
    """Called by the template, so that it is in the receiver's language."""
    return center_text("contact")
