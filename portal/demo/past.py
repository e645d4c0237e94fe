"""What follows from the demo's written history, at once rather than when the worker gets to it: usage, Slurm's own
figures beside it, refunds by rule and on request, statements of the months that are over, and alerts."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from accounting.alerts.evaluate import evaluate
from accounting.history.ingest import ingest
from accounting.models import UsageMonth
from accounting.refunds.request import refund_ask
from accounting.refunds.rule import DELIVERED, refund_by_rule, rule_set
from accounting.refunds.selectors import askable_jobs
from accounting.statements.closing import close_due, closes_on, months_over
from accounting.verification.verify import beginning, default_period, verify
from allocations.models import Account, Rebase
from allocations.services.accounts import account_rebase
from portal.demo.history import ACCOUNT
from portal.demo.reports import seed_reports
from portal.demo.seed import person
from portal.demo.texts import REBASE_REASON, REFUND_WORDS
from portal.slurm.gateway import SlurmGateway


def seed_past(gateway: SlurmGateway, at: datetime) -> None:
    """Once, after the history was written. Raises SlurmError where Slurm does not answer."""
    ingest(gateway, at=at, most=None)
    for account in Account.objects.filter(offset_gpu_seconds=0).order_by("pk"):
        _note_what_the_counter_lacks(account, at)
    verify(gateway, start=beginning(at), end=default_period(at)[1], at=at)
    project = Account.objects.select_related("project__pi").get(name=ACCOUNT).project
    begun = project.created_at
    rule_set(states=DELIVERED, most_hours=None, since=begun, seen=None, by=person("operator"), at=begun)
    refund_by_rule(at, thorough=True)
    job = askable_jobs(project, at).first()
    if job is not None:
        refund_ask(job=job, project=project, words=REFUND_WORDS, by=project.pi, at=at)
    for day in map(closes_on, months_over(at)):
        if day <= at:
            close_due(day)
    seed_reports(at)
    evaluate(at)


def _note_what_the_counter_lacks(account: Account, at: datetime) -> None:
    """slurmctld's live counter knows nothing of what was written, as after a move to a new cluster."""
    used = UsageMonth.objects.filter(account_name=account.name).aggregate(used=Sum("gpu_seconds", default=0))["used"]
    if not used:
        return
    account_rebase(
        account=account,
        offset_gpu_seconds=-used,
        cause=Rebase.Cause.ADOPTION,
        reason=REBASE_REASON,
        counter=0,
        ledger=used,
        by=None,
        at=at,
    )
