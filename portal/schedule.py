"""What the worker does, and how often: the one table. portal/worker.py runs it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounting import balance, counters, exhaustion, live_queue, settlement
from accounting.alerts.evaluate import Round
from accounting.center import measured
from accounting.history import ingest, retention
from accounting.ledger_check import run as ledger_check
from accounting.models import QueueJob
from accounting.refunds import follow, rule
from accounting.statements import closing
from accounting.verification import verify
from allocations.models import Cluster, Pool
from allocations.provisioning import names
from allocations.provisioning.sync import synchronise
from allocations.services.reminders import remind
from allocations.services.settling import calls_settle
from portal.live.notices import announce
from portal.post.rounds import send_due
from portal.slurm import check
from portal.slurm.findings import Finding, PoolSetup
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import NodeGroup, OtherAccount

KeepGoing = Callable[[], bool]
ALERTS = Round()


@dataclass(frozen=True, slots=True)
class Task:
    """Runs every so many seconds, and at once when an Event was recorded where `on_event`.

    `run` returns True where more is left that may be done at once. It asks `keep_going` before each step that changes
    something in Slurm. What it raises stops neither the other tasks nor its own next try.
    """

    name: str
    every_seconds: float
    run: Callable[[SlurmGateway, KeepGoing], bool]
    on_event: bool = False

    def take(self, gateway: Callable[[], SlurmGateway], keep_going: KeepGoing) -> bool:
        return self.run(gateway(), keep_going)


@dataclass(frozen=True, slots=True)
class Chore:
    """A task that needs no Slurm, so it also runs while there is none. `do` returns True where more is left that may be
    done at once."""

    name: str
    every_seconds: float
    do: Callable[[], object]
    on_event: bool = False

    def take(self, gateway: Callable[[], SlurmGateway], keep_going: KeepGoing) -> bool:
        return self.do() is True


def tasks() -> tuple[Task | Chore, ...]:
    return (
        # Before provisioning, which gives rights to a name from the moment it is found.
        Task("new names", settings.WORKER_INGEST_SECONDS, look_for_new_names, on_event=True),
        Task("provisioning", settings.WORKER_TICK_SECONDS, provision, on_event=True),
        Task("queue", settings.WORKER_INGEST_SECONDS, store_queue),
        Task("usage", settings.WORKER_INGEST_SECONDS, ingest_usage),
        Task("counters", 30, hold_counters),
        Chore("settlement", 60, settle_grants),
        Chore("retention", 24 * 3600, drop_old_rows),
        Chore("refunds", 60, refund_jobs),
        Chore("refunds of all jobs", 86_400, refund_all_jobs),
        Chore("statements", 600, close_months),
        Task("verification", 300, verify_usage),
        Chore("ledger check", 600, check_ledger),
        Task("nightly verification", 600, verify_last_weeks),
        Task("all names", 3600, look_for_all_names),
        Task("capacity", 60, read_capacity),
        Task("utilisation", 600, read_utilisation),
        Task("configuration", 300, read_configuration),
        Chore("alerts", 600, raise_alerts),
        Chore("post", 60, send_mails),
        Chore("office", 600, tell_deadlines),
    )


def chores() -> tuple[Chore, ...]:
    """What the portal needs done where no cluster is attached."""
    return tuple(task for task in tasks() if isinstance(task, Chore))


def provision(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    return synchronise(
        gateway,
        clock=timezone.now,
        keep_going=keep_going,
        waiting=waiting_people(),
        recount=lambda: store_queue(gateway, keep_going),
    ).goes_on


def waiting_people() -> frozenset[tuple[str, str]]:
    """(account, user) of jobs that waited when the queue was last stored."""
    return frozenset(QueueJob.objects.filter(state="PENDING").values_list("account__name", "user_name"))


def look_for_new_names(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    names.look_for_new_names(gateway, at=timezone.now())
    return False


def look_for_all_names(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    names.look_for_all_names(gateway, at=timezone.now())
    return False


def store_queue(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    at = timezone.now()
    live_queue.store(gateway, at=at)
    exhaustion.note_exhaustion(at)
    return False


def ingest_usage(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    at = timezone.now()
    report = ingest.ingest(gateway, at=at)
    balance.update_line_charges(at=at)
    return not (report.caught_up or report.busy)


def hold_counters(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    """Right after queue and usage: only a counter that the job rows were read after says something."""
    counters.hold_counters(at=timezone.now())
    return False


def settle_grants() -> None:
    """Grants that are over and have come to rest; overruns that a next grant can bear."""
    settlement.settle(timezone.now())


def refund_jobs() -> None:
    """Refunds whose job was corrected, and jobs that the rule refunds."""
    at = timezone.now()
    follow.follow(at)
    rule.refund_by_rule(at)


def refund_all_jobs() -> None:
    """The same over every job that the rule concerns, however long ago it was read."""
    rule.refund_by_rule(timezone.now(), thorough=True)


def close_months() -> None:
    """Statements of months that are over, read, verified and due."""
    closing.close_due(timezone.now())


def drop_old_rows() -> None:
    """Job rows older than the center keeps; a day that is not read to its end yet waits for the next night."""
    retention.retain_as_set(timezone.now())


def check_ledger() -> None:
    """Every sum that is kept, computed anew once a night."""
    ledger_check.check_when_due(timezone.now())


def verify_usage(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    """Hold what is new against sreport; a long history in pieces. What is not summed up yet has its turn later."""
    try:
        return verify.verify_next(gateway, at=timezone.now()) is not None
    except verify.NotSummedUp:
        return False


def verify_last_weeks(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    """Once a night, all of the last weeks again: rows may have come late."""
    with suppress(verify.NotSummedUp):
        verify.verify_nightly(gateway, at=timezone.now())
    return False


def read_capacity(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    _update_cluster(capacity=_as_json(gateway.capacity()), foreign_accounts=_as_json(gateway.other_accounts()))
    return False


def read_utilisation(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    """Where the time of all GPUs went, by day; a long history in pieces."""
    return measured.read_utilisation(gateway, at=timezone.now())


def read_configuration(gateway: SlurmGateway, keep_going: KeepGoing) -> bool:
    reading = check.read(gateway)
    found = [as_row(finding) for finding in check_reading(reading)]
    _update_cluster(slurm_version=reading.config.version, findings=found)
    return False


def raise_alerts() -> bool:
    """What the figures of projects give reason to say, some projects at a time."""
    return ALERTS.go_on(timezone.now())


def send_mails() -> None:
    """Mails that could not be sent right after their act, and the mails of the day."""
    send_due(timezone.now())


def tell_deadlines() -> None:
    """Reminders of what is due or late; offers whose time is over lapse; closed calls with nothing left are decided."""
    at = timezone.now()
    remind(at)
    calls_settle(at)


def check_reading(reading: check.Reading) -> list[Finding]:
    """What the cluster enforces held against what the portal's pools need; dangers first."""
    pools = [PoolSetup(pool.code, pool.qos, tuple(pool.partitions), pool.gpu_kind) for pool in Pool.objects.all()]
    return check.findings(reading, pools, at=timezone.now(), cluster=settings.SLURM_CLUSTER)


def as_row(finding: Finding) -> dict[str, Any]:
    """As kept in Cluster.findings."""
    return {
        "level": finding.level.value,
        "code": finding.code,
        "message": finding.message,
        "params": finding.params,
        "file": finding.file,
        "line": finding.line,
    }


def _as_json(rows: Sequence[NodeGroup | OtherAccount]) -> Any:
    """As it will be read from the database: with lists for tuples, so that the same is found to be the same."""
    return json.loads(json.dumps([asdict(row) for row in rows]))


def _update_cluster(**changes: Any) -> None:
    """Store what was read; open pages hear of it where it is new."""
    cluster = Cluster.current()
    if all(getattr(cluster, name) == value for name, value in changes.items()):
        return
    Cluster.objects.filter(pk=cluster.pk).update(**changes)
    announce(["operations"], "operations.refreshed")
