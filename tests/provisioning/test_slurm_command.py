"""manage.py slurm: plan shows, apply does it once and respects the switch, check fails on what is dangerous."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from allocations.models import Account, Cluster
from allocations.services.accounts import cluster_writing_enable
from portal.management.commands import slurm
from portal.seat import Seat
from portal.slurm.drivers import OpenedGateway
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.sentences import Sentence
from tests.factories import NOW, GrantFactory, PoolFactory, ProjectFactory, kst
from tests.provisioning.conftest import Stubborn

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def opened(gateway: Stubborn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "open_gateway", lambda *_: OpenedGateway(gateway, Sentence("in memory")))


@pytest.fixture
def grant() -> None:
    PoolFactory(code="a100")
    GrantFactory(project=ProjectFactory(code="p26001", pi__cluster_username="kim"), hours=500, ends_at=kst(2199, 1, 1))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    try:
        call_command("slurm", *arguments)
    except SystemExit as end:
        return int(end.code or 0), capsys.readouterr().out
    return 0, capsys.readouterr().out


def test_plan_shows_and_changes_nothing(grant: None, gateway: Stubborn, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(capsys, "plan")
    assert code == 0
    assert "To be done (5):" in text
    assert "Create account p26001-h100 below p26001 with 30,000 GPU-minutes, parked" in text
    assert "Writing to Slurm is switched off" in text
    assert gateway.executed == []


def test_apply_respects_the_switch(grant: None, gateway: Stubborn, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "apply")[0] == 1
    assert gateway.executed == []
    cluster_writing_enable(cluster=Cluster.current(), by=None, at=NOW)
    code, text = run(capsys, "apply")
    assert (code, "Done (5):" in text) == (0, True)
    assert Account.objects.get().state == Account.State.IN_FORCE
    assert "Slurm is as the grants say." in run(capsys, "apply")[1]


def test_apply_leaves_it_to_the_worker_that_is_at_work(grant: None, capsys: pytest.CaptureFixture[str]) -> None:
    with Seat() as worker:
        worker.take()
        with pytest.raises(CommandError, match="The worker is at work"):
            run(capsys, "apply")


def test_plan_as_json(grant: None, capsys: pytest.CaptureFixture[str]) -> None:
    content: dict[str, Any] = json.loads(run(capsys, "plan", "--json")[1])
    assert content["waits_for"] == "writing"
    assert [row["params"]["account"] for row in content["remaining"]][:3] == ["paic", "p26001", "p26001-h100"]


def test_check_fails_on_a_danger_and_says_what_to_set(
    grant: None, gateway: Stubborn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, "check")[0] == 0
    gateway.settings = replace(gateway.settings, priority_type="priority/basic")
    code, text = run(capsys, "check")
    assert code == 1
    assert "slurm.conf: PriorityType=priority/multifactor" in text
    content = json.loads(run(capsys, "check", "--json")[1])
    assert content["findings"][0]["level"] == "danger"


def test_check_says_which_driver_reads_and_what_slips_through(grant: None, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "check")[1]
    assert text.startswith("Slurm fake, driver fake.\nin memory\n")
    assert "What still slips through, and how much at most:" in text
    assert "up to 2 GPU-minutes above its limit" in text
    content = json.loads(run(capsys, "check", "--json")[1])
    assert (content["driver"], content["driver_note"]) == ("fake", "in memory")
    assert len(content["slips_through"]) == 7


def test_slurm_away_is_one_sentence(grant: None, gateway: Stubborn, capsys: pytest.CaptureFixture[str]) -> None:
    gateway.broken = SlurmUnavailable("slurmdbd does not answer", words="Connection refused")
    with pytest.raises(CommandError, match="slurmdbd does not answer Connection refused"):
        run(capsys, "plan")
