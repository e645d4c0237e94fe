"""A worker that dies at any named point: the next pass finishes, and nothing is done or said twice.

Here the worker dies by an exception, quickly and at every point; tests/provisioning/test_on_slurm.py kills real ones.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from allocations.models import Account
from allocations.provisioning import apply, sequence, sync
from allocations.provisioning.sync import synchronise
from portal.events.models import Event
from tests.factories import NOW, MembershipFactory
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db

POINTS = [
    "before_plan",
    "after_snapshot",
    *(f"before_operation:{number}" for number in range(1, 7)),
    *(f"after_operation:{number}" for number in range(1, 7)),
    "sequence_raised",
    "sequence_told",
    "after_hold",
    "after_begun",
    "after_create_leaf",
    "before_record",
    "after_record",
    "before_read_back",
    "after_read_back",
    "before_mark",
    "after_mark",
    "after_keep",
]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("point", POINTS)
def test_the_next_pass_finishes_what_a_killed_worker_left(
    point: str, gateway: Stubborn, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    MembershipFactory(project=account.project, user__cluster_username="lee")

    def die(name: str) -> None:
        if name == point:
            raise Killed

    for module in (apply, sequence, sync):
        monkeypatch.setattr(module, "crash_point", die)
    with pytest.raises(Killed):
        synchronise(gateway, clock=lambda: NOW)
    monkeypatch.undo()
    synchronise(gateway, clock=lambda: NOW + timedelta(seconds=5))
    account.refresh_from_db()
    assert (account.state, account.limit_gpu_minutes, account.parked) == (Account.State.IN_FORCE, 30_000, False)
    assert len(gateway.executed) == len(set(gateway.executed)) == 6
    assert [event.action for event in Event.objects.filter(target_kind="account")] == ["account.in_force"]
