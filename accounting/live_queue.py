"""The live queue and slurmctld's counters of our accounts, stored by the worker since the web may not ask Slurm."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from accounting.counter_check import fall
from accounting.models import Counter, IngestMark, QueueJob
from allocations.models import Account, Rebase
from allocations.services.accounts import account_rebase
from portal.live.notices import announce
from portal.slurm import types
from portal.slurm.gateway import SlurmGateway

FIELDS = ("job_id", "user_name", "partition", "state", "reason", "gpus", "submit", "start", "time_limit_minutes")
FALLEN = gettext_noop("The counter fell in Slurm")
COUNTED = ("used_gpu_seconds", "reserved_gpu_seconds", "limit_gpu_minutes", "exact")


@dataclass(frozen=True, slots=True)
class QueueReport:
    """Jobs of ours seen, and the projects in whose queue or counters something changed."""

    jobs: int
    changed_projects: frozenset[str]


def store(gateway: SlurmGateway, *, at: datetime) -> QueueReport:
    """Ask Slurm for queue and counters, keep what changed, and tell open pages. Raises SlurmError."""
    entries = gateway.queue()
    counters = gateway.counters()
    with transaction.atomic():
        accounts = {row.name: row for row in Account.objects.select_related("project")}
        ours = {entry.display_id: entry for entry in entries if entry.account in accounts}
        changed = _store_queue(ours, accounts) | _store_counters(counters.values(), accounts, at)
        IngestMark.objects.filter(pk=IngestMark.current().pk).update(queue_read_at=at)
        announce([f"project:{code}" for code in changed], "queue.refreshed")
    return QueueReport(len(ours), frozenset(changed))


def _store_queue(entries: dict[str, types.QueueEntry], accounts: dict[str, Account]) -> set[str]:
    """Codes of the projects in whose queue something changed."""
    stored = {job.display_id: job for job in QueueJob.objects.select_related("account__project")}
    gone = [job for display_id, job in stored.items() if display_id not in entries]
    wanted = [_queue_job(entry, accounts[entry.account]) for entry in entries.values()]
    differing = [job for job in wanted if not _same(stored.get(job.display_id), job)]
    QueueJob.objects.filter(pk__in=[job.pk for job in gone]).delete()
    QueueJob.objects.bulk_create(
        differing, update_conflicts=True, unique_fields=["display_id"], update_fields=["account", *FIELDS]
    )
    return {job.account.project.code for job in [*gone, *differing]}


def _queue_job(entry: types.QueueEntry, account: Account) -> QueueJob:
    return QueueJob(
        display_id=entry.display_id,
        account=account,
        job_id=entry.job_id,
        user_name=entry.user,
        partition=entry.partition,
        state=entry.state,
        reason=entry.reason[:200],
        gpus=entry.gpus,
        submit=entry.submit,
        start=entry.start,
        time_limit_minutes=entry.time_limit_minutes,
    )


def _same(old: QueueJob | None, new: QueueJob) -> bool:
    return old is not None and all(getattr(old, name) == getattr(new, name) for name in ("account_id", *FIELDS))


def _store_counters(counters: Iterable[types.Counter], accounts: dict[str, Account], at: datetime) -> set[str]:
    """Codes of the projects whose counters moved; all are marked as read."""
    ours = [(counter, accounts[counter.account]) for counter in counters if counter.account in accounts]
    stored = {counter.account_id: counter for counter in Counter.objects.select_for_update()}
    for counter, account in ours:
        if account.pk in stored:
            _hold_a_fall(stored[account.pk], counter, account, at)
    Counter.objects.bulk_create(
        [
            Counter(account=account, read_at=at, **{name: getattr(counter, name) for name in COUNTED})
            for counter, account in ours
        ],
        update_conflicts=True,
        unique_fields=["account"],
        update_fields=[*COUNTED, "read_at"],
    )
    return {
        account.project.code
        for counter, account in ours
        if account.pk not in stored
        or any(getattr(stored[account.pk], name) != getattr(counter, name) for name in COUNTED)
    }


def _hold_a_fall(before: Counter, now: types.Counter, account: Account, at: datetime) -> None:
    """Tighten by what a counter lost since its last reading: as a killed slurmctld forgets up to five minutes of
    everybody's use (slurm-facts 12.1), which would give it out twice. In the transaction that keeps the new reading."""
    lost = fall(before.used_gpu_seconds, now.used_gpu_seconds, exact=now.exact)
    if lost and account.managed:
        account_rebase(
            account=account,
            offset_gpu_seconds=account.offset_gpu_seconds - lost,
            cause=Rebase.Cause.FALLEN,
            reason=FALLEN,
            counter=now.used_gpu_seconds,
            ledger=None,
            by=None,
            at=at,
        )
