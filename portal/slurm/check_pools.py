"""Whether a pool is closed: only its own QOS gets in, only its own GPUs are in it, and no limit of Slurm's hides the
limits of accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from portal.slurm.findings import SACCTMGR, SLURM_CONF, Finding, PoolSetup, danger, fine, warning
from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU
from portal.slurm.types import NodeGroup, OtherAccount, PartitionConfig, QosConfig, SlurmConfig

DENY = "DenyOnLimit"
MOST_NAMES = 5


def findings(
    config: SlurmConfig, pools: Sequence[PoolSetup], nodes: Sequence[NodeGroup], others: Sequence[OtherAccount]
) -> Iterator[Finding]:
    partitions = {partition.name: partition for partition in config.partitions}
    for pool in pools:
        troubles = [
            *_qos(pool, config),
            *_partitions(pool, partitions),
            *_hidden_limits(pool, config, partitions),
            *_nodes(pool, nodes),
            *_foreign(pool, others),
        ]
        yield from troubles
        if not troubles:
            text = _("The pool %(pool)s is closed: only its own QOS gets in, and only its accounts may use that.")
            yield fine("pool", Sentence(text, {"pool": pool.name}))
    yield from _other_partitions(config, pools)
    yield from _unknown_kinds(pools, nodes)


def _qos(pool: PoolSetup, config: SlurmConfig) -> Iterator[Finding]:
    params = {"qos": pool.qos, "pool": pool.name}
    if pool.qos not in config.qos:
        yield danger(
            "qos-missing",
            Sentence(_("The QOS “%(qos)s” of the pool %(pool)s does not exist."), params),
            SACCTMGR,
            f"sacctmgr add qos {pool.qos} set MinTRESPerJob={GPU}=1 Flags={DENY}",
        )
    for qos in (row for row in config.qos_settings if row.name == pool.qos):
        if not qos.least_gpus:
            yield warning(
                "qos-least",
                Sentence(
                    _("The QOS “%(qos)s” takes jobs without a GPU too: they use the pool's CPUs and are not charged."),
                    params,
                ),
                SACCTMGR,
                f"sacctmgr modify qos {pool.qos} set MinTRESPerJob={GPU}=1",
            )
        if DENY not in qos.flags:
            yield warning(
                "qos-deny",
                Sentence(
                    _("Jobs in the QOS “%(qos)s” that can never start wait for ever instead of being refused."), params
                ),
                SACCTMGR,
                f"sacctmgr modify qos {pool.qos} set Flags+={DENY}",
            )


def _partitions(pool: PoolSetup, partitions: Mapping[str, PartitionConfig]) -> Iterator[Finding]:
    if not pool.partitions:
        yield danger("pool-empty", Sentence(_("The pool %(pool)s has no partition."), {"pool": pool.name}))
    for name in pool.partitions:
        if name in partitions:
            yield from _partition(pool, partitions[name])
        else:
            yield danger(
                "partition-missing",
                Sentence(
                    _("The partition “%(partition)s” of the pool %(pool)s does not exist."),
                    {"partition": name, "pool": pool.name},
                ),
                SLURM_CONF,
                f"PartitionName={name} AllowQos={pool.qos}",
            )


def _partition(pool: PoolSetup, partition: PartitionConfig) -> Iterator[Finding]:
    name = partition.name
    params = {"partition": name, "pool": pool.name, "qos": pool.qos}
    if partition.allow_qos != {pool.qos}:
        yield danger(
            "partition-qos",
            Sentence(
                _("The partition “%(partition)s” does not accept the QOS “%(qos)s” alone: budgets of pools can mix."),
                params,
            ),
            SLURM_CONF,
            f"PartitionName={name} AllowQos={pool.qos}",
        )
    if partition.max_time_minutes is None:
        yield danger(
            "max-time",
            Sentence(
                _("The partition “%(partition)s” has no longest time: a job without a time limit can never start."),
                params,
            ),
            SLURM_CONF,
            f"PartitionName={name} MaxTime=3-00:00:00",
        )
    if partition.default_time_minutes is None:
        yield warning(
            "default-time",
            Sentence(
                _("The partition “%(partition)s” has no default time: a job without one reserves the longest."), params
            ),
            SLURM_CONF,
            f"PartitionName={name} DefaultTime=1:00:00",
        )


def _hidden_limits(
    pool: PoolSetup, config: SlurmConfig, partitions: Mapping[str, PartitionConfig]
) -> Iterator[Finding]:
    """A QOS, the pool's or a partition's own, with a GrpTRESMins: Slurm then asks no account's (found on 26.05)."""
    names = {pool.qos, *(partitions[name].qos for name in pool.partitions if name in partitions)}
    for qos in (row for row in config.qos_settings if row.name in names):
        params = {"qos": qos.name, "pool": pool.name}
        if qos.gpu_minutes is not None:
            yield danger(
                "qos-limit",
                Sentence(
                    _(
                        "The QOS “%(qos)s” has a GPU time limit of its own: Slurm checks that one instead of every "
                        "account's, so jobs in the pool %(pool)s pass their budget."
                    ),
                    params,
                ),
                SACCTMGR,
                f"sacctmgr modify qos {qos.name} set GrpTRESMins={GPU}=-1",
            )
        if qos.usage_factor != 1:
            yield _usage_factor(qos)


def _usage_factor(qos: QosConfig) -> Finding:
    sentence = Sentence(
        _("Slurm counts time in the QOS “%(qos)s” %(factor)s-fold: its counter and the real use drift apart."),
        {"qos": qos.name, "factor": f"{qos.usage_factor:g}"},
    )
    return danger("qos-factor", sentence, SACCTMGR, f"sacctmgr modify qos {qos.name} set UsageFactor=1")


def _nodes(pool: PoolSetup, nodes: Iterable[NodeGroup]) -> Iterator[Finding]:
    """Nodes that other partitions reach too, and nodes of another GPU kind than the pool's."""
    for group in nodes:
        if group.partition not in pool.partitions:
            continue
        params = {"partition": group.partition, "pool": pool.name}
        if strangers := [name for name in group.also_in if name not in pool.partitions]:
            yield danger(
                "shared-nodes",
                Sentence(
                    _("Jobs of the partition %(others)s run on nodes of the pool %(pool)s too, without its budgets."),
                    {**params, "others": ", ".join(strangers)},
                ),
                SLURM_CONF,
                f"PartitionName={strangers[0]} Nodes=…",
            )
        if pool.gpu_kind and group.gpu_kind and group.gpu_kind != pool.gpu_kind:
            yield danger(
                "other-kind",
                Sentence(
                    _("The partition “%(partition)s” of the pool %(pool)s also has GPUs of the kind %(kind)s."),
                    {**params, "kind": group.gpu_kind},
                ),
                SLURM_CONF,
                f"PartitionName={group.partition} Nodes=…",
            )


def _foreign(pool: PoolSetup, others: Iterable[OtherAccount]) -> Iterator[Finding]:
    """Accounts beside the portal's root that may use the pool's QOS."""
    if open_to := sorted(other.name for other in others if pool.qos in other.qos):
        more = f" (+{len(open_to) - MOST_NAMES})" if len(open_to) > MOST_NAMES else ""
        yield danger(
            "foreign-accounts",
            Sentence(
                _("Accounts outside the portal may use the QOS “%(qos)s”, and so the pool %(pool)s: %(accounts)s."),
                {"qos": pool.qos, "pool": pool.name, "accounts": ", ".join(open_to[:MOST_NAMES]) + more},
            ),
            SACCTMGR,
            f"sacctmgr modify account {open_to[0]} set qos-={pool.qos}",
        )


def _other_partitions(config: SlurmConfig, pools: Sequence[PoolSetup]) -> Iterator[Finding]:
    """A partition outside the pools that takes a pool's QOS would spend the budget on other nodes."""
    of_pools = {name for pool in pools for name in pool.partitions}
    for partition in config.partitions:
        open_to = sorted(pool.qos for pool in pools if not partition.allow_qos or pool.qos in partition.allow_qos)
        if partition.name not in of_pools and open_to:
            yield warning(
                "partition-open",
                Sentence(
                    _("The partition “%(partition)s” belongs to no pool, but accepts the QOS %(qos)s."),
                    {"partition": partition.name, "qos": ", ".join(open_to)},
                ),
                SLURM_CONF,
                f"PartitionName={partition.name} DenyQos={','.join(open_to)}",
            )


def _unknown_kinds(pools: Sequence[PoolSetup], nodes: Iterable[NodeGroup]) -> Iterator[Finding]:
    """GPUs that nobody can be granted, because no pool names their kind or their partition."""
    of_pools = {name for pool in pools for name in pool.partitions}
    kinds = {group.gpu_kind for group in nodes if group.gpus and group.partition not in of_pools}
    for kind in sorted(kinds - {pool.gpu_kind for pool in pools}):
        yield warning(
            "unknown-kind",
            Sentence(
                _("There are GPUs of the kind %(kind)s, which no pool has: nobody can be granted them."),
                {"kind": kind or "gpu"},
            ),
        )
