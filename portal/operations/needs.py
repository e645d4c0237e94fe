"""What waits for an operator, pile by pile, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting.models import Deviation, Refund
from accounting.statements.closing import is_overdue
from allocations.models import Account, Cluster
from allocations.services.drift import drifts_to_decide
from portal.operations.ledger_check import books_wrong
from portal.operations.rows import rows_waiting
from portal.operations.verification import is_disputed, is_late
from portal.post.models import Mail

MAILS_LOOKED_BACK = timedelta(days=7)
# The worker looks every minute: what is due for so long nobody has looked at.
MAIL_PATIENCE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Need:
    """A sentence, and the address where it is dealt with; empty where only the machine itself can be looked at."""

    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What has a page of its own: how many wait there, or whether anything does."""

    cluster: Cluster
    drifts: int
    alarms: int
    rows: int
    refunds: int
    books_wrong: int
    disputed: bool
    comparing_late: bool
    statements_overdue: bool


def what_waits(at: datetime) -> Waiting:
    cluster = Cluster.objects.select_related("writing_changed_by").get(pk=Cluster.current().pk)
    return Waiting(
        cluster=cluster,
        drifts=drifts_to_decide(cluster).count(),
        alarms=Deviation.objects.alarms(at).count(),
        rows=rows_waiting(),
        refunds=Refund.objects.filter(status=Refund.Status.ASKED).count(),
        books_wrong=books_wrong(),
        disputed=is_disputed(),
        comparing_late=is_late(at),
        statements_overdue=is_overdue(at),
    )


def needs_operator(at: datetime) -> list[str]:
    """What an operator has to look at now, a sentence each; empty where all is well."""
    return [need.text for need in needs(at)]


def needs(at: datetime) -> list[Need]:
    """The same with the page on which it is dealt with."""
    return needs_of(what_waits(at), at)


def needs_of(waiting: Waiting, at: datetime) -> list[Need]:
    """The most pressing first."""
    cluster = waiting.cluster
    refused = Account.objects.filter(state=Account.State.REFUSED).count()
    dangers = sum(row["level"] == "danger" for row in cluster.findings)
    pausing = cluster.pausing_waits and cluster.pausing_confirmed_at is None
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
        (pausing, _("A plan waits for your confirmation."), reverse("operations_pausing")),
        (
            waiting.drifts,
            _("Something was changed in Slurm outside the portal and waits for your decision."),
            reverse("operations_drift"),
        ),
        (
            waiting.alarms,
            _("Slurm's usage counter and the ledger do not agree."),
            reverse("operations_counters"),
        ),
        (
            waiting.disputed,
            _("Figures differ from Slurm's own and nothing explains it."),
            reverse("operations_verification"),
        ),
        (
            waiting.comparing_late,
            _("Figures are not being compared with Slurm's own any more."),
            reverse("operations_verification"),
        ),
        (
            waiting.books_wrong,
            _("The nightly check found sums that are not what they should be."),
            reverse("operations_verification") + "#ledger-check",
        ),
        (
            waiting.rows,
            _("Job rows wait for you: held, unreadable, without an end, or late."),
            reverse("operations_rows"),
        ),
        (
            waiting.refunds,
            _("Refunds were asked for and wait for your decision."),
            reverse("operations_refunds"),
        ),
        (
            waiting.statements_overdue,
            _("Statements of last month are not closed yet."),
            reverse("operations_statements"),
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
