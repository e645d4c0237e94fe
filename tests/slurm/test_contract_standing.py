"""What every driver promises of how the portal stands towards Slurm: its number there, its rights, clocks, QOS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.slurm.commands import CommandsGateway
from portal.slurm.errors import SlurmRefused
from portal.slurm.fake import FakeGateway
from portal.slurm.gateway import SlurmGateway
from portal.slurm.sandbox import HistoryJob
from portal.slurm.types import AddPerson, QosConfig
from tests.slurm.conftest import Place, real

HOUR = timedelta(hours=1)


def other_root(place: Place, root_account: str) -> SlurmGateway:
    if place.sandbox is None:
        return FakeGateway(root_account=root_account)
    return CommandsGateway("pohang", root_account, place.sandbox.prefix)


def test_a_number_is_left_in_slurm_and_read_again(place: Place) -> None:
    for number in (1, 2, 2, 1, 10**18 - 1, 0, 7):
        place.gateway.set_sequence(number)
        assert place.gateway.sequence() == number
    before = place.gateway.snapshot()
    place.gateway.set_sequence(8)
    assert place.gateway.snapshot() == before


@pytest.mark.parametrize("number", [-1, 10**18])
def test_what_is_no_number_is_not_left_there(place: Place, number: int) -> None:
    place.gateway.set_sequence(7)
    with pytest.raises(SlurmRefused):
        place.gateway.set_sequence(number)
    assert place.gateway.sequence() == 7


def test_where_there_is_no_root_account_there_is_no_number(place: Place) -> None:
    unborn = other_root(place, "unborn")
    assert unborn.sequence() == 0
    with pytest.raises(SlurmRefused):
        unborn.set_sequence(1)


def test_the_portal_knows_as_whom_it_speaks_and_what_it_may_do(place: Place) -> None:
    health = place.gateway.health()
    assert health.user
    assert health.is_root == (health.user == "root")
    assert health.admin_level in {"Operator", "Administrator"}
    assert health.slurmdbd_version


def test_on_one_machine_the_clocks_agree(place: Place) -> None:
    assert abs(place.gateway.health().clock_ahead_seconds) < 5


def test_usage_is_summed_up_to_the_newest_hour_that_slurm_knows(place: Place) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    if isinstance(place.gateway, FakeGateway):
        assert place.gateway.health().rolled_up_until is None
        return
    sandbox, leaf, user = real(place), place.leaf(), place.user()
    place.gateway.execute(AddPerson(leaf, user))
    start = hour - 4 * HOUR
    sandbox.write_history([HistoryJob(1_000_000, leaf, user, start, start, start + HOUR, gpus=1)])
    sandbox.rollup(start, hour - 2 * HOUR)
    assert place.gateway.health().rolled_up_until == hour - 2 * HOUR
    found = place.gateway.utilisation(start, start + HOUR, ["h100"])
    assert found["h100"].installed == 4 * 3600 and found[""].installed == 8 * 3600
    assert 3600 <= found["h100"].allocated <= found["h100"].installed
    sandbox.rollup(hour - 2 * HOUR, hour)
    assert place.gateway.health().rolled_up_until == hour


def test_the_settings_of_each_qos_are_told(place: Place) -> None:
    config = place.gateway.config()
    of_name = {qos.name: qos for qos in config.qos_settings}
    assert of_name.keys() == config.qos
    assert of_name["normal"] == QosConfig("normal", frozenset(), None)
    for pool in ("h100", "a100"):
        assert of_name[pool] == QosConfig(pool, frozenset({"DenyOnLimit"}), 1)
