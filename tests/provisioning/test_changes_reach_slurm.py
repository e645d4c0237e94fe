"""What is granted after the award stands in Slurm after the next pass, without anybody typing a number."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from allocations.models import Account, GrantLine
from allocations.provisioning.sync import synchronise
from allocations.services.changes import change_grant, extension_ask, grant_return, supplement_ask, transfer_ask
from portal.people.models import User
from tests.factories import HOUR, NOW, PoolFactory, UserFactory, kst
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db


@pytest.fixture
def line(account: Account) -> GrantLine:
    return GrantLine.objects.get()


@pytest.fixture
def kim(line: GrantLine) -> User:
    return line.grant.project.pi


@pytest.fixture
def decider() -> User:
    return UserFactory(roles=["decider"])


def limits(gateway: Stubborn, at=NOW) -> dict[str, tuple[int | None, bool]]:
    """GPU-minutes of every leaf and whether it is parked, after a pass."""
    synchronise(gateway, clock=lambda: at)
    accounts = gateway.snapshot().accounts.values()
    return {row.name: (row.gpu_minutes, row.group_submit_jobs == 0) for row in accounts if "-" in row.name}


def test_a_supplement_raises_the_limit(gateway: Stubborn, line: GrantLine, kim: User, decider: User) -> None:
    assert limits(gateway) == {"p26001-h100": (30_000, False)}
    change = supplement_ask(line=line, gpu_seconds=250 * HOUR, reason="-", by=kim, at=NOW)
    assert limits(gateway) == {"p26001-h100": (30_000, False)}
    change_grant(change=change, by=decider, at=NOW)
    assert limits(gateway) == {"p26001-h100": (45_000, False)}


def test_a_transfer_lowers_one_leaf_and_makes_the_other(
    gateway: Stubborn, line: GrantLine, kim: User, decider: User
) -> None:
    limits(gateway)
    pool = PoolFactory(code="a100", position=1, rate_hundredths=50)
    change = transfer_ask(line=line, to_pool=pool, gpu_seconds=100 * HOUR, reason="-", by=kim, at=NOW)
    change_grant(change=change, by=decider, at=NOW)
    assert limits(gateway) == {"p26001-h100": (24_000, False), "p26001-a100": (12_000, False)}


def test_an_extension_keeps_the_leaf_open(gateway: Stubborn, line: GrantLine, kim: User, decider: User) -> None:
    until = date(2026, 10, 31)
    change_grant(change=extension_ask(grant=line.grant, until=until, reason="-", by=kim, at=NOW), by=decider, at=NOW)
    assert limits(gateway, kst(2026, 9, 15)) == {"p26001-h100": (30_000, False)}
    assert limits(gateway, kst(2026, 11, 1)) == {"p26001-h100": (0, True)}


def test_returning_everything_parks_the_leaf(gateway: Stubborn, line: GrantLine, kim: User) -> None:
    line.charged_gpu_seconds = 40 * HOUR
    line.save()
    limits(gateway)
    grant_return(grant=line.grant, reason="-", by=kim, at=NOW)
    assert limits(gateway, NOW + timedelta(minutes=1)) == {"p26001-h100": (2_400, True)}
