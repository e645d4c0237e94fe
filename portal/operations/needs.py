"""What waits for an operator, pile by pile, and the sentences that say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Subquery
from django.urls import reverse
from django.utils.translation import gettext as _

from accounting.models import Deviation, IngestMark, LedgerCheck, Refund, Verification
from accounting.statements.closing import is_overdue
from allocations.models import Account, Cluster
from allocations.services.drift import drifts_to_decide
from portal.operations.rows import rows_waiting
from portal.operations.verification import is_late
from portal.post.models import Mail
from portal.sums import count_of

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
    refused: bool
    mails_failed: bool
    mails_stuck: bool
    statements_overdue: bool


def what_waits(at: datetime) -> Waiting:
    """One query, and a few for statements once those of last month should have been closed."""
    rows = Cluster.objects.filter(name=settings.SLURM_CLUSTER).select_related("writing_changed_by")
    found: Any = rows.annotate(**_figures(at))
    # In a new database there is none yet.
    cluster = found.first() or found.get(pk=Cluster.current().pk)
    drifts = cluster.drifts if cluster.repairs_by_itself else cluster.drifts_by_word
    return Waiting(
        cluster=cluster,
        drifts=drifts,
        alarms=cluster.alarms,
        rows=cluster.rows,
        refunds=cluster.refunds,
        books_wrong=cluster.books_wrong or 0,
        disputed=bool(cluster.disputed),
        comparing_late=is_late(at, read_until=cluster.read_until, compared=cluster.compared_until),
        refused=cluster.refused,
        mails_failed=cluster.mails_failed,
        mails_stuck=cluster.mails_stuck,
        statements_overdue=is_overdue(at),
    )


def _figures(at: datetime) -> dict[str, Any]:
    """To be read along with the cluster."""
    last = Verification.objects.order_by("-at", "-pk")
    return {
        "drifts": count_of(drifts_to_decide(repairs_by_itself=True)),
        "drifts_by_word": count_of(drifts_to_decide(repairs_by_itself=False)),
        "alarms": count_of(Deviation.objects.alarms(at)),
        "rows": rows_waiting(),
        "refunds": count_of(Refund.objects.filter(status=Refund.Status.ASKED)),
        "books_wrong": Subquery(LedgerCheck.objects.values("wrong")[:1]),
        "disputed": Subquery(last.values("disputed")[:1]),
        "compared_until": Subquery(Verification.objects.order_by("-period_end").values("period_end")[:1]),
        "read_until": Subquery(IngestMark.objects.filter(cluster=OuterRef("name")).values("read_until")[:1]),
        "refused": Exists(Account.objects.filter(state=Account.State.REFUSED)),
        "mails_failed": Exists(Mail.objects.failed_since(at - MAILS_LOOKED_BACK)),
        "mails_stuck": Exists(Mail.objects.filter(due_at__lt=at - MAIL_PATIENCE)),
    }


def needs_operator(at: datetime) -> list[str]:
    """What an operator has to look at now, a sentence each; empty where all is well."""
    return [need.text for need in needs(at)]


def needs(at: datetime) -> list[Need]:
    """The same with the page on which it is dealt with."""
    return needs_of(what_waits(at), at)


def needs_of(waiting: Waiting, at: datetime) -> list[Need]:
    """The most pressing first."""
    cluster = waiting.cluster
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
        (waiting.refused, _("Slurm refused changes of accounts."), reverse("operations") + "#troubles"),
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
            waiting.mails_failed,
            _("Mails could not be sent: please look at the mail server."),
            mails,
        ),
        (
            waiting.mails_stuck,
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
