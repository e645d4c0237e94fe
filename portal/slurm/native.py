"""The driver that reads through pyslurm what pyslurm reads truly; everything else goes through the commands.

pyslurm 25.11.2 reads the queue, nodes, partitions, configuration and the tree of accounts. It tells neither the default
QOS of an association nor its lineage, and nothing of a QOS but its name; it knows no live counters, cannot create
anything, its `Associations.modify` fails, and its job history loses the earlier runs of a requeued job: so the compared
state, the settings of QOS, counters, all writes and the history are the commands'.

Importing this module imports pyslurm, which ends the process where there is no readable slurm.conf: drivers.py looks
before it does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pyslurm
from pyslurm import db

from portal.slurm import capacity
from portal.slurm.associations import OtherRow, other_accounts
from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmUnavailable, SlurmUnreadable
from portal.slurm.queue import WAITING
from portal.slurm.sentences import noop as _
from portal.slurm.tres import gpu_count, gpu_kinds
from portal.slurm.types import (
    ClusterState,
    Counter,
    Health,
    JobRecord,
    NodeGroup,
    Operation,
    OtherAccount,
    PartitionConfig,
    QosConfig,
    QueueEntry,
    Reservation,
    SlurmConfig,
    UnreadableRow,
    Utilisation,
)

# slurmctld keeps finished jobs for some minutes, and pyslurm lists them with the others.
FINISHED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
EVERY = "ALL"


class NativeGateway:
    """portal/slurm/gateway.py over pyslurm, on a machine with a slurm.conf of its own."""

    driver = "native"

    def __init__(self, commands: CommandsGateway) -> None:
        self.commands = commands
        self.root_account = commands.root_account
        self.cluster = commands.cluster

    # --- what pyslurm reads ---

    def queue(self) -> list[QueueEntry]:
        with _answer():
            jobs = pyslurm.Jobs.load().values()
            return [_entry(job) for job in jobs if job.state not in FINISHED]

    def capacity(self) -> list[NodeGroup]:
        with _answer():
            return capacity.node_groups(_node(node) for node in pyslurm.Nodes.load().values())

    def config(self) -> SlurmConfig:
        with _answer():
            config = pyslurm.slurmctld.Config.load()
            partitions = pyslurm.Partitions.load().values()
            return _config(config, partitions, self.commands.qos_settings())

    def other_accounts(self) -> list[OtherAccount]:
        with _answer():
            rows = [_other_row(row) for row in db.Associations.load().values() if row.cluster == self.cluster]
        return other_accounts(rows, self.root_account)

    # --- what only the commands can ---

    def snapshot(self) -> ClusterState:
        return self.commands.snapshot()

    def execute(self, operation: Operation) -> str:
        return self.commands.execute(operation)

    def counters(self) -> Mapping[str, Counter]:
        return self.commands.counters()

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        return self.commands.jobs(since, until)

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        return self.commands.usage(start, end)

    def utilisation(self, start: datetime, end: datetime, kinds: Collection[str]) -> Mapping[str, Utilisation]:
        return self.commands.utilisation(start, end, kinds)

    def reservations(self, start: datetime, end: datetime) -> list[Reservation]:
        return self.commands.reservations(start, end)

    def health(self) -> Health:
        return self.commands.health()

    def known_people(self, users: Collection[str]) -> frozenset[str]:
        return self.commands.known_people(users)

    def sequence(self) -> int:
        return self.commands.sequence()

    def set_sequence(self, number: int) -> None:
        self.commands.set_sequence(number)


@contextmanager
def _answer() -> Iterator[None]:
    try:
        yield
    except pyslurm.PyslurmError as error:
        raise SlurmUnavailable(_("Slurm did not answer pyslurm."), words=str(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SlurmUnreadable(_("pyslurm's answer is not understood: %(trouble)s"), trouble=repr(error)) from error


def _entry(job: Any) -> QueueEntry:
    return QueueEntry(
        job_id=job.id,
        display_id=_display_id(job),
        user=job.user_name,
        account=job.account,
        partition=job.partition,
        state=job.state,
        reason=job.state_reason,
        # "gpu" is the total and "gpu:h100" the same ones by kind.
        gpus=job.gpus["gpu"].count if "gpu" in job.gpus else 0,
        submit=datetime.fromtimestamp(job.submit_time, UTC),
        start=_moment(job.start_time) if job.state not in WAITING else None,
        time_limit_minutes=_minutes(job.time_limit),
    )


def _display_id(job: Any) -> str:
    """As squeue writes it: `46_3` a task, `46_[4-9%2]` those that wait together, `9+1` a part of a joint job."""
    if job.array_id is not None:
        if job.array_tasks_waiting:
            at_once = f"%{job.array_tasks_parallel}" if job.array_tasks_parallel else ""
            return f"{job.array_id}_[{job.array_tasks_waiting}{at_once}]"
        # pyslurm 25.11.2 says None for task 0.
        return f"{job.array_id}_{job.array_task_id or 0}"
    if job.heterogeneous_id is not None:
        return f"{job.heterogeneous_id}+{job.heterogeneous_offset or 0}"
    return str(job.id)


def _node(node: Any) -> capacity.Node:
    tres = {name: int(amount) for name, amount in node.allocated_tres.items() if amount is not None}
    gpus = {
        name.removeprefix("gpu").removeprefix(":"): int(count)
        for name, count in node.configured_gres.items()
        if name == "gpu" or name.startswith("gpu:")
    }
    return capacity.Node(
        name=node.name,
        partitions=tuple(node.partitions),
        gpus=gpus,
        in_use=capacity.gpus_in_use(gpu_kinds(tres), gpu_count(tres), gpus),
        usable=capacity.is_usable(node.state),
    )


def _config(config: Any, partitions: Iterable[Any], qos: tuple[QosConfig, ...]) -> SlurmConfig:
    """pyslurm says None for a half-life of zero and for a usage that is never reset."""
    half_life = config.priority_decay_half_life or 0
    return SlurmConfig(
        cluster=config.cluster_name,
        version=config.version,
        enforce=frozenset(word.lower() for word in config.accounting_storage_enforce),
        tracked_tres=frozenset(config.accounting_storage_tres),
        priority_type=config.priority_type,
        decay_half_life=_clock(half_life),
        usage_reset_period=config.priority_usage_reset_period or "NONE",
        enforce_part_limits=config.enforce_partition_limits,
        partitions=tuple(map(_partition, partitions)),
        qos=frozenset(each.name for each in qos),
        qos_settings=qos,
    )


def _partition(partition: Any) -> PartitionConfig:
    qos = frozenset(partition.allowed_qos)
    return PartitionConfig(
        name=partition.name,
        allow_qos=frozenset() if EVERY in qos else qos,
        default_time_minutes=_minutes(partition.default_time),
        max_time_minutes=_minutes(partition.max_time),
        qos=partition.qos or "",
    )


def _other_row(row: Any) -> OtherRow:
    """pyslurm says None for an account's empty user and for limits of which none is set."""
    gres = row.group_tres_mins.gres if row.group_tres_mins is not None else {}
    return OtherRow(
        account=row.account,
        user=row.user or "",
        parent=row.parent_account or "",
        gpu_minutes=gres["gpu"].count if "gpu" in gres else None,
        qos=frozenset(row.qos),
    )


def _minutes(value: int | str | None) -> int | None:
    """A number of minutes; None for pyslurm's None and UNLIMITED."""
    return value if isinstance(value, int) else None


def _moment(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value, UTC)


def _clock(seconds: int) -> str:
    """As `scontrol show config` writes a span: `7-00:00:00`, `00:00:00`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    clock = f"{hour:02}:{minute:02}:{second:02}"
    return f"{days}-{clock}" if days else clock
