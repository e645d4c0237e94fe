"""What the portal says to Slurm and hears from it: frozen values, in the field's units.

Times are aware datetimes in UTC, usage is GPU-seconds, limits are whole GPU-minutes (Slurm's own unit for
GrpTRESMins). A GPU is an untyped `gres/gpu`; typed names serve the breakdown only (design.md section 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

# --- Accounts and people: the state that is compared and made equal ---


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account row of Slurm's association tree below the portal's root.

    `gpu_minutes` None means no limit. `group_jobs` and `group_submit_jobs` are None where unset; both 0 is
    *parked*: nothing starts, nothing is accepted, running jobs end (slurm-facts section 3).
    """

    name: str
    parent: str
    gpu_minutes: int | None = None
    group_jobs: int | None = None
    group_submit_jobs: int | None = None
    qos: frozenset[str] = frozenset()
    default_qos: str = ""

    @property
    def parked(self) -> bool:
        return self.group_jobs == 0 and self.group_submit_jobs == 0


@dataclass(frozen=True, slots=True)
class PersonState:
    """A person's association with one account. Paused: GrpJobs=0 GrpSubmitJobs=0 on the person's own row.

    `lineage_ok` is False where the row hangs elsewhere in the tree than its account (slurm-facts 12.1).
    """

    account: str
    user: str
    paused: bool = False
    lineage_ok: bool = True


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All accounts and people below the portal's root account (the root itself included)."""

    accounts: Mapping[str, AccountState] = field(default_factory=lambda: MappingProxyType({}))
    people: Mapping[tuple[str, str], PersonState] = field(default_factory=lambda: MappingProxyType({}))


# --- Operations: each one command to Slurm ---


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Create an account, with its limit and parked in the same command where they are given."""

    name: str
    parent: str
    gpu_minutes: int | None = None
    parked: bool = False
    qos: frozenset[str] = frozenset()
    default_qos: str = ""


@dataclass(frozen=True, slots=True)
class SetLimit:
    account: str
    gpu_minutes: int


@dataclass(frozen=True, slots=True)
class ParkAccount:
    account: str


@dataclass(frozen=True, slots=True)
class UnparkAccount:
    account: str


@dataclass(frozen=True, slots=True)
class SetQos:
    account: str
    qos: frozenset[str]
    default_qos: str


@dataclass(frozen=True, slots=True)
class AddPerson:
    account: str
    user: str


@dataclass(frozen=True, slots=True)
class PausePerson:
    """Pause the person's association and cancel what of theirs still waits there."""

    account: str
    user: str


@dataclass(frozen=True, slots=True)
class ResumePerson:
    account: str
    user: str


Operation = CreateAccount | SetLimit | ParkAccount | UnparkAccount | SetQos | AddPerson | PausePerson | ResumePerson


# --- Reads ---


@dataclass(frozen=True, slots=True)
class Counter:
    """What slurmctld itself holds of an account: seconds used and reserved by running jobs, limit in minutes.

    `exact` is False where Slurm told whole minutes only (before 24.11).
    """

    account: str
    used_gpu_seconds: int
    reserved_gpu_seconds: int
    limit_gpu_minutes: int | None
    exact: bool


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One row of slurmdbd's job table, key (cluster, db_index): a requeued job has several.

    `end` is None while the job runs or waits; `start` is None for a job that never started. `final` says that
    nothing about the row can change any more but by hand: a terminal state and an end that is a time.
    """

    cluster: str
    db_index: int
    job_id: int
    display_id: str
    user: str
    account: str
    partition: str
    qos: str
    state: str
    submit: datetime
    eligible: datetime | None
    start: datetime | None
    end: datetime | None
    gpus: int
    gpu_kinds: Mapping[str, int]
    cpus: int
    exit_code: str
    time_limit_minutes: int | None

    @property
    def final(self) -> bool:
        return self.end is not None and self.state not in {"PENDING", "RUNNING", "SUSPENDED"}


@dataclass(frozen=True, slots=True)
class UnreadableRow:
    """A row that could not be understood: put aside with its reason, while the rest goes on."""

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A job that waits or runs now. `reason` is Slurm's own word, stale until its next scheduling pass."""

    job_id: int
    display_id: str
    user: str
    account: str
    partition: str
    state: str
    reason: str
    gpus: int
    submit: datetime
    start: datetime | None
    time_limit_minutes: int | None


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one partition: how many, and their GPUs by kind (installed, in use, on nodes that are down)."""

    partition: str
    gpu_kind: str
    nodes: int
    gpus: int
    gpus_in_use: int
    gpus_down: int


@dataclass(frozen=True, slots=True)
class PartitionConfig:
    name: str
    allow_qos: frozenset[str]
    default_time_minutes: int | None
    max_time_minutes: int | None


@dataclass(frozen=True, slots=True)
class SlurmConfig:
    """What Slurm is set to enforce, as slurmctld reports it."""

    cluster: str
    version: str
    enforce: frozenset[str]
    tracked_tres: frozenset[str]
    priority_type: str
    decay_half_life: str
    usage_reset_period: str
    enforce_part_limits: str
    partitions: tuple[PartitionConfig, ...]
    qos: frozenset[str]
