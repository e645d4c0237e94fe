"""What should stand in Slurm follows from grants, members and pools at a moment."""

from __future__ import annotations

from typing import Any

import pytest

from allocations.models import LedgerEntry, Membership
from allocations.provisioning.desired import desired_state
from portal.slurm.types import AccountState, PersonState
from tests.factories import (
    HOUR,
    NOW,
    AccountFactory,
    GrantFactory,
    GrantLineFactory,
    InvitationFactory,
    LedgerEntryFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db


def test_a_grant_becomes_a_leaf_below_its_project() -> None:
    grant = GrantFactory(project=ProjectFactory(code="p26001", pi__cluster_username="kim"), hours=500)
    state = desired_state("paic", at=NOW)
    assert list(state.accounts) == ["paic", "p26001", "p26001-h100"]
    assert state.accounts["paic"] == AccountState("paic", "root")
    assert state.accounts["p26001"] == AccountState("p26001", "paic")
    leaf = state.accounts["p26001-h100"]
    assert (leaf.gpu_minutes, leaf.parked, leaf.qos, leaf.default_qos) == (30_000, False, frozenset({"h100"}), "h100")
    assert dict(state.people) == {
        ("p26001-h100", "kim"): PersonState("p26001-h100", "kim", qos=frozenset({"h100"}), default_qos="h100")
    }
    assert dict(state.defaults) == {"kim": "p26001-h100"}
    assert desired_state("paic", at=grant.ends_at).accounts["p26001-h100"].parked


def test_each_pool_has_a_leaf_and_everybody_is_in_each() -> None:
    project = ProjectFactory(code="p26001", pi__cluster_username="kim")
    grant = GrantFactory(project=project, hours=10)
    GrantLineFactory(grant=grant, pool=PoolFactory(code="a100"), hours=20)
    MembershipFactory(project=project, user__cluster_username="lee")
    state = desired_state("paic", at=NOW)
    assert state.accounts["p26001-a100"].gpu_minutes == 1200
    assert set(state.people) == {(f"p26001-{pool}", user) for pool in ("h100", "a100") for user in ("kim", "lee")}


def test_later_entries_count_and_ended_grants_count_what_they_used() -> None:
    project = ProjectFactory(code="p26001")
    first = GrantFactory(project=project, starts_at=kst(2025, 1, 1), ends_at=kst(2026, 1, 1), hours=100)
    first.lines.update(charged_gpu_seconds=40 * HOUR)
    second = GrantFactory(project=project, hours=200)
    LedgerEntryFactory(line=second.lines.get(), kind=LedgerEntry.Kind.SUPPLEMENT, gpu_seconds=10 * HOUR)
    account = AccountFactory(project=project)
    account.offset_gpu_seconds = 30
    account.save()
    assert desired_state("paic", at=NOW).accounts["p26001-h100"].gpu_minutes == 250 * 60


def test_a_suspended_grant_parks_its_leaf() -> None:
    SuspensionFactory(grant=GrantFactory(project=ProjectFactory(code="p26001"), hours=10))
    leaf = desired_state("paic", at=NOW).accounts["p26001-h100"]
    assert (leaf.parked, leaf.gpu_minutes) == (True, 0)


def test_only_active_members_with_a_name_on_the_cluster_have_a_right() -> None:
    project = ProjectFactory(code="p26001", pi__cluster_username="kim")
    GrantFactory(project=project)
    InvitationFactory(project=project, proposed_username="invited")
    MembershipFactory(project=project, user__cluster_username=None)
    MembershipFactory(project=project, user__cluster_username="gone", status=Membership.Status.REMOVED)
    MembershipFactory(project=project, user=UserFactory(cluster_username="blocked", is_active=False))
    assert [user for _account, user in desired_state("paic", at=NOW).people] == ["kim"]


def test_it_takes_the_same_few_queries_for_many_projects(django_assert_num_queries: Any) -> None:
    for _number in range(5):
        project = ProjectFactory()
        GrantFactory(project=project)
        MembershipFactory(project=project)
    with django_assert_num_queries(3):
        state = desired_state("paic", at=NOW)
    assert len(state.accounts) == 11
