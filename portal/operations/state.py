"""What the operator's page shows, read from the database alone: the web never asks Slurm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _

from accounting.models import IngestMark, Verification
from allocations.models import Account, Cluster, OperationRecord
from allocations.provisioning.sentences import in_words
from portal.post.models import MOST_TRIES, Mail

MOST_PLANNED = 50
MOST_OPERATIONS = 30
MAILS_LOOKED_BACK = timedelta(days=7)
# The worker looks every minute: what is due for so long nobody has looked at.
MAIL_PATIENCE = timedelta(minutes=15)
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
    cluster = Cluster.objects.select_related("writing_changed_by").get(pk=Cluster.current().pk)
    found = [_finding(row) for row in cluster.findings]
    return {
        "cluster": cluster,
        "attached": cluster.is_attached(at),
        "absent_reason": settings.SLURM_ABSENT_REASON and _(settings.SLURM_ABSENT_REASON),
        "driver_note": in_words(cluster.driver_note) if cluster.driver_note else "",
        "findings": found,
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


def needs_operator(at: datetime) -> list[str]:
    """What an operator has to look at now, a sentence each; empty where all is well."""
    cluster = Cluster.current()
    refused = Account.objects.filter(state=Account.State.REFUSED).count()
    dangers = sum(row["level"] == "danger" for row in cluster.findings)
    waiting = cluster.pausing_waits and cluster.pausing_confirmed_at is None
    conditions = [
        (not cluster.is_attached(at), _not_attached()),
        (not cluster.writing_enabled, _("Writing to Slurm is switched off: the portal only observes.")),
        (dangers, _("Slurm does not enforce what budgets need.")),
        (refused, _("Slurm refused changes of accounts.")),
        (waiting, _("A plan waits for your confirmation.")),
        (
            Mail.objects.failed_since(at - MAILS_LOOKED_BACK).exists(),
            _("Mails could not be sent: please look at the mail server."),
        ),
        (
            Mail.objects.filter(due_at__lt=at - MAIL_PATIENCE).exists(),
            _("Mails and reminders wait and nobody sends them: please look whether the worker runs."),
        ),
        (cluster.last_error or cluster.remarks, _("The worker reports something that it cannot mend by itself.")),
    ]
    return [str(sentence) for applies, sentence in conditions if applies]


def _not_attached() -> str:
    if settings.SLURM_ABSENT_REASON:
        return _("No cluster is attached: %(reason)s") % {"reason": _(settings.SLURM_ABSENT_REASON)}
    return _("No worker is connected, so Slurm is neither read nor changed.")


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [in_words(row) for row in rows]


def _finding(row: Mapping[str, Any]) -> FindingRow:
    levels = {"danger": _("Danger"), "warning": _("Warning"), "ok": _("In order")}
    level = row["level"]
    return FindingRow(LEVEL_BADGES[level], levels[level], in_words(row), row.get("file", ""), row.get("line", ""))


def _operation(record: OperationRecord) -> OperationRow:
    if record.succeeded:
        badge, result = "success", _("Done")
    elif record.permanent:
        badge, result = "danger", _("Refused by Slurm")
    else:
        badge, result = "warning", _("No answer, will be tried again")
    return OperationRow(record, in_words(record.sentence), badge, result)
