"""What the operator's page shows, read from the database alone: the web never asks Slurm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _

from accounting.models import IngestMark, Verification
from allocations.models import Account, OperationRecord
from allocations.provisioning.sentences import in_words
from allocations.selectors.usernames import names_asked, names_without_login
from portal.operations.needs import MAIL_PATIENCE, MAILS_LOOKED_BACK, needs_of, what_waits
from portal.post.models import MOST_TRIES, Mail
from portal.slurm.slips import SLIPS

MOST_PLANNED = 50
MOST_OPERATIONS = 30
LEVEL_BADGES = {"danger": "danger", "warning": "warning", "ok": "success"}


@dataclass(frozen=True, slots=True)
class FindingRow:
    badge: str
    level: str
    text: str
    file: str
    line: str


@dataclass(frozen=True, slots=True)
class OperationRow:
    record: OperationRecord
    text: str
    badge: str
    result: str


@dataclass(frozen=True, slots=True)
class MailState:
    """How the portal's mails fare. `stuck_since` is since when the oldest one is due that nobody tried to send."""

    waiting: int
    stuck_since: datetime | None
    given_up: int
    last_error: str
    last_sent_at: datetime | None


def mail_state(at: datetime) -> MailState:
    """Of the last MAILS_LOOKED_BACK, and of everything that still waits. Two queries."""
    since = at - MAILS_LOOKED_BACK
    due = Q(due_at__isnull=False)
    figures = Mail.objects.filter(due | Q(created_at__gte=since)).aggregate(
        waiting=Count("pk", filter=due & Q(daily=False)),
        stuck_since=Min("due_at", filter=Q(due_at__lt=at - MAIL_PATIENCE)),
        given_up=Count("pk", filter=Q(created_at__gte=since, sent_at=None, tries__gte=MOST_TRIES)),
        last_sent_at=Max("sent_at"),
    )
    failed = Mail.objects.filter(sent_at=None, created_at__gte=since).exclude(error="").first()
    return MailState(last_error=failed.error if failed else "", **figures)


def page_context(*, at: datetime) -> dict[str, Any]:
    waiting = what_waits(at)
    cluster = waiting.cluster
    found = [_finding(row) for row in cluster.findings]
    return {
        "cluster": cluster,
        "waiting": waiting,
        "needs": needs_of(waiting, at),
        "names_waiting": names_asked().count() + names_without_login().count(),
        "attached": cluster.is_attached(at),
        "absent_reason": settings.SLURM_ABSENT_REASON and _(settings.SLURM_ABSENT_REASON),
        "driver_note": in_words(cluster.driver_note) if cluster.driver_note else "",
        "findings": found,
        "slips": [in_words(asdict(slip)) for slip in SLIPS],
        "dangers": [row for row in found if row.badge == "danger"],
        "planned": _sentences(cluster.pending_plan[:MOST_PLANNED]),
        "planned_more": max(0, len(cluster.pending_plan) - MOST_PLANNED),
        "remarks": _sentences(cluster.remarks),
        "refused": Account.objects.filter(state=Account.State.REFUSED).select_related("project"),
        "operations": [_operation(record) for record in OperationRecord.objects.all()[:MOST_OPERATIONS]],
        "mark": IngestMark.current(),
        "verification": Verification.objects.first(),
        "mails": mail_state(at),
    }


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [in_words(row) for row in rows]


def _finding(row: Mapping[str, Any]) -> FindingRow:
    levels = {"danger": _("Danger"), "warning": _("Warning"), "ok": _("In order")}
    level = row["level"]
    return FindingRow(LEVEL_BADGES[level], levels[level], in_words(row), row.get("file", ""), row.get("line", ""))


def _operation(record: OperationRecord) -> OperationRow:
    if record.succeeded:
        badge, result = "success", _("Done")
    elif record.succeeded is None:
        badge, result = "warning", _("Unknown, compared again")
    elif record.permanent:
        badge, result = "danger", _("Refused by Slurm")
    else:
        badge, result = "warning", _("No answer, will be tried again")
    return OperationRow(record, in_words(record.sentence), badge, result)
