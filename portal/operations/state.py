"""What the operator's page shows, read from the database alone: the web never asks Slurm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Min, Q
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting.models import Deviation, IngestMark, Verification
from allocations.models import Account, Cluster, OperationRecord
from allocations.provisioning.sentences import in_words
from allocations.selectors.usernames import names_asked, names_without_login
from allocations.services.drift import drifts_to_decide
from portal.post.models import MOST_TRIES, Mail
from portal.slurm.slips import SLIPS

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


@dataclass(frozen=True, slots=True)
class Need:
    """A sentence, and the address where it is dealt with; empty where only the machine itself can be looked at."""

    text: str
    link: str


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
        "needs": needs(at),
        "drifts_waiting": drifts_to_decide(cluster).count(),
        "alarms": Deviation.objects.alarms(at).count(),
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


def needs_operator(at: datetime) -> list[str]:
    """What an operator has to look at now, a sentence each; empty where all is well."""
    return [need.text for need in needs(at)]


def needs(at: datetime) -> list[Need]:
    """The same with the page on which it is dealt with, the most pressing first."""
    cluster = Cluster.current()
    refused = Account.objects.filter(state=Account.State.REFUSED).count()
    dangers = sum(row["level"] == "danger" for row in cluster.findings)
    waiting = cluster.pausing_waits and cluster.pausing_confirmed_at is None
    mails = reverse("operations") + "#mails"
    conditions = [
        (not cluster.is_attached(at), _not_attached(), ""),
        (
            cluster.ahead_in_slurm is not None,
            _("The database is older than what Slurm has seen of it: nothing is written until you have looked."),
            reverse("operations_backup"),
        ),
        (
            not cluster.writing_enabled and cluster.ahead_in_slurm is None,
            _("Writing to Slurm is switched off: the portal only observes."),
            reverse("operations_writing"),
        ),
        (dangers, _("Slurm does not enforce what budgets need."), reverse("operations") + "#findings"),
        (refused, _("Slurm refused changes of accounts."), reverse("operations") + "#troubles"),
        (waiting, _("A plan waits for your confirmation."), reverse("operations_pausing")),
        (
            drifts_to_decide(cluster).exists(),
            _("Something was changed in Slurm outside the portal and waits for your decision."),
            reverse("operations_drift"),
        ),
        (
            Deviation.objects.alarms(at).exists(),
            _("Slurm's usage counter and the ledger do not agree."),
            reverse("operations_counters"),
        ),
        (
            Mail.objects.failed_since(at - MAILS_LOOKED_BACK).exists(),
            _("Mails could not be sent: please look at the mail server."),
            mails,
        ),
        (
            Mail.objects.filter(due_at__lt=at - MAIL_PATIENCE).exists(),
            _("Mails and reminders wait and nobody sends them: please look whether the worker runs."),
            mails,
        ),
        (
            cluster.last_error,
            _("The worker reports something that it cannot mend by itself."),
            reverse("operations") + "#troubles",
        ),
        (
            cluster.remarks,
            _("Something in Slurm is left to you: stopped by hand, in another place, or of no project."),
            reverse("operations") + "#left-to-you",
        ),
    ]
    return [Need(str(sentence), link) for applies, sentence, link in conditions if applies]


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
    elif record.succeeded is None:
        badge, result = "warning", _("Unknown, compared again")
    elif record.permanent:
        badge, result = "danger", _("Refused by Slurm")
    else:
        badge, result = "warning", _("No answer, will be tried again")
    return OperationRow(record, in_words(record.sentence), badge, result)
