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

    `gpu_minutes` is the person's own cap there, None for none. `qos` and `default_qos` are what holds for the person:
    the account's, unless the row has its own. `lineage_ok` is False where the row hangs elsewhere in the tree than its
    account (slurm-facts 12.1).
    """

    account: str
    user: str
    paused: bool = False
    gpu_minutes: int | None = None
    qos: frozenset[str] = frozenset()
    default_qos: str = ""
    lineage_ok: bool = True


@dataclass(frozen=True, slots=True)
class ClusterState:
    """All accounts and people below the portal's root account (the root itself included).

    `defaults`: the account that jobs are charged to which name none, by person. Read from Slurm: of everybody in
    `people`, also where it lies outside our root; empty text where there is none. Desired: what each person would have,
    where the present one does not work.
    """

    accounts: Mapping[str, AccountState] = field(default_factory=lambda: MappingProxyType({}))
    people: Mapping[tuple[str, str], PersonState] = field(default_factory=lambda: MappingProxyType({}))
    defaults: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


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
    """Let a person into an account, with their own cap (GPU-minutes, None for none) in the same command."""

    account: str
    user: str
    gpu_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class PausePerson:
    """Pause the person's association and cancel what of theirs still waits there."""

    account: str
    user: str


@dataclass(frozen=True, slots=True)
class ResumePerson:
    account: str
    user: str


@dataclass(frozen=True, slots=True)
class SetPersonLimit:
    """A person's own cap in an account; None takes it away."""

    account: str
    user: str
    gpu_minutes: int | None


@dataclass(frozen=True, slots=True)
class SetPersonQos:
    """Give a person's row the account's QOS, where it had others of its own: they would open another pool."""

    account: str
    user: str
    qos: frozenset[str]
    default_qos: str


@dataclass(frozen=True, slots=True)
class SetDefaultAccount:
    account: str
    user: str


@dataclass(frozen=True, slots=True)
class CancelJobs:
    """End at once what runs and waits in an account, of one person or (user empty) of everybody."""

    account: str
    user: str = ""


Operation = (
    CreateAccount
    | SetLimit
    | ParkAccount
    | UnparkAccount
    | SetQos
    | AddPerson
    | PausePerson
    | ResumePerson
    | SetPersonLimit
    | SetPersonQos
    | SetDefaultAccount
    | CancelJobs
)


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


# Not frozen, though nobody changes one: a frozen one of this size takes six times as long to make, and histories have
# millions.
@dataclass(slots=True)
class JobRecord:
    """One row of slurmdbd's job table, key (cluster, db_index): a requeued job has several.

    `end` is None while the job runs or waits; `start` is None for a job that never started. `final` says that
    nothing about the row can change any more but by hand: a terminal state and an end that is a time. `gpu_kinds` are
    never more than `gpus` together; GPUs without a kind are not in it.
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
class Utilisation:
    """Where the time of GPUs went in some hours that slurmdbd has summed up, in GPU-seconds.

    `installed`: of every GPU that the cluster had, in the hours that are summed up. Of it `allocated` was held by jobs,
    or reserved for somebody whether a job ran or not; `down` are GPUs of nodes that failed or were drained,
    `planned_down` those in a maintenance reservation.
    """

    installed: int
    allocated: int
    down: int
    planned_down: int

    def __add__(self, other: Utilisation) -> Utilisation:
        return Utilisation(
            self.installed + other.installed,
            self.allocated + other.allocated,
            self.down + other.down,
            self.planned_down + other.planned_down,
        )


Span = tuple[datetime, datetime | None]


@dataclass(frozen=True, slots=True)
class Reservation:
    """GPUs kept for some associations; `end` None: until further notice.

    `holders` are those associations, (account, user), the user empty where the account itself is meant; `shares` is how
    many there are, also of those that are no longer known. `used`: when jobs with GPUs ran in it, their true times.
    """

    name: str
    number: int
    start: datetime
    end: datetime | None
    gpus: int
    holders: frozenset[tuple[str, str]]
    shares: int
    used: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one partition: how many, and their GPUs by kind (installed, in use, on nodes that are down).

    `also_in`: other partitions that some of the same nodes belong to.
    """

    partition: str
    gpu_kind: str
    nodes: int
    gpus: int
    gpus_in_use: int
    gpus_down: int
    also_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionConfig:
    """`allow_qos` empty: every QOS; `qos`: the partition's own, whose limits hold besides a job's."""

    name: str
    allow_qos: frozenset[str]
    default_time_minutes: int | None
    max_time_minutes: int | None
    qos: str = ""


@dataclass(frozen=True, slots=True)
class QosConfig:
    """`flags` as Slurm writes them (DenyOnLimit, …); `least_gpus`: MinTRESPerJob of gres/gpu, None where unset.

    `usage_factor`: by what Slurm multiplies used time before it counts it; `gpu_minutes`: GrpTRESMins of gres/gpu of
    the QOS itself, which Slurm checks instead of an account's.
    """

    name: str
    flags: frozenset[str]
    least_gpus: int | None
    usage_factor: float = 1.0
    gpu_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """An account that is not below the portal's root account: shown, never touched."""

    name: str
    parent: str
    people: tuple[str, ...]
    gpu_minutes: int | None
    qos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """How the portal stands towards Slurm, apart from what Slurm is set to enforce.

    `user` is whom Slurm sees and `admin_level` what slurmdbd lets them do (None, Operator, Administrator).
    `clock_ahead_seconds`: slurmctld's clock minus this machine's. `rolled_up_until`: up to when slurmdbd has summed
    usage up, None where it does not tell.
    """

    user: str
    is_root: bool
    admin_level: str
    clock_ahead_seconds: float
    rolled_up_until: datetime | None
    slurmdbd_version: str = ""


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
    qos_settings: tuple[QosConfig, ...] = ()
