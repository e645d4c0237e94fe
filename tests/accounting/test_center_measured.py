"""Where the time of GPUs went, as the worker takes it over from Slurm: which days, how often, and that it is kept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from accounting.center.measured import DAYS_AT_ONCE, read_utilisation
from accounting.history.ingest import ingest
from accounting.models import ClusterDay
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.fake import FakeGateway
from portal.slurm.types import NodeGroup, Utilisation
from tests.accounting.histories import gateway, job
from tests.factories import PoolFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12, 30)
HOUR = timedelta(hours=1)
GPU_HOUR = 3600


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(AT, tick=False):
        yield


class Listening(FakeGateway):
    """Writes down which days were asked for."""

    asked: list[date]

    def utilisation(self, start, end, kinds):
        self.asked.append((start + 9 * HOUR).date())
        assert end - start <= 24 * HOUR and end <= datetime.now(UTC)
        return super().utilisation(start, end, kinds)


@pytest.fixture
def slurm() -> Listening:
    PoolFactory(code="h100")
    PoolFactory(code="a100", position=1)
    found = gateway(job(start=kst(2026, 3, 6, 22), hours=4, gpus=3))
    found.__class__, found.asked = Listening, []
    ingest(found, at=AT, since=kst(2026, 3, 6))
    return found


def read(slurm, at: datetime = AT) -> list[date]:
    """The days that were asked for, the oldest first."""
    slurm.asked.clear()
    with time_machine.travel(at, tick=False):
        assert not read_utilisation(slurm, at=at)
    return sorted(slurm.asked)


def days(*numbers: int) -> list[date]:
    return [date(2026, 3, number) for number in numbers]


def test_every_day_since_the_first_use_by_kind_and_in_all(slurm):
    assert read(slurm) == days(6, 7, 8, 9, 10)
    rows = {(row.day.day, row.gpu_kind): (row.installed // GPU_HOUR, row.allocated // GPU_HOUR)
            for row in ClusterDay.objects.all()}  # fmt: skip
    assert rows[6, ""] == (192, 6) and rows[6, "h100"] == (96, 6) and rows[6, "a100"] == (96, 0)
    assert rows[7, ""] == (192, 6)
    # Of today the hours that are over.
    assert rows[10, ""] == (96, 0)


def test_a_day_is_read_again_the_rarer_the_older_it_is(slurm):
    read(slurm)
    assert read(slurm, AT + HOUR / 4) == []
    assert read(slurm, AT + 2 * HOUR) == days(9, 10)
    assert read(slurm, AT + 6 * HOUR) == days(6, 7, 8, 9, 10)
    later = AT + timedelta(days=70)
    slurm.asked.clear()
    with time_machine.travel(later, tick=False):
        while read_utilisation(slurm, at=later):
            pass
    # The day on which reading stopped was not over then.
    assert min(slurm.asked) == date(2026, 3, 10)


def test_a_long_history_is_read_in_pieces_the_newest_first(slurm):
    slurm.history.append(job(start=kst(2026, 1, 1), hours=1))
    ingest(slurm, at=AT + HOUR, since=kst(2026, 1, 1))
    assert read_utilisation(slurm, at=AT)
    assert len(slurm.asked) == DAYS_AT_ONCE and slurm.asked[0] == date(2026, 3, 10)
    while read_utilisation(slurm, at=AT):
        pass
    assert ClusterDay.objects.filter(gpu_kind="").count() == 31 + 28 + 10
    assert len(slurm.asked) == 31 + 28 + 10


def test_a_day_of_which_slurm_knows_nothing_is_not_asked_for_every_time(slurm, monkeypatch):
    monkeypatch.setattr(Listening, "utilisation", lambda self, start, end, kinds: self.asked.append(start) or {})
    read(slurm)
    assert {row.installed for row in ClusterDay.objects.all()} == {0}
    assert read(slurm) == []


def test_what_slurm_says_last_stands(slurm):
    read(slurm)
    slurm.nodes = [NodeGroup("v100", "v100", nodes=1, gpus=2, gpus_in_use=0, gpus_down=0)]
    read(slurm, AT + 2 * HOUR)
    assert [row.gpu_kind for row in ClusterDay.objects.filter(day=date(2026, 3, 9))] == [""]
    assert ClusterDay.objects.get(day=date(2026, 3, 9)).installed == 48 * GPU_HOUR


def test_what_was_read_before_slurm_failed_is_kept(slurm, monkeypatch):
    def failing(self, start, end, kinds):
        if start < kst(2026, 3, 9):
            raise SlurmUnavailable("gone")
        return {"": Utilisation(10, 5, 0, 0)}

    monkeypatch.setattr(Listening, "utilisation", failing)
    with pytest.raises(SlurmUnavailable):
        read_utilisation(slurm, at=AT)
    assert [row.day for row in ClusterDay.objects.all()] == days(9, 10)
