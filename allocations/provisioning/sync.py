"""One pass: what should stand in Slurm, what does, do the difference, read back, say how far it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from allocations.models import Account, Cluster
from allocations.provisioning.apply import Applier, Clock, Outcome
from allocations.provisioning.crash import crash_point
from allocations.provisioning.differences import Difference
from allocations.provisioning.drift import close_gone, is_deleted_account, note_drift, still_there
from allocations.provisioning.holds import held, let_go
from allocations.provisioning.known import keep, newest_operation
from allocations.provisioning.marks import heard_by_slurmctld, mark_accounts, newly_settled
from allocations.provisioning.plan import unsettled
from allocations.provisioning.sentences import conflict_sentence, operation_sentence
from allocations.provisioning.sequence import database_is_older
from allocations.provisioning.sight import Sight, look
from allocations.provisioning.stopping import note_stopped
from allocations.provisioning.tree import Key, without_right
from allocations.services.default_accounts import default_accounts_seen
from portal.live.notices import announce
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import Operation, PausePerson

# Pausing cancels waiting jobs, which nothing brings back. More people than this at once is a sign of a lost or old
# database rather than of people leaving, so the whole plan waits for an operator.
MOST_PAUSES = 50
# A pass ends after so many operations, so that what people decide meanwhile is soon heard.
MOST_A_PASS = 200


@dataclass
class SyncReport:
    """What a pass found and did. `waits_for` is empty, "writing" (observe-only) or "confirmation"."""

    planned: list[Operation]
    remaining: list[Operation]
    conflicts: list[Difference]
    waits_for: str = ""
    outcome: Outcome = field(default_factory=Outcome)
    changed: list[Account] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether the pass ended only because it was long enough: the next one may follow at once."""
        return len(self.planned) > MOST_A_PASS and bool(self.outcome.done)


def synchronise(
    gateway: SlurmGateway,
    *,
    clock: Clock,
    keep_going: Callable[[], bool] = lambda: True,
    retry_refused: bool = False,
    waiting: Collection[Key] = (),
    recount: Callable[[], object] = lambda: None,
    by: str = "worker",
) -> SyncReport:
    """Make Slurm what the grants say, as far as the operator's switch allows, and mark each account by reading back.

    `retry_refused` also tries again what Slurm refused a short while ago. `waiting`: (account, user) of jobs that
    waited when somebody last looked; where such a person has no right any more, a pause that was cut short before it
    cancelled their jobs is done again. `recount` reads Slurm's counters and tightens by what they have lost: called
    where an account that somebody deleted was made again, and before it is opened. `by`: in whose name operations are
    recorded. Raises SlurmError where Slurm cannot be read, and, after all else is done and marked, where it went away
    in the middle.
    """
    crash_point("before_plan")
    cluster = Cluster.current()
    older = database_is_older(gateway, cluster, at=clock())
    sight = look(gateway, cluster, at=clock())
    crash_point("after_snapshot")
    if older:
        return _observe(sight, clock=clock)
    sight.drifts = note_drift(sight.differences(), sight.drifts, sight.before, sight.now(), cluster=cluster, at=clock())
    operations = sight.plan(_left_waiting(gateway, sight, waiting))
    report = SyncReport(operations, operations, [], waits_for=_waits_for(operations, cluster))
    if operations and not report.waits_for:
        applier = Applier(
            gateway,
            sight.desired,
            sight.observed,
            clock=clock,
            keep_going=keep_going,
            retry_refused=retry_refused,
            by=by,
        )
        report.outcome = applier.run(operations[:MOST_A_PASS])
        crash_point("before_read_back")
        sight.observed = gateway.snapshot()
        crash_point("after_read_back")
        default_accounts_seen(defaults=sight.observed.defaults)
        _let_go(sight, report.outcome, clock=clock)
    _note_over(sight, report.outcome, recount, clock=clock)
    if report.outcome.done:
        report.remaining = sight.plan()
    crash_point("before_mark")
    _mark(gateway, sight, report, clock=clock)
    crash_point("after_mark")
    keep(sight.before, sight.now(), cluster=cluster, at=clock())
    crash_point("after_keep")
    _store(sight, report, clock=clock)
    if report.outcome.interrupted:
        raise report.outcome.interrupted
    return report


def preview(gateway: SlurmGateway, *, clock: Clock) -> SyncReport:
    """What a pass would do now; changes nothing, neither in Slurm nor in the database."""
    cluster = Cluster.current()
    sight = look(gateway, cluster, at=clock())
    operations = sight.plan()
    return SyncReport(operations, operations, sight.left_to_a_person(), waits_for=_waits_for(operations, cluster))


def _observe(sight: Sight, *, clock: Clock) -> SyncReport:
    """Where the database is older than Slurm, everything later looks like drift: it is only kept and shown."""
    operations = sight.plan()
    report = SyncReport(operations, operations, [], waits_for="writing")
    keep(sight.before, sight.now(), cluster=sight.cluster, at=clock())
    _store(sight, report, clock=clock)
    return report


def _left_waiting(gateway: SlurmGateway, sight: Sight, waiting: Collection[Key]) -> frozenset[Key]:
    """Who has waiting jobs though they are paused already. Slurm itself is asked only where that may be so."""
    suspects = {key for key in waiting if key in sight.observed.people and without_right(key, sight.desired)}
    if not suspects:
        return frozenset()
    now = {(entry.account, entry.user) for entry in gateway.queue() if entry.state == "PENDING"}
    return frozenset(suspects & now)


def _waits_for(operations: list[Operation], cluster: Cluster) -> str:
    if operations and not cluster.writing_enabled:
        return "writing"
    if _pauses_many(operations) and cluster.pausing_confirmed_at is None:
        return "confirmation"
    return ""


def _pauses_many(operations: list[Operation]) -> bool:
    return sum(isinstance(operation, PausePerson) for operation in operations) > MOST_PAUSES


def _let_go(sight: Sight, outcome: Outcome, *, clock: Clock) -> None:
    """After the read-back: what the portal had stopped and works again is no longer its to open."""
    sight.holds = held()
    if not outcome.interrupted:  # a command that ran out of time may still be on its way
        let_go(sight.holds, sight.desired, sight.observed)
        sight.holds = held()


def _note_over(sight: Sight, outcome: Outcome, recount: Callable[[], object], *, clock: Clock) -> None:
    """Stop orders that were carried out; drifts that are no more. A deleted account that is there again is one of them
    once its counter was read."""
    sight.orders = note_stopped(sight.orders, sight.accounts, outcome.done, sight.observed, at=clock())
    there = still_there(sight.drifts, sight.differences()) if sight.drifts else set()
    try:
        if sight.revived & sight.observed.accounts.keys():
            recount()
            crash_point("after_recount")
    except SlurmError as error:
        outcome.interrupted = outcome.interrupted or error
        there |= {key for key in sight.drifts if is_deleted_account(key)}
    sight.drifts = close_gone(sight.drifts, there, cluster=sight.cluster, at=clock())


def _mark(gateway: SlurmGateway, sight: Sight, report: SyncReport, *, clock: Clock) -> None:
    behind = unsettled(sight.desired, sight.observed, holds=sight.may_open, waits=sight.waits)
    try:
        heard = heard_by_slurmctld(gateway, newly_settled(sight.accounts, sight.observed, behind))
    except SlurmError as error:
        heard = set()
        report.outcome.interrupted = report.outcome.interrupted or error
    report.changed = mark_accounts(
        sight.accounts,
        sight.desired,
        sight.observed,
        unsettled=behind,
        refused=report.outcome.refused,
        heard=heard,
        at=clock(),
    )


def _store(sight: Sight, report: SyncReport, *, clock: Clock) -> None:
    """Put the pass on the operator's page; open pages hear of it where something is new."""
    cluster = sight.cluster
    report.conflicts = sight.left_to_a_person()
    pending = [operation_sentence(operation) for operation in report.remaining]
    remarks = [conflict_sentence(conflict) for conflict in report.conflicts]
    waits = report.waits_for == "confirmation"
    news = (pending, remarks, waits) != (cluster.pending_plan, cluster.remarks, cluster.pausing_waits)
    changes: dict[str, Any] = {"pending_plan": pending, "remarks": remarks, "pausing_waits": waits} if news else {}
    # A repair leaves everything as it was, and must not explain the next change there.
    changes["operations_seen"] = newest_operation()
    if not _pauses_many(report.remaining):
        changes["pausing_confirmed_at"] = None
    Cluster.objects.filter(pk=cluster.pk).update(last_sync_at=clock(), **changes)
    if news or report.outcome.done or report.changed:
        announce(["operations"], "operations.refreshed")
