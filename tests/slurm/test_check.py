"""What is told about a cluster that would not hold the portal's limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portal.slurm import check
from portal.slurm.check import Reading
from portal.slurm.fake import CAPACITY, CONFIG
from portal.slurm.findings import Finding, Level, PoolSetup
from portal.slurm.slips import SLIPS
from portal.slurm.types import AccountState, ClusterState, Health, NodeGroup, OtherAccount, PartitionConfig, QosConfig

NOW = datetime(2026, 3, 2, 1, 20, tzinfo=UTC)
POOLS = [PoolSetup("H100", "h100", ("h100",), "h100"), PoolSetup("A100", "a100", ("a100",), "a100")]
ROOT = AccountState("paic", "root")
GOOD = Reading(
    config=replace(CONFIG, version="26.05.5"),
    health=Health("portal", False, "Operator", 0.3, datetime(2026, 3, 2, 1, tzinfo=UTC), "26.05.5"),
    nodes=CAPACITY,
    state=ClusterState({"paic": ROOT}),
    others=[OtherAccount("physics", "root", ("lee",), None, ("normal",))],
    root_account="paic",
)


def findings(reading: Reading, pools: list[PoolSetup] = POOLS, cluster: str = "pohang") -> list[Finding]:
    return check.findings(reading, pools, at=NOW, cluster=cluster)


def troubles(reading: Reading, pools: list[PoolSetup] = POOLS, cluster: str = "pohang") -> dict[str, Finding]:
    found = findings(reading, pools, cluster)
    assert all(finding.message % finding.params for finding in found)
    return {finding.code: finding for finding in found if finding.level is not Level.OK}


def with_config(**changes: Any) -> Reading:
    return replace(GOOD, config=replace(GOOD.config, **changes))


def with_partition(**changes: Any) -> Reading:
    first, *others = CONFIG.partitions
    return with_config(partitions=(replace(first, **changes), *others))


def with_qos(name: str = "h100", **changes: Any) -> Reading:
    rows = {qos.name: qos for qos in CONFIG.qos_settings}
    rows[name] = replace(rows.get(name, QosConfig(name, frozenset(), None)), **changes)
    return with_config(qos_settings=tuple(rows.values()), qos=frozenset(rows))


def with_health(**changes: Any) -> Reading:
    return replace(GOOD, health=replace(GOOD.health, **changes))


def with_root(**changes: Any) -> Reading:
    return replace(GOOD, state=ClusterState({"paic": replace(ROOT, **changes)}))


def test_a_cluster_set_up_right_gives_no_trouble() -> None:
    found = findings(GOOD)
    assert {finding.level for finding in found} == {Level.OK}
    assert {f.code for f in found} == {
        *("enforce", "tracked-gpu", "priority-type", "decay", "part-limits", "pool"),
        *("version", "rights", "clock", "rollup", "root"),
    }


@pytest.mark.parametrize(
    ("changes", "code", "line"),
    [
        (
            {"enforce": frozenset({"associations", "limits"})},
            "enforce",
            "AccountingStorageEnforce=associations,limits,qos,safe",
        ),
        ({"enforce": frozenset()}, "enforce", "AccountingStorageEnforce=associations,limits,qos,safe"),
        ({"enforce": frozenset({"all", "nojobs"})}, "no-jobs", "AccountingStorageEnforce=associations,limits,qos,safe"),
        ({"priority_type": "priority/basic"}, "priority-type", "PriorityType=priority/multifactor"),
        ({"decay_half_life": "7-00:00:00"}, "decay", "PriorityDecayHalfLife=0"),
        ({"usage_reset_period": "MONTHLY"}, "reset", "PriorityUsageResetPeriod=NONE"),
        ({"tracked_tres": frozenset({"cpu", "gres/gpu:h100"})}, "tracked-gpu", "AccountingStorageTRES=gres/gpu"),
        ({"qos": frozenset({"normal", "a100"}), "qos_settings": ()}, "qos-missing", None),
        ({"partitions": CONFIG.partitions[1:]}, "partition-missing", "PartitionName=h100 AllowQos=h100"),
    ],
)
def test_each_danger_is_told_with_what_to_write(changes: dict[str, Any], code: str, line: str | None) -> None:
    found = troubles(with_config(**changes))
    assert found.keys() == {code}
    assert found[code].level is Level.DANGER
    assert line in (None, found[code].line)


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"allow_qos": frozenset()}, "partition-qos", Level.DANGER),
        ({"allow_qos": frozenset({"h100", "normal"})}, "partition-qos", Level.DANGER),
        ({"max_time_minutes": None}, "max-time", Level.DANGER),
        ({"default_time_minutes": None}, "default-time", Level.WARNING),
    ],
)
def test_a_pools_partition_is_looked_at(changes: dict[str, Any], code: str, level: Level) -> None:
    found = troubles(with_partition(**changes))
    assert found[code].level is level
    assert found[code].params["partition"] == "h100"


@pytest.mark.parametrize(
    ("reading", "code", "level", "line"),
    [
        (
            with_qos(least_gpus=None),
            "qos-least",
            Level.WARNING,
            "MinTRESPerJob=gres/gpu=1",
        ),
        (with_qos(flags=frozenset()), "qos-deny", Level.WARNING, "Flags+=DenyOnLimit"),
        (with_qos(gpu_minutes=500), "qos-limit", Level.DANGER, "GrpTRESMins=gres/gpu=-1"),
        (with_qos(usage_factor=0.5), "qos-factor", Level.DANGER, "UsageFactor=1"),
    ],
)
def test_the_qos_of_a_pool_must_not_hide_the_limits_of_accounts(
    reading: Reading, code: str, level: Level, line: str
) -> None:
    found = troubles(reading)
    assert found.keys() == {code}
    assert (found[code].level, found[code].line) == (level, f"sacctmgr modify qos h100 set {line}")


def test_the_qos_of_a_partition_must_not_either() -> None:
    partitions = (replace(CONFIG.partitions[0], qos="part"), *CONFIG.partitions[1:])
    reading = with_qos("part", gpu_minutes=500)
    found = troubles(replace(reading, config=replace(reading.config, partitions=partitions)))
    assert found.keys() == {"qos-limit"}
    assert found["qos-limit"].params["qos"] == "part"


def test_accounts_of_others_that_may_use_a_pool_are_a_danger() -> None:
    others = [OtherAccount(f"lab{n}", "root", (), None, ("h100", "normal")) for n in range(1, 8)]
    found = troubles(replace(GOOD, others=others))
    assert found.keys() == {"foreign-accounts"}
    assert found["foreign-accounts"].level is Level.DANGER
    assert found["foreign-accounts"].params["accounts"] == "lab1, lab2, lab3, lab4, lab5 (+2)"


def test_a_partition_of_others_on_the_nodes_of_a_pool_is_a_danger() -> None:
    first, second = CAPACITY
    found = troubles(replace(GOOD, nodes=[replace(first, also_in=("debug",)), second]))
    assert found.keys() == {"shared-nodes"}
    assert found["shared-nodes"].params["others"] == "debug"


def test_another_kind_of_gpu_in_a_pool_is_a_danger() -> None:
    found = troubles(replace(GOOD, nodes=[*CAPACITY, NodeGroup("h100", "b200", 1, 8, 0, 0)]))
    assert found.keys() == {"other-kind"}
    assert found["other-kind"].params["kind"] == "b200"


def test_gpus_that_no_pool_has_are_a_warning() -> None:
    nodes = [*CAPACITY, NodeGroup("new", "b200", 1, 8, 0, 0), NodeGroup("cpu", "", 4, 0, 0, 0)]
    found = troubles(replace(GOOD, nodes=nodes))
    assert found.keys() == {"unknown-kind"}
    assert found["unknown-kind"].params["kind"] == "b200"


def test_jobs_that_wait_for_ever_are_a_warning() -> None:
    assert troubles(with_config(enforce_part_limits="NO"))["part-limits"].level is Level.WARNING


def test_a_partition_of_no_pool_that_takes_a_pools_qos_is_a_warning() -> None:
    debug = PartitionConfig("debug", frozenset(), 10, 60)
    found = troubles(with_config(partitions=(*CONFIG.partitions, debug)))
    assert found.keys() == {"partition-open"}
    assert found["partition-open"].params == {"partition": "debug", "qos": "a100, h100"}


def test_a_pool_without_a_partition_is_a_danger() -> None:
    assert troubles(GOOD, [*POOLS, PoolSetup("None", "h100", ())])["pool-empty"].level is Level.DANGER


def test_another_cluster_is_a_danger() -> None:
    assert troubles(GOOD, cluster="busan").keys() == {"other-cluster"}


@pytest.mark.parametrize("enforce", [{"all"}, {"safe", "qos"}])
def test_what_slurm_implies_counts(enforce: set[str]) -> None:
    assert "enforce" not in troubles(with_config(enforce=frozenset(enforce)))


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"is_root": True, "user": "root", "admin_level": "Administrator"}, Level.WARNING, "runs as root"),
        ({"admin_level": "Administrator"}, Level.WARNING, "Operator is enough"),
        ({"admin_level": "None"}, Level.DANGER, "may change nothing"),
    ],
)
def test_more_rights_than_an_operators_are_told_and_fewer_are_a_danger(
    changes: dict[str, Any], level: Level, words: str
) -> None:
    found = troubles(with_health(**changes))
    assert found.keys() == {"rights"}
    assert found["rights"].level is level
    assert words in str(found["rights"].sentence)


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [(7.4, Level.WARNING, "7 seconds ahead"), (-90.0, Level.DANGER, "90 seconds behind")],
)
def test_clocks_that_differ_are_told(seconds: float, level: Level, words: str) -> None:
    found = troubles(with_health(clock_ahead_seconds=seconds))
    assert found["clock"].level is level
    assert words in str(found["clock"].sentence)


def test_a_roll_up_that_stands_still_is_a_warning() -> None:
    assert "rollup" not in troubles(with_health(rolled_up_until=NOW - timedelta(minutes=74)))
    found = troubles(with_health(rolled_up_until=NOW - timedelta(hours=9)))
    assert str(found["rollup"].sentence).startswith("slurmdbd has summed up usage until 2026-03-01 16:20 UTC only")


@pytest.mark.parametrize(
    ("version", "slurmdbd", "levels"),
    [
        ("26.05.5", "26.05.4", {}),
        ("24.11.5", "25.05.0", {"versions-differ": Level.WARNING}),
        ("22.05.8", "22.05.8", {"version": Level.WARNING}),
        ("21.08.1", "21.08.1", {"version": Level.DANGER}),
    ],
)
def test_versions_are_judged(version: str, slurmdbd: str, levels: dict[str, Level]) -> None:
    reading = replace(with_config(version=version), health=replace(GOOD.health, slurmdbd_version=slurmdbd))
    assert {code: finding.level for code, finding in troubles(reading).items()} == levels


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"parent": "campus"}, "root-place", Level.WARNING),
        ({"group_submit_jobs": 0}, "root-stopped", Level.DANGER),
        ({"gpu_minutes": 9}, "root-limit", Level.DANGER),
    ],
)
def test_what_is_set_on_the_root_account_binds_everybody(changes: dict[str, Any], code: str, level: Level) -> None:
    found = troubles(with_root(**changes))
    assert found.keys() == {code}
    assert found[code].level is level


def test_a_root_account_that_is_not_there_yet_is_told() -> None:
    assert troubles(replace(GOOD, state=ClusterState())).keys() == {"root-missing"}


def test_dangers_come_first() -> None:
    found = findings(with_config(usage_reset_period="DAILY", enforce_part_limits="NO"))
    order = [Level.DANGER, Level.WARNING, Level.OK]
    assert [finding.level for finding in found] == sorted((finding.level for finding in found), key=order.index)


def test_what_slips_through_is_said_with_its_bound() -> None:
    assert len(SLIPS) == 7
    assert "up to 2 GPU-minutes" in str(SLIPS[0])
