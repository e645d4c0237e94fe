"""What every supported version of Slurm printed (tests/slurm/record.py) is understood in the same way."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.slurm import health, sshare
from portal.slurm.associations import cluster_state, parse_associations, parse_defaults, parse_others
from portal.slurm.capacity import node_groups, parse_nodes
from portal.slurm.commands import SINCE_LINEAGE, parse_version
from portal.slurm.config import parse_config, parse_qos
from portal.slurm.queue import parse_queue
from portal.slurm.sacct import in_window, parse_jobs
from portal.slurm.sequence import parse_sequence
from portal.slurm.sreport import parse_usage
from portal.slurm.types import AccountState, JobRecord, NodeGroup, OtherAccount, PersonState, QosConfig
from tests.slurm.record import LEAF, RECORDED

VERSIONS = sorted(folder.name for folder in RECORDED.iterdir())
OURS = {"portal", "p1", LEAF, "p1-a100"}
H100, A100 = frozenset({"h100"}), frozenset({"a100"})


@pytest.fixture(params=VERSIONS)
def recorded(request: pytest.FixtureRequest) -> Path:
    return RECORDED / request.param


def read(recorded: Path, name: str) -> str:
    return (recorded / name).read_text(encoding="utf-8")


def lines(recorded: Path, name: str) -> list[str]:
    return read(recorded, name).split("\n")[:-1]


def jobs(recorded: Path) -> list[JobRecord]:
    rows = list(parse_jobs(lines(recorded, "sacct.txt")))
    assert all(isinstance(row, JobRecord) for row in rows)
    return [row for row in rows if isinstance(row, JobRecord)]


def test_the_three_versions_are_recorded() -> None:
    assert {"22.05", "24.11", "26.05"} <= set(VERSIONS)


def test_the_version_is_told(recorded: Path) -> None:
    year, month = parse_version(read(recorded, "version.txt"))
    assert f"{year}.{month:02}" == recorded.name


def test_the_tree_below_the_root_is_read(recorded: Path) -> None:
    with_lineage = parse_version(read(recorded, "version.txt")) >= SINCE_LINEAGE
    rows = parse_associations(read(recorded, "associations.txt"), with_lineage=with_lineage)
    state = cluster_state(rows, "portal", parse_defaults(read(recorded, "defaults.txt")))
    assert state.accounts.keys() == OURS
    assert state.accounts[LEAF] == AccountState(
        LEAF, "p1", gpu_minutes=3000, qos=frozenset({"h100"}), default_qos="h100"
    )
    assert state.accounts["p1-a100"].parked
    assert state.accounts["p1-a100"].gpu_minutes == 0
    assert state.people == {
        (LEAF, "kim"): PersonState(LEAF, "kim", qos=H100, default_qos="h100"),
        (LEAF, "lee"): PersonState(LEAF, "lee", gpu_minutes=2000, qos=H100 | A100, default_qos="h100"),
        ("p1-a100", "lee"): PersonState("p1-a100", "lee", paused=True, qos=A100, default_qos="a100"),
    }
    assert state.defaults == {"kim": LEAF, "lee": "p1-a100"}


def test_accounts_of_others_are_read_with_whatever_name(recorded: Path) -> None:
    assert parse_others(read(recorded, "others.txt"), "portal") == [
        OtherAccount("a|b", "root", (), 7, ("normal",)),
        OtherAccount("elsewhere", "root", ("kim",), 7, ("normal",)),
    ]


def test_the_number_left_in_slurm_is_read(recorded: Path) -> None:
    assert parse_sequence(read(recorded, "description.txt")) == 41


def test_how_the_portal_stands_is_read(recorded: Path) -> None:
    database = read(recorded, "database.txt")
    (version, owner) = (pattern.search(database) for pattern in (health.VERSION, health.OWNER))
    assert version is not None
    assert version[1].startswith(recorded.name)
    assert owner is not None
    assert owner[1] == "slurm"
    assert read(recorded, "level.txt").strip() == health.ADMINISTRATOR
    assert health.CLOCK.match(read(recorded, "config.txt"))
    assert read(recorded, "hour.txt").startswith("pohang|")


def test_jobs_of_every_shape_are_read(recorded: Path) -> None:
    rows = jobs(recorded)
    states = {row.state for row in rows}
    assert {"COMPLETED", "FAILED", "CANCELLED", "REQUEUED", "SUSPENDED", "RUNNING", "PENDING"} == states
    assert len({(row.cluster, row.db_index) for row in rows}) == len(rows)
    for row in rows:
        ran = row.state != "PENDING"
        assert (row.gpus, dict(row.gpu_kinds)) == ((1, {"h100": 1}) if ran else (0, {}))
        assert row.final == (row.state in {"COMPLETED", "FAILED", "CANCELLED", "REQUEUED"})
        assert row.account == LEAF
    failed = next(row for row in rows if row.state == "FAILED")
    assert (failed.exit_code, failed.time_limit_minutes, failed.cpus) == ("3:0", 5, 1)


def test_waiting_jobs_are_in_no_window(recorded: Path) -> None:
    far = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    assert {row.state for row in jobs(recorded) if not in_window(row, *far)} == {"PENDING"}


def test_the_queue_is_read(recorded: Path) -> None:
    queue = parse_queue(read(recorded, "squeue.txt"))
    assert {entry.state for entry in queue} == {"PENDING", "RUNNING", "SUSPENDED"}
    by_id = {entry.display_id: entry for entry in queue}
    waiting_tasks = by_id["8_[3-5%2]"]
    assert (waiting_tasks.start, waiting_tasks.gpus, waiting_tasks.time_limit_minutes) == (None, 1, 30)
    assert by_id["7"].reason == "BeginTime"
    assert by_id["7"].time_limit_minutes == 1440
    assert by_id["11"].gpus == 4
    assert all(entry.start is not None for entry in queue if entry.state == "RUNNING")


def test_nodes_are_read_and_a_drained_one_has_no_gpus_to_give(recorded: Path) -> None:
    assert node_groups(parse_nodes(read(recorded, "nodes.txt"))) == [
        NodeGroup("a100", "a100", nodes=1, gpus=4, gpus_in_use=0, gpus_down=4),
        # Two run, and the suspended one keeps its GPU.
        NodeGroup("h100", "h100", nodes=1, gpus=4, gpus_in_use=3, gpus_down=0),
    ]


def test_what_is_enforced_is_read(recorded: Path) -> None:
    qos = parse_qos(read(recorded, "qos.txt"))
    config = parse_config(read(recorded, "config.txt"), read(recorded, "partitions.txt"), qos)
    assert config.cluster == "pohang"
    assert config.version.startswith(recorded.name)
    assert config.enforce == {"associations", "limits", "qos", "safe"}
    assert {"gres/gpu", "gres/gpu:h100", "gres/gpu:a100"} <= config.tracked_tres
    assert config.priority_type == "priority/multifactor"
    assert (config.decay_half_life, config.usage_reset_period) == ("00:00:00", "NONE")
    assert config.enforce_part_limits == "ALL"
    assert config.qos == {"normal", "h100", "a100"}
    assert config.qos_settings == (
        *(QosConfig(pool, frozenset({"DenyOnLimit"}), 1) for pool in ("a100", "h100")),
        QosConfig("normal", frozenset(), None),
    )
    assert [(partition.name, partition.allow_qos) for partition in config.partitions] == [
        ("h100", {"h100"}),
        ("a100", {"a100"}),
    ]
    assert all(partition.default_time_minutes == 60 for partition in config.partitions)
    assert all(partition.max_time_minutes in {1440, 10080} for partition in config.partitions)


def test_counters_in_minutes_are_read(recorded: Path) -> None:
    counters = sshare.parse_text(read(recorded, "sshare.txt"), OURS)
    assert counters.keys() == OURS
    assert (counters[LEAF].limit_gpu_minutes, counters["p1-a100"].limit_gpu_minutes) == (3000, 0)
    assert counters[LEAF].reserved_gpu_seconds == counters["portal"].reserved_gpu_seconds == 80 * 60
    assert not counters[LEAF].exact


def test_exact_counters_are_read_where_slurm_has_them(recorded: Path) -> None:
    if parse_version(read(recorded, "version.txt")) < (24, 11):
        assert not (recorded / "sshare.json").exists()
        return
    counters = sshare.parse_json(read(recorded, "sshare.json"), OURS)
    assert counters.keys() == OURS
    ran = [row for row in jobs(recorded) if row.final and row.start is not None and row.end is not None]
    assert counters[LEAF].used_gpu_seconds == sum(
        int((row.end - row.start).total_seconds()) * row.gpus for row in ran if row.end and row.start
    )
    assert counters[LEAF].reserved_gpu_seconds == 80 * 60
    assert (counters[LEAF].limit_gpu_minutes, counters["portal"].limit_gpu_minutes) == (3000, None)
    assert counters[LEAF].exact


def test_sreport_is_read_without_the_totals_of_subtrees(recorded: Path) -> None:
    usage = parse_usage(read(recorded, "sreport.txt"))
    assert usage.keys() == {(LEAF, "kim"), (LEAF, "lee")}
    ran = [row for row in jobs(recorded) if row.user == "kim" and row.start and row.end]
    assert usage[LEAF, "kim"] == sum(int((row.end - row.start).total_seconds()) for row in ran if row.end and row.start)
