"""How far Slurm has followed for an account, and the switches of the cluster. The worker calls the account services
after reading back; operators call those of the cluster."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _

from allocations.models import Account, Cluster, Rebase
from allocations.services.guards import require_no_stake
from allocations.services.ledger import REASON_LENGTH
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.services import record
from portal.people.models import User
from portal.web.templatetags.figures import hours_text

OWN_CAUSES = {
    Rebase.Cause.FALLEN: "account.counter_fell",
    Rebase.Cause.BEHIND: "account.counter_behind",
    Rebase.Cause.CAUGHT_UP: "account.counter_caught_up",
    Rebase.Cause.OVERCOUNT: "account.counter_too_high",
}


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
def account_rebase(
    *,
    account: Account,
    offset_gpu_seconds: int,
    cause: Rebase.Cause,
    reason: str,
    counter: int | None,
    ledger: int | None,
    by: User | None,
    at: datetime,
) -> Rebase:
    """Set how far Slurm's counter of the account lies from what its lines were charged (GPU-seconds), and keep why.

    `counter` and `ledger` are the two sums it follows from. The limit follows at the next pass. `by` is None where the
    portal itself found the cause (design.md section 7). Raises LostRace where the offset is no longer the one that
    `account` was read with, so that nothing is loosened twice; Refused where an operator has a stake in the project.
    """
    if by is not None:
        require_no_stake(by, account.project)
    before = account.offset_gpu_seconds
    rows = Account.objects.filter(pk=account.pk, offset_gpu_seconds=before)
    if not rows.update(offset_gpu_seconds=offset_gpu_seconds):
        raise LostRace("rebase")
    account.offset_gpu_seconds = offset_gpu_seconds
    _tell_rebased(account, cause, offset_gpu_seconds - before, reason, by, at)
    return Rebase.objects.create(
        account=account,
        at=at,
        cause=cause,
        before_gpu_seconds=before,
        after_gpu_seconds=offset_gpu_seconds,
        counter_gpu_seconds=counter,
        ledger_gpu_seconds=ledger,
        reason=reason[:REASON_LENGTH],
        by=by,
    )


def _tell_rebased(
    account: Account, cause: Rebase.Cause, moved: int, reason: str, by: User | None, at: datetime
) -> None:
    """In words of its own where the portal found the cause itself: they are translated when they are read."""
    hours = hours_text(moved, 2)
    if action := OWN_CAUSES.get(cause):
        record(action, target=account, by=by, at=at, account=account.name, gpu_hours=hours)
    else:
        record("account.rebased", target=account, by=by, at=at, account=account.name, gpu_hours=hours, reason=reason)


@transaction.atomic
def cluster_writing_enable(*, cluster: Cluster, by: User | None, at: datetime) -> None:
    """Let the worker write to Slurm. `by` is None for the demo's set-up.

    Raises LostRace where that is so already, Refused while a database older than Slurm has not been accepted.
    """
    if Cluster.objects.filter(pk=cluster.pk, ahead_in_slurm__isnull=False).exists():
        raise Refused(_("The database is older than Slurm: accept it first."))
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


@transaction.atomic
def cluster_repairs_set(*, cluster: Cluster, by_itself: bool, by: User, at: datetime) -> None:
    """Whether what somebody took away outside the portal is given back at once, or waits for an operator.

    Raises LostRace where it is so already.
    """
    if not Cluster.objects.filter(pk=cluster.pk, repairs_by_itself=not by_itself).update(repairs_by_itself=by_itself):
        raise LostRace("repairs_by_itself")
    record("cluster.repairs_by_itself" if by_itself else "cluster.repairs_asked", target=cluster, by=by, at=at)


@transaction.atomic
def cluster_backup_accept(*, cluster: Cluster, by: User, at: datetime) -> None:
    """Go on from a database that is older than what Slurm has seen of it. Writing stays off until it is switched on.

    Raises LostRace where nothing has to be accepted any more.
    """
    older = Cluster.objects.filter(pk=cluster.pk, ahead_in_slurm__isnull=False)
    if not older.update(sequence=Greatest(F("sequence"), F("ahead_in_slurm")), ahead_in_slurm=None):
        raise LostRace("backup_accepted")
    cluster.refresh_from_db()
    record("cluster.backup_accepted", target=cluster, by=by, at=at)


def _switch(cluster: Cluster, *, on: bool, by: User | None, at: datetime) -> None:
    rows = Cluster.objects.filter(pk=cluster.pk, writing_enabled=not on)
    if not rows.update(writing_enabled=on, writing_changed_by=by, writing_changed_at=at):
        raise LostRace("writing_enabled" if on else "writing_disabled")
    cluster.refresh_from_db()
