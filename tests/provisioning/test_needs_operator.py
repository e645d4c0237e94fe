"""What an operator has to look at is said on their home page; an offset moves the limit and is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from allocations.models import Account, Cluster
from allocations.provisioning.desired import desired_state
from allocations.services.accounts import account_rebase
from portal.events.models import Event
from portal.operations.state import mail_state, needs_operator
from portal.post.models import Mail
from tests.factories import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def healthy(writable: Cluster) -> Cluster:
    Cluster.objects.update(heartbeat_at=NOW)
    return writable


def test_nothing_is_asked_for_where_all_is_well(healthy: Cluster) -> None:
    assert needs_operator(NOW) == []


def test_a_silent_worker_is_said(healthy: Cluster) -> None:
    assert "No worker is connected" in needs_operator(NOW + timedelta(hours=1))[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"writing_enabled": False}, "switched off"),
        ({"findings": [{"level": "danger"}]}, "does not enforce"),
        ({"pausing_waits": True}, "waits for your confirmation"),
        ({"last_error": "usage: slurmdbd is down"}, "cannot mend"),
        ({"remarks": [{"message": "moved", "params": {}}]}, "cannot mend"),
    ],
)
def test_each_trouble_is_said_once(healthy: Cluster, change: dict[str, object], sentence: str) -> None:
    Cluster.objects.update(**change)
    (said,) = needs_operator(NOW)
    assert sentence in said


@pytest.mark.parametrize(("minutes", "said"), [(10, 0), (20, 1)])
def test_mails_that_nobody_sends_are_said(healthy: Cluster, minutes: int, said: int) -> None:
    due = NOW - timedelta(minutes=minutes)
    Mail.objects.create(kind="step", to="a@b.example", language="ko", subject="x", body="x", created_at=due, due_at=due)
    assert len(needs_operator(NOW)) == said
    assert mail_state(NOW).stuck_since == (due if said else None)


def test_without_a_cluster_the_reason_is_said(healthy: Cluster, settings: Any) -> None:
    settings.SLURM_ABSENT_REASON = "This machine cannot run the sandbox."
    (said,) = needs_operator(NOW + timedelta(hours=1))
    assert "This machine cannot run the sandbox." in said


def test_a_refused_account_is_said(healthy: Cluster, account: Account) -> None:
    Account.objects.update(state=Account.State.REFUSED)
    assert "refused" in needs_operator(NOW)[0]


def test_a_rebase_moves_the_limit_and_is_recorded(account: Account) -> None:
    before = desired_state("paic", at=NOW).accounts[account.name].gpu_minutes
    account_rebase(account=account, offset_gpu_seconds=-7200, reason="the counter was lost", by=None, at=NOW)
    after = desired_state("paic", at=NOW).accounts[account.name].gpu_minutes
    assert (before, after) == (500 * 60, 500 * 60 - 120)
    assert Event.objects.get(action="account.rebased").data["reason"] == "the counter was lost"
