"""What a cluster must be set to so that the portal's limits hold: pure, from what was read of it.

Why each matters: slurm-facts section 2 in short. Without `safe` jobs pass their budget, without multifactor priority
nothing is counted at all, with decay the counter forgets, and a job without a time limit can never start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.slurm import check_pools, check_standing
from portal.slurm.findings import SLURM_CONF, Finding, Level, PoolSetup, danger, fine, warning
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sentences import Sentence
from portal.slurm.sentences import noop as _
from portal.slurm.tres import GPU
from portal.slurm.types import ClusterState, Health, NodeGroup, OtherAccount, SlurmConfig

ENFORCED = ("associations", "limits", "qos", "safe")
# `associations,limits,...` follow from each other in Slurm; these words switch everything on.
IMPLIED = {"safe": {"associations", "limits"}, "limits": {"associations"}, "qos": {"associations"}}
# With it Slurm writes no job rows, so nothing of what is used ever reaches the portal.
UNRECORDED = "nojobs"
NO_DECAY = frozenset({"00:00:00", "0"})


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is checked, as one pass read it from Slurm."""

    config: SlurmConfig
    health: Health
    nodes: Sequence[NodeGroup]
    state: ClusterState
    others: Sequence[OtherAccount]
    root_account: str


def read(gateway: SlurmGateway) -> Reading:
    """Ask Slurm for everything that is checked; changes nothing. Raises SlurmError."""
    return Reading(
        config=gateway.config(),
        health=gateway.health(),
        nodes=gateway.capacity(),
        state=gateway.snapshot(),
        others=gateway.other_accounts(),
        root_account=gateway.root_account,
    )


def findings(reading: Reading, pools: Iterable[PoolSetup], *, at: datetime, cluster: str = "") -> list[Finding]:
    """Everything that was checked at `at`, dangers first. `cluster`: the name that the portal was told, if any."""
    pools = tuple(pools)
    config = reading.config
    found = [
        *_cluster(config, cluster),
        *_enforcement(config),
        *_counting(config),
        *_refusals(config),
        *check_pools.findings(config, pools, reading.nodes, reading.others),
        *check_standing.findings(config, reading.health, reading.state, reading.root_account, at),
    ]
    order = (Level.DANGER, Level.WARNING, Level.OK)
    return sorted(found, key=lambda finding: order.index(finding.level))


def _cluster(config: SlurmConfig, cluster: str) -> Iterator[Finding]:
    if cluster and cluster != config.cluster:
        yield danger(
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
        yield danger(
            "enforce",
            Sentence(
                _("Slurm does not enforce %(missing)s: jobs can pass their budget or run without one."),
                {"missing": ", ".join(missing)},
            ),
            SLURM_CONF,
            line,
        )
    else:
        yield fine("enforce", Sentence(_("Slurm enforces associations, limits, QOS and safe starts.")))
    if UNRECORDED in config.enforce:
        yield danger(
            "no-jobs",
            Sentence(_("Slurm keeps no job records (nojobs): the portal cannot see what is used.")),
            SLURM_CONF,
            line,
        )


def _counting(config: SlurmConfig) -> Iterator[Finding]:
    if GPU not in config.tracked_tres:
        yield danger(
            "tracked-gpu",
            Sentence(_("Slurm does not track gres/gpu: GPU time is neither counted nor limited.")),
            SLURM_CONF,
            f"AccountingStorageTRES={GPU}",
        )
    else:
        yield fine("tracked-gpu", Sentence(_("Slurm tracks GPUs.")))
    if config.priority_type != "priority/multifactor":
        yield danger(
            "priority-type",
            Sentence(
                _("PriorityType is %(found)s: Slurm does not add up usage, so no budget is ever spent."),
                {"found": config.priority_type},
            ),
            SLURM_CONF,
            "PriorityType=priority/multifactor",
        )
        return
    yield fine("priority-type", Sentence(_("Slurm adds up usage (priority/multifactor).")))
    if config.decay_half_life not in NO_DECAY:
        yield danger(
            "decay",
            Sentence(
                _("Slurm halves the counted usage every %(found)s: spent budgets refill."),
                {"found": config.decay_half_life},
            ),
            SLURM_CONF,
            "PriorityDecayHalfLife=0",
        )
    if config.usage_reset_period != "NONE":
        yield danger(
            "reset",
            Sentence(
                _("Slurm resets the counted usage (%(found)s): spent budgets refill."),
                {"found": config.usage_reset_period},
            ),
            SLURM_CONF,
            "PriorityUsageResetPeriod=NONE",
        )
    if config.decay_half_life in NO_DECAY and config.usage_reset_period == "NONE":
        yield fine("decay", Sentence(_("Counted usage neither decays nor is reset.")))


def _refusals(config: SlurmConfig) -> Iterator[Finding]:
    if config.enforce_part_limits == "ALL":
        yield fine("part-limits", Sentence(_("Jobs that can never run are refused at submission.")))
    else:
        yield warning(
            "part-limits",
            Sentence(_("Jobs that can never run wait for ever instead of being refused at submission.")),
            SLURM_CONF,
            "EnforcePartLimits=ALL",
        )
