"""One pass: what should stand in Slurm, what does, do the difference, read back, say how far it is."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from allocations.models import Account, Cluster
from allocations.provisioning.apply import Applier, Clock, Outcome
from allocations.provisioning.crash import crash_point
from allocations.provisioning.desired import desired_state
from allocations.provisioning.marks import mark_accounts
from allocations.provisioning.plan import Conflict, Key, conflicts, plan, without_right
from allocations.provisioning.sentences import conflict_sentence, operation_sentence
from portal.live.notices import announce
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import ClusterState, Operation, PausePerson

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
    conflicts: list[Conflict]
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
) -> SyncReport:
    """Make Slurm what the grants say, as far as the operator's switch allows, and mark each account by reading back.

    `retry_refused` also tries again what Slurm refused a short while ago. `waiting`: (account, user) of jobs that
    waited when somebody last looked; where such a person has no right any more, a pause that was cut short before it
    cancelled their jobs is done again. Raises SlurmError where Slurm cannot be
    read, and, after all else is done and marked, where it went away in the middle.
    """
    crash_point("before_plan")
    desired = desired_state(gateway.root_account, at=clock())
    observed = gateway.snapshot()
    crash_point("after_snapshot")
    operations = plan(desired, observed, _left_waiting(gateway, desired, observed, waiting))
    report = SyncReport(operations, operations, [], waits_for=_waits_for(operations))
    if operations and not report.waits_for:
        applier = Applier(gateway, desired, observed, clock=clock, keep_going=keep_going, retry_refused=retry_refused)
        report.outcome = applier.run(operations[:MOST_A_PASS])
        crash_point("before_read_back")
        observed = gateway.snapshot()
        crash_point("after_read_back")
        report.remaining = plan(desired, observed)
    report.conflicts = conflicts(desired, observed)
    crash_point("before_mark")
    report.changed = mark_accounts(desired, observed, report.outcome.refused, at=clock())
    crash_point("after_mark")
    _store(report, clock=clock)
    if report.outcome.interrupted:
        raise report.outcome.interrupted
    return report


def preview(gateway: SlurmGateway, *, clock: Clock) -> SyncReport:
    """What a pass would do now; changes nothing, neither in Slurm nor in the database."""
    desired = desired_state(gateway.root_account, at=clock())
    observed = gateway.snapshot()
    operations = plan(desired, observed)
    return SyncReport(operations, operations, conflicts(desired, observed), waits_for=_waits_for(operations))


def _left_waiting(
    gateway: SlurmGateway, desired: ClusterState, observed: ClusterState, waiting: Collection[Key]
) -> frozenset[Key]:
    """Who has waiting jobs though they are paused already. Slurm itself is asked only where that may be so."""
    suspects = {key for key in waiting if key in observed.people and without_right(key, desired)}
    if not suspects:
        return frozenset()
    now = {(entry.account, entry.user) for entry in gateway.queue() if entry.state == "PENDING"}
    return frozenset(suspects & now)


def _waits_for(operations: list[Operation]) -> str:
    cluster = Cluster.current()
    if operations and not cluster.writing_enabled:
        return "writing"
    if _pauses_many(operations) and cluster.pausing_confirmed_at is None:
        return "confirmation"
    return ""


def _pauses_many(operations: list[Operation]) -> bool:
    return sum(isinstance(operation, PausePerson) for operation in operations) > MOST_PAUSES


def _store(report: SyncReport, *, clock: Clock) -> None:
    """Put the pass on the operator's page; open pages hear of it where something is new."""
    cluster = Cluster.current()
    pending = [operation_sentence(operation) for operation in report.remaining]
    remarks = [conflict_sentence(conflict) for conflict in report.conflicts]
    waits = report.waits_for == "confirmation"
    news = (pending, remarks, waits) != (cluster.pending_plan, cluster.remarks, cluster.pausing_waits)
    changes: dict[str, Any] = {"pending_plan": pending, "remarks": remarks, "pausing_waits": waits} if news else {}
    if not _pauses_many(report.remaining):
        changes["pausing_confirmed_at"] = None
    Cluster.objects.filter(pk=cluster.pk).update(last_sync_at=clock(), **changes)
    if news or report.outcome.done or report.changed:
        announce(["operations"], "operations.refreshed")
