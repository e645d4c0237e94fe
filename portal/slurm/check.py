"""What a cluster must be set to so that the portal's limits hold: pure, from the configuration that Slurm reports.

Why each matters: slurm-facts section 2 in short. Without `safe` jobs pass their budget, without multifactor priority
nothing is counted at all, with decay the counter forgets, and a job without a time limit can never start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU
from portal.slurm.types import PartitionConfig, SlurmConfig

ENFORCED = ("associations", "limits", "qos", "safe")
# `associations,limits,...` follow from each other in Slurm; these words switch everything on.
IMPLIED = {"safe": {"associations", "limits"}, "limits": {"associations"}, "qos": {"associations"}}
NO_DECAY = frozenset({"00:00:00", "0"})
SLURM_CONF = "slurm.conf"


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class PoolSetup:
    """What the portal expects of one pool: its QOS and the partitions that belong to it alone."""

    name: str
    qos: str
    partitions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `file` and `line`: what to write where, empty where all is well."""

    level: Level
    code: str
    sentence: Sentence
    file: str = ""
    line: str = ""

    @property
    def message(self) -> str:
        """English msgid: shown as gettext(finding.message) % finding.params."""
        return self.sentence.message

    @property
    def params(self) -> dict[str, str]:
        return dict(self.sentence.params)


def findings(config: SlurmConfig, pools: Iterable[PoolSetup], cluster: str = "") -> list[Finding]:
    """Everything that was checked, dangers first. `cluster`: the name that the portal was told, if any."""
    pools = tuple(pools)
    found = [
        *_cluster(config, cluster),
        *_enforcement(config),
        *_counting(config),
        *_partitions(config, pools),
    ]
    order = (Level.DANGER, Level.WARNING, Level.OK)
    return sorted(found, key=lambda finding: order.index(finding.level))


def _cluster(config: SlurmConfig, cluster: str) -> Iterator[Finding]:
    if cluster and cluster != config.cluster:
        yield _danger(
            "other-cluster",
            Sentence(
                _("slurmctld serves the cluster “%(found)s”, but the portal is set to “%(expected)s”."),
                {"found": config.cluster, "expected": cluster},
            ),
            "SLURM_CLUSTER",
            f"SLURM_CLUSTER={config.cluster}",
        )


def _enforcement(config: SlurmConfig) -> Iterator[Finding]:
    enforced = config.enforce.union(*(IMPLIED.get(word, set()) for word in config.enforce))
    if "all" in config.enforce:
        enforced = enforced.union(ENFORCED)
    missing = [word for word in ENFORCED if word not in enforced]
    line = f"AccountingStorageEnforce={','.join(ENFORCED)}"
    if missing:
        yield _danger(
            "enforce",
            Sentence(
                _("Slurm does not enforce %(missing)s: jobs can pass their budget or run without one."),
                {"missing": ", ".join(missing)},
            ),
            SLURM_CONF,
            line,
        )
    else:
        yield _ok("enforce", Sentence(_("Slurm enforces associations, limits, QOS and safe starts.")))


def _counting(config: SlurmConfig) -> Iterator[Finding]:
    if GPU not in config.tracked_tres:
        yield _danger(
            "tracked-gpu",
            Sentence(_("Slurm does not track gres/gpu: GPU time is neither counted nor limited.")),
            SLURM_CONF,
            f"AccountingStorageTRES={GPU}",
        )
    else:
        yield _ok("tracked-gpu", Sentence(_("Slurm tracks GPUs.")))
    if config.priority_type != "priority/multifactor":
        yield _danger(
            "priority-type",
            Sentence(
                _("PriorityType is %(found)s: Slurm does not add up usage, so no budget is ever spent."),
                {"found": config.priority_type},
            ),
            SLURM_CONF,
            "PriorityType=priority/multifactor",
        )
        return
    yield _ok("priority-type", Sentence(_("Slurm adds up usage (priority/multifactor).")))
    if config.decay_half_life not in NO_DECAY:
        yield _danger(
            "decay",
            Sentence(
                _("Slurm halves the counted usage every %(found)s: spent budgets refill."),
                {"found": config.decay_half_life},
            ),
            SLURM_CONF,
            "PriorityDecayHalfLife=0",
        )
    if config.usage_reset_period != "NONE":
        yield _danger(
            "reset",
            Sentence(
                _("Slurm resets the counted usage (%(found)s): spent budgets refill."),
                {"found": config.usage_reset_period},
            ),
            SLURM_CONF,
            "PriorityUsageResetPeriod=NONE",
        )
    if config.decay_half_life in NO_DECAY and config.usage_reset_period == "NONE":
        yield _ok("decay", Sentence(_("Counted usage neither decays nor is reset.")))


def _partitions(config: SlurmConfig, pools: tuple[PoolSetup, ...]) -> Iterator[Finding]:
    if config.enforce_part_limits == "ALL":
        yield _ok("part-limits", Sentence(_("Jobs that can never run are refused at submission.")))
    else:
        yield Finding(
            Level.WARNING,
            "part-limits",
            Sentence(_("Jobs that can never run wait for ever instead of being refused at submission.")),
            SLURM_CONF,
            "EnforcePartLimits=ALL",
        )
    partitions = {partition.name: partition for partition in config.partitions}
    for pool in pools:
        yield from _pool(pool, config, partitions)
    yield from _other_partitions(config, pools)


def _pool(pool: PoolSetup, config: SlurmConfig, partitions: dict[str, PartitionConfig]) -> Iterator[Finding]:
    if pool.qos not in config.qos:
        yield _danger(
            "qos-missing",
            Sentence(_("The QOS “%(qos)s” of the pool %(pool)s does not exist."), {"qos": pool.qos, "pool": pool.name}),
            "sacctmgr",
            f"sacctmgr add qos {pool.qos} set MinTRESPerJob={GPU}=1 Flags=DenyOnLimit",
        )
    if not pool.partitions:
        yield _danger("pool-empty", Sentence(_("The pool %(pool)s has no partition."), {"pool": pool.name}))
    whole = pool.qos in config.qos and bool(pool.partitions)
    for name in pool.partitions:
        troubles = list(_pool_partition(pool, name, partitions.get(name)))
        whole = whole and not troubles
        yield from troubles
    if whole:
        yield _ok(
            "pool",
            Sentence(_("The partitions of the pool %(pool)s accept only its own QOS."), {"pool": pool.name}),
        )


def _pool_partition(pool: PoolSetup, name: str, partition: PartitionConfig | None) -> Iterator[Finding]:
    params = {"partition": name, "pool": pool.name, "qos": pool.qos}
    if partition is None:
        yield _danger(
            "partition-missing",
            Sentence(_("The partition “%(partition)s” of the pool %(pool)s does not exist."), params),
            SLURM_CONF,
            f"PartitionName={name} AllowQos={pool.qos}",
        )
        return
    if partition.allow_qos != {pool.qos}:
        yield _danger(
            "partition-qos",
            Sentence(
                _("The partition “%(partition)s” does not accept the QOS “%(qos)s” alone: budgets of pools can mix."),
                params,
            ),
            SLURM_CONF,
            f"PartitionName={name} AllowQos={pool.qos}",
        )
    if partition.max_time_minutes is None:
        yield _danger(
            "max-time",
            Sentence(
                _("The partition “%(partition)s” has no longest time: a job without a time limit can never start."),
                params,
            ),
            SLURM_CONF,
            f"PartitionName={name} MaxTime=3-00:00:00",
        )
    if partition.default_time_minutes is None:
        yield Finding(
            Level.WARNING,
            "default-time",
            Sentence(
                _("The partition “%(partition)s” has no default time: a job without one reserves the longest."), params
            ),
            SLURM_CONF,
            f"PartitionName={name} DefaultTime=1:00:00",
        )


def _other_partitions(config: SlurmConfig, pools: tuple[PoolSetup, ...]) -> Iterator[Finding]:
    """A partition outside the pools that takes a pool's QOS would spend the budget on other nodes."""
    of_pools = {name for pool in pools for name in pool.partitions}
    for partition in config.partitions:
        open_to = sorted(pool.qos for pool in pools if not partition.allow_qos or pool.qos in partition.allow_qos)
        if partition.name not in of_pools and open_to:
            yield Finding(
                Level.WARNING,
                "partition-open",
                Sentence(
                    _("The partition “%(partition)s” belongs to no pool, but accepts the QOS %(qos)s."),
                    {"partition": partition.name, "qos": ", ".join(open_to)},
                ),
                SLURM_CONF,
                f"PartitionName={partition.name} DenyQos={','.join(open_to)}",
            )


def _danger(code: str, sentence: Sentence, file: str = "", line: str = "") -> Finding:
    return Finding(Level.DANGER, code, sentence, file, line)


def _ok(code: str, sentence: Sentence) -> Finding:
    return Finding(Level.OK, code, sentence)
