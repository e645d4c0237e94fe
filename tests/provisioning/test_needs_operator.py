"""What an operator has to look at is said on their home page; an offset moves the limit and is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from accounting.models import Deviation
from allocations.models import Account, Cluster, Drift, Rebase
from allocations.provisioning.desired import desired_state
from allocations.services.accounts import account_rebase
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.operations.needs import needs, needs_operator
from portal.operations.state import mail_state
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
        ({"remarks": [{"message": "moved", "params": {}}]}, "left to you"),
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
    account_rebase(
        account=account,
        offset_gpu_seconds=-7200,
        cause=Rebase.Cause.ADOPTION,
        reason="the counter was lost",
        counter=0,
        ledger=7200,
        by=None,
        at=NOW,
    )
    after = desired_state("paic", at=NOW).accounts[account.name].gpu_minutes
    assert (before, after) == (500 * 60, 500 * 60 - 120)
    assert Event.objects.get(action="account.rebased").data["reason"] == "the counter was lost"
    rebase = Rebase.objects.get()
    assert (rebase.before_gpu_seconds, rebase.after_gpu_seconds, rebase.ledger_gpu_seconds) == (0, -7200, 7200)


def test_an_offset_that_moved_meanwhile_is_not_moved_from_what_it_was(account: Account) -> None:
    Account.objects.update(offset_gpu_seconds=-60)
    with pytest.raises(LostRace):
        account_rebase(
            account=account,
            offset_gpu_seconds=600,
            cause=Rebase.Cause.OVERCOUNT,
            reason="x",
            counter=600,
            ledger=0,
            by=None,
            at=NOW,
        )
    assert not Rebase.objects.exists()


# --- What was changed outside, counters, backups ---


def a_drift(kind: Drift.Kind, person: str = "", **changes: object) -> Drift:
    return Drift.objects.create(kind=kind, account="p26001-h100", person=person, found_at=NOW, **changes)


def test_what_the_portal_puts_right_by_itself_needs_nobody(healthy: Cluster) -> None:
    for kind in (Drift.Kind.LIMIT, Drift.Kind.QOS, Drift.Kind.REMOVED, Drift.Kind.RELEASED, Drift.Kind.STOPPED):
        a_drift(kind)
    a_drift(Drift.Kind.ADDED, person="stranger")
    assert needs_operator(NOW) == []


@pytest.mark.parametrize("kind", [Drift.Kind.PARENT, Drift.Kind.LINEAGE, Drift.Kind.ADDED])
def test_what_only_a_person_can_put_right_is_said(healthy: Cluster, kind: Drift.Kind) -> None:
    drift = a_drift(kind)
    (said,) = needs(NOW)
    assert "waits for your decision" in said.text
    assert said.link == "/operations/drift/"
    drift.closed_at = NOW
    drift.save()
    assert needs(NOW) == []


def test_where_the_portal_asks_first_it_says_so_until_it_is_told(healthy: Cluster) -> None:
    Cluster.objects.update(repairs_by_itself=False)
    a_drift(Drift.Kind.LIMIT, expected="600", found="60")
    assert len(needs_operator(NOW)) == 1
    Drift.objects.update(repair_asked_at=NOW)
    assert needs_operator(NOW) == []


@pytest.mark.parametrize(("minutes", "said"), [(10, 0), (20, 1)])
def test_a_counter_that_does_not_fit_is_said_after_a_while(healthy: Cluster, minutes: int, said: int) -> None:
    Deviation.objects.create(
        kind=Deviation.Kind.AHEAD,
        account_name="p26001-h100",
        since=NOW - timedelta(minutes=minutes),
        counter_gpu_seconds=700,
        ledger_gpu_seconds=100,
        difference_gpu_seconds=600,
    )
    assert len(needs_operator(NOW)) == said


def test_a_database_older_than_slurm_is_said_instead_of_the_switch(healthy: Cluster) -> None:
    Cluster.objects.update(ahead_in_slurm=9, writing_enabled=False)
    (said,) = needs(NOW)
    assert "older" in said.text
    assert said.link == "/operations/backup/"
