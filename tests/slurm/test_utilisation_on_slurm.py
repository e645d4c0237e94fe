"""Where GPU time went, as real slurmdbds sum it up: held against what was done to jobs, nodes and reservations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import HistoryJob, Sandbox
from portal.slurm.types import Utilisation
from tests.slurm.conftest import ON_SLURM, ROOT
from tests.slurm_cluster import add_account

# A day on which no other test has jobs.
DAY = datetime(2025, 3, 10, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FULL = 4 * 3600
KINDS = ("h100", "a100")
MAINTENANCE = 1


def sql(cluster: Sandbox, statement: str) -> str:
    return cluster.run(["mariadb", "--batch", "--skip-column-names", "slurm_acct_db", "-e", statement]).stdout.strip()


def epoch(hour: int, minutes: int = 0) -> int:
    return int((DAY + hour * HOUR + minutes * MINUTE).timestamp())


def gpus(cluster: Sandbox, kind: str) -> str:
    """A node's four GPUs as slurmdbd writes them."""
    number = "SELECT id FROM tres_table WHERE type = 'gres' AND name = "
    return f"1=64,{sql(cluster, number + repr('gpu'))}=4,{sql(cluster, number + repr(f'gpu:{kind}'))}=4"


def node_down(cluster: Sandbox, hour: int, minutes: int, node: str, kind: str) -> None:
    columns = "time_start, time_end, node_name, cluster_nodes, reason, state, tres"
    values = f"{epoch(hour)}, {epoch(hour, minutes)}, '{node}', '', 'broken', 1, '{gpus(cluster, kind)}'"
    sql(cluster, f"INSERT INTO pohang_event_table ({columns}) VALUES ({values})")


def reserved(cluster: Sandbox, number: int, hour: int, node: str, kind: str, flags: int = 0) -> None:
    columns = "id_resv, deleted, assoclist, flags, nodelist, node_inx, resv_name, time_start, time_end, tres"
    times = f"{epoch(hour)}, {epoch(hour + 1)}"
    values = f"{number}, 0, '', {flags}, '{node}', '0', 'r{number}', {times}, '{gpus(cluster, kind)}'"
    sql(cluster, f"INSERT INTO pohang_resv_table ({columns}) VALUES ({values})")


@pytest.mark.parametrize("version", ON_SLURM)
def test_jobs_reservations_nodes_that_fail_and_maintenance(clusters: Callable[[str], Sandbox], version: str) -> None:
    cluster = clusters(version)
    gateway = CommandsGateway("pohang", ROOT, cluster.prefix)
    add_account(cluster, "utilised", "kim")
    cluster.write_history(
        HistoryJob(
            8_000_000 + hour, "utilised", "kim", DAY + hour * HOUR, DAY + hour * HOUR, DAY + hour * HOUR + 30 * MINUTE,
            gpus=2,
        )
        for hour in (0, 2)
    )  # fmt: skip
    node_down(cluster, 1, 30, "a1", "a100")
    node_down(cluster, 2, 60, "h1", "h100")
    reserved(cluster, 801, 3, "h1", "h100")
    reserved(cluster, 802, 4, "a1", "a100", MAINTENANCE)
    cluster.rollup(DAY, DAY + 24 * HOUR)

    def hour(number: int) -> dict[str, Utilisation]:
        return dict(gateway.utilisation(DAY + number * HOUR, DAY + (number + 1) * HOUR, KINDS))

    free = Utilisation(FULL, 0, 0, 0)
    assert hour(0) == {"h100": Utilisation(FULL, 3600, 0, 0), "a100": free, "": Utilisation(2 * FULL, 3600, 0, 0)}
    assert hour(1)["a100"] == Utilisation(FULL, 0, FULL // 2, 0)
    # What a job still holds on a node that is down is allocated, and not down as well.
    assert hour(2)["h100"] == Utilisation(FULL, 3600, FULL - 3600, 0)
    assert hour(2)[""] == Utilisation(2 * FULL, 3600, FULL - 3600, 0)
    # Reserved for somebody, though nobody ran anything.
    assert hour(3)["h100"] == Utilisation(FULL, FULL, 0, 0)
    assert hour(4)["a100"] == Utilisation(FULL, 0, 0, FULL)
    # Slurm reads a day from midnight to midnight in a table of its own, any other span from its hours.
    begun = sum((hour(number)[""] for number in range(1, 5)), hour(0)[""])
    assert gateway.utilisation(DAY, DAY + 24 * HOUR, KINDS)[""] == begun + Utilisation(19 * 2 * FULL, 0, 0, 0)
    assert gateway.utilisation(DAY, DAY + 5 * HOUR, KINDS)[""] == begun
    # Hours that are not summed up count nothing, and kinds that Slurm does not know are not told.
    assert gateway.utilisation(DAY + 5 * HOUR, DAY + 47 * HOUR, KINDS)[""].installed == 19 * 2 * FULL
    assert gateway.utilisation(DAY, DAY + HOUR, ["v100"]).keys() == {""}
