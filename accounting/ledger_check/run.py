"""The check as a whole: all of it at one moment of the database, kept for the operator's page."""

from __future__ import annotations

import logging
from datetime import datetime, time, timedelta

from django.db import connection, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from accounting.balance import update_line_charges
from accounting.ledger_check import frozen, grants, usage
from accounting.ledger_check.findings import Check, Checked, Result, sentence
from accounting.models import LedgerCheck
from accounting.usage import SEOUL
from allocations.provisioning.sentences import in_words
from portal.live.notices import announce

log = logging.getLogger(__name__)

# When the nightly check is due, in Asia/Seoul.
NIGHTLY = time(3)
# So many findings of a check are kept in words; the rest is counted.
MOST_NAMED = 10

CHECKS = (
    Check("balances", _("Balances are the sum of their ledger"), grants.balances),
    Check("awards", _("Awards are what was decided"), grants.awards),
    Check("overruns", _("Overruns are carried over or written off as the ledger says"), grants.overruns),
    Check("settlements", _("Settled grants name their overruns"), grants.settlements),
    Check("refunds", _("Refunds are in the ledger, job by job"), grants.refunds),
    Check("months", _("Usage by month is the sum of its days"), usage.months),
    Check("sums", _("Usage by day and account is the sum of its persons'"), usage.sums),
    Check("days", _("Usage by day is what the jobs held"), usage.days),
    Check("charges", _("Charges of grants make up all usage"), usage.charges),
    Check("statements", _("Statements add up and are numbered without gaps"), frozen.statements),
    Check("triggers", _("Ledger, events and statements refuse changes"), frozen.triggers),
)


def check_ledger(*, at: datetime) -> LedgerCheck:
    """Check everything and keep what was found."""
    update_line_charges(at=at)  # a grant changed a moment ago has its charges in a moment
    results = _results(at)
    check = LedgerCheck.objects.create(at=at, results=results, wrong=sum(row["count"] for row in results))
    announce(["operations"], "ledger.checked")
    return check


def check_when_due(at: datetime) -> LedgerCheck | None:
    """The nightly check, once after each NIGHTLY; None where it is done. For the worker."""
    last = LedgerCheck.objects.values_list("at", flat=True).first()
    return check_ledger(at=at) if last is None or last < _last_nightly(at) else None


def results_of(check: LedgerCheck) -> list[Result]:
    """In the reader's language."""
    titles = {known.name: known.title for known in CHECKS}
    return [
        Result(
            title=gettext(titles.get(row["check"], row["check"])),
            checked=row["checked"],
            wrong=row["count"],
            named=[in_words(sentence) for sentence in row["wrong"]],
        )
        for row in check.results
    ]


def _results(at: datetime) -> list[dict[str, object]]:
    """All of one moment: usage is stored while this goes on."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return [_result(check, _look(check, at)) for check in CHECKS]


def _look(check: Check, at: datetime) -> Checked:
    """A check that cannot be made is a finding, and keeps no other from its turn."""
    try:
        with transaction.atomic():
            return check.look(at)
    except Exception as error:
        log.exception("The check of %s could not be made.", check.name)
        reason = sentence(_("It could not be checked: %(error)s"), error=f"{type(error).__name__}: {error}")
        return Checked(wrong=[reason])


def _result(check: Check, found: Checked) -> dict[str, object]:
    return {
        "check": check.name,
        "checked": found.checked,
        "count": len(found.wrong),
        "wrong": found.wrong[:MOST_NAMED],
    }


def _last_nightly(at: datetime) -> datetime:
    local = at.astimezone(SEOUL)
    today = datetime.combine(local.date(), NIGHTLY, SEOUL)
    return today if today <= local else today - timedelta(days=1)
