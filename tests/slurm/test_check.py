"""What is told about a cluster that would not hold the portal's limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.slurm.check import Finding, Level, PoolSetup, findings
from portal.slurm.fake import CONFIG
from portal.slurm.types import PartitionConfig, SlurmConfig

POOLS = [PoolSetup("H100", "h100", ("h100",)), PoolSetup("A100", "a100", ("a100",))]


def troubles(config: SlurmConfig, pools: list[PoolSetup] = POOLS, cluster: str = "") -> dict[str, Finding]:
    return {finding.code: finding for finding in findings(config, pools, cluster) if finding.level is not Level.OK}


def with_partition(**changes: object) -> SlurmConfig:
    first, *others = CONFIG.partitions
    return replace(CONFIG, partitions=(replace(first, **changes), *others))  # type: ignore[arg-type]


def test_a_cluster_set_up_right_gives_no_trouble() -> None:
    found = findings(CONFIG, POOLS, "pohang")
    assert {finding.level for finding in found} == {Level.OK}
    assert {"enforce", "tracked-gpu", "priority-type", "decay", "part-limits", "pool"} == {f.code for f in found}


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        (
            {"enforce": frozenset({"associations", "limits"})},
            "enforce",
            "AccountingStorageEnforce=associations,limits,qos,safe",
        ),
        ({"enforce": frozenset()}, "enforce", "AccountingStorageEnforce=associations,limits,qos,safe"),
        ({"priority_type": "priority/basic"}, "priority-type", "PriorityType=priority/multifactor"),
        ({"decay_half_life": "7-00:00:00"}, "decay", "PriorityDecayHalfLife=0"),
        ({"usage_reset_period": "MONTHLY"}, "reset", "PriorityUsageResetPeriod=NONE"),
        ({"tracked_tres": frozenset({"cpu", "gres/gpu:h100"})}, "tracked-gpu", "AccountingStorageTRES=gres/gpu"),
        ({"qos": frozenset({"normal", "a100"})}, "qos-missing", None),
        ({"partitions": CONFIG.partitions[1:]}, "partition-missing", "PartitionName=h100 AllowQos=h100"),
    ],
)
def test_each_danger_is_told_with_what_to_write(changes: dict[str, object], code: str, line: str | None) -> None:
    found = troubles(replace(CONFIG, **changes))  # type: ignore[arg-type]
    assert found.keys() == {code}
    assert found[code].level is Level.DANGER
    assert line in (None, found[code].line)
    assert found[code].message % found[code].params


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"allow_qos": frozenset()}, "partition-qos", Level.DANGER),
        ({"allow_qos": frozenset({"h100", "normal"})}, "partition-qos", Level.DANGER),
        ({"max_time_minutes": None}, "max-time", Level.DANGER),
        ({"default_time_minutes": None}, "default-time", Level.WARNING),
    ],
)
def test_a_pools_partition_is_looked_at(changes: dict[str, object], code: str, level: Level) -> None:
    found = troubles(with_partition(**changes))
    assert found[code].level is level
    assert found[code].params["partition"] == "h100"


def test_jobs_that_wait_for_ever_are_a_warning() -> None:
    found = troubles(replace(CONFIG, enforce_part_limits="NO"))
    assert found["part-limits"].level is Level.WARNING


def test_a_partition_of_no_pool_that_takes_a_pools_qos_is_a_warning() -> None:
    debug = PartitionConfig("debug", frozenset(), 10, 60)
    found = troubles(replace(CONFIG, partitions=(*CONFIG.partitions, debug)))
    assert found.keys() == {"partition-open"}
    assert found["partition-open"].params == {"partition": "debug", "qos": "a100, h100"}


def test_a_pool_without_a_partition_is_a_danger() -> None:
    assert troubles(CONFIG, [*POOLS, PoolSetup("None", "h100", ())])["pool-empty"].level is Level.DANGER


def test_another_cluster_is_a_danger() -> None:
    assert troubles(CONFIG, cluster="busan").keys() == {"other-cluster"}


@pytest.mark.parametrize("enforce", [{"all"}, {"safe", "qos"}])
def test_what_slurm_implies_counts(enforce: set[str]) -> None:
    assert "enforce" not in troubles(replace(CONFIG, enforce=frozenset(enforce)))


def test_dangers_come_first() -> None:
    found = findings(replace(CONFIG, usage_reset_period="DAILY", enforce_part_limits="NO"), POOLS)
    order = [Level.DANGER, Level.WARNING, Level.OK]
    assert [finding.level for finding in found] == sorted((finding.level for finding in found), key=order.index)
