"""How far Slurm has followed for an account, and the switches of the cluster. The worker calls the account services
after reading back; operators call those of the cluster."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from allocations.models import Account, Cluster
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import hours_text


@transaction.atomic
def account_in_force(*, account: Account, gpu_minutes: int, parked: bool, at: datetime) -> None:
    """Slurm, read back, holds what is desired of the account and its people.

    Records an event where that is news: in force for the first time or again, opened, parked, or another limit while
    open. (The limit of a parked leaf follows what is charged to ended grants, which is nobody's news.)
    """
    again = account.state != Account.State.IN_FORCE
    turned = again or parked != account.parked
    news = turned or (not parked and gpu_minutes != account.limit_gpu_minutes)
    account.state = Account.State.IN_FORCE
    account.limit_gpu_minutes, account.parked = gpu_minutes, parked
    account.slurm_words = ""
    account.read_back_at = at
    if turned:
        account.in_force_since = at
    account.save(
        update_fields=["state", "limit_gpu_minutes", "parked", "slurm_words", "read_back_at", "in_force_since"]
    )
    if news and parked:
        record("account.parked", target=account, by=None, at=at, account=account.name)
    elif news:
        hours = hours_text(gpu_minutes * 60)
        record("account.in_force", target=account, by=None, at=at, account=account.name, gpu_hours=hours)


def account_applying(*, account: Account, gpu_minutes: int | None, parked: bool, at: datetime) -> None:
    """Slurm, read back, is not yet as desired. A refused account stays refused until it is in force."""
    if account.state == Account.State.IN_FORCE:
        account.state = Account.State.APPLYING
    account.limit_gpu_minutes, account.parked, account.read_back_at = gpu_minutes, parked, at
    account.save(update_fields=["state", "limit_gpu_minutes", "parked", "read_back_at"])


@transaction.atomic
def account_refused(*, account: Account, words: str, at: datetime) -> None:
    """Slurm refused a change for good. The event is recorded once for the same words."""
    known = account.state == Account.State.REFUSED and account.slurm_words == words
    account.state, account.slurm_words = Account.State.REFUSED, words
    account.save(update_fields=["state", "slurm_words"])
    if not known:
        record("account.refused", target=account, by=None, at=at, account=account.name, words=words)


@transaction.atomic
def account_rebase(*, account: Account, offset_gpu_seconds: int, reason: str, by: User | None, at: datetime) -> None:
    """Record how far Slurm's counter of the account lies from our ledger (counter minus ledger, GPU-seconds).

    The limit follows at the next tick. `by` is None where the portal itself found the cause (design.md section 7).
    """
    Account.objects.filter(pk=account.pk).update(offset_gpu_seconds=offset_gpu_seconds)
    account.refresh_from_db()
    hours = hours_text(offset_gpu_seconds, 2)
    record("account.rebased", target=account, by=by, at=at, account=account.name, gpu_hours=hours, reason=reason)


@transaction.atomic
def cluster_writing_enable(*, cluster: Cluster, by: User | None, at: datetime) -> None:
    """Let the worker write to Slurm. Raises LostRace where that is so already. `by` is None for the demo's set-up."""
    _switch(cluster, on=True, by=by, at=at)
    record("cluster.writing_enabled", target=cluster, by=by, at=at)


@transaction.atomic
def cluster_writing_disable(*, cluster: Cluster, by: User, at: datetime) -> None:
    """Stop all writes to Slurm before the next operation. Raises LostRace where they are stopped already."""
    _switch(cluster, on=False, by=by, at=at)
    record("cluster.writing_disabled", target=cluster, by=by, at=at)


@transaction.atomic
def cluster_pausing_confirm(*, cluster: Cluster, by: User, at: datetime) -> None:
    """Let a plan pass that pauses very many people, once. Raises LostRace where none waits any more."""
    waiting = Cluster.objects.filter(pk=cluster.pk, pausing_waits=True, pausing_confirmed_at__isnull=True)
    if not waiting.update(pausing_confirmed_at=at):
        raise LostRace("pausing_confirmed")
    record("cluster.pausing_confirmed", target=cluster, by=by, at=at)


def _switch(cluster: Cluster, *, on: bool, by: User | None, at: datetime) -> None:
    rows = Cluster.objects.filter(pk=cluster.pk, writing_enabled=not on)
    if not rows.update(writing_enabled=on, writing_changed_by=by, writing_changed_at=at):
        raise LostRace("writing_enabled" if on else "writing_disabled")
    cluster.refresh_from_db()
