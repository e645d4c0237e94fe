"""Migrations that carry data do so both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE_SIZES = [("allocations", "0002_ledger_append_only"), ("people", "0001_initial")]
BEFORE_SPANS = [("allocations", "0005_carry_states"), ("people", "0002_roles_and_institutions")]
MOMENT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def newest_again(transactional_db):
    """Afterwards the models are the newest again."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield
    MigrationExecutor(connection).migrate(newest)


def forward():
    executor = MigrationExecutor(connection)
    newest = [node for node in executor.loader.graph.leaf_nodes() if node[0] in {"allocations", "people"}]
    executor.migrate(newest)
    return executor.loader.project_state(newest).apps


def back(to):
    executor = MigrationExecutor(connection)
    executor.migrate(to)
    return executor.loader.project_state(to).apps


@pytest.mark.django_db(transaction=True)
def test_a_call_keeps_its_pools_and_reviews_and_its_applications_where_they_stand(newest_again):
    before = back(BEFORE_SIZES)
    institution = before.get_model("people", "Institution").objects.create(
        name_ko="기관", name_en="Institution", kind="university"
    )
    alice = before.get_model("people", "User").objects.create(email="alice@x.example", institution=institution)
    rhee = before.get_model("people", "User").objects.create(email="rhee@y.example")
    pool = before.get_model("allocations", "Pool").objects.create(
        code="h100", name_ko="H100", name_en="H100", gpu_kind="h100", gpus=4, qos="h100", partitions=["h100"]
    )
    call = before.get_model("allocations", "Call").objects.create(
        title_ko="공고", title_en="Call", opens_at=MOMENT, closes_at=MOMENT.replace(month=12), reviews_needed=2
    )
    call.pools.set([pool])
    application = before.get_model("allocations", "Application").objects.create(
        call=call,
        applicant=alice,
        institution=institution,
        status="submitted",
        number="2026-0001",
        created_at=MOMENT,
        updated_at=MOMENT,
        submitted_at=MOMENT,
    )
    before.get_model("allocations", "Review").objects.create(
        application=application, reviewer=rhee, started_at=MOMENT, submitted_at=MOMENT
    )

    after = forward()
    carried = after.get_model("allocations", "Application").objects.get()
    assert (carried.status, carried.status_since, carried.tier.reviews_needed) == ("review", MOMENT, 2)
    assert [pool.code for pool in after.get_model("allocations", "Call").objects.get().pools.all()] == ["h100"]
    assert after.get_model("allocations", "Review").objects.get().assigned_at == MOMENT

    again = back(BEFORE_SIZES)
    assert again.get_model("allocations", "Application").objects.get().status == "submitted"
    returned = again.get_model("allocations", "Call").objects.get()
    assert (returned.reviews_needed, returned.pools.count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_a_suspension_becomes_a_span_what_is_parked_is_held_and_names_on_the_cluster_stay_in_use(newest_again):
    before = back(BEFORE_SPANS)
    institution = before.get_model("people", "Institution").objects.create(
        name_ko="기관", name_en="Institution", kind="university"
    )
    kim = before.get_model("people", "User").objects.create(
        email="kim@x.example", institution=institution, cluster_username="kim"
    )
    pool = before.get_model("allocations", "Pool").objects.create(
        code="h100", name_ko="H100", name_en="H100", gpu_kind="h100", gpus=4, qos="h100", partitions=["h100"]
    )
    project = before.get_model("allocations", "Project").objects.create(
        code="p26001", title_ko="과제", title_en="Project", pi=kim, institution=institution, created_at=MOMENT
    )
    before.get_model("allocations", "Grant").objects.create(
        project=project,
        starts_at=MOMENT,
        ends_at=MOMENT.replace(month=9),
        suspended_at=MOMENT.replace(month=4),
        suspended_reason="확인 중",
        created_at=MOMENT,
    )
    before.get_model("allocations", "Account").objects.create(project=project, pool=pool, name="p26001-h100")

    after = forward()
    span = after.get_model("allocations", "Suspension").objects.get()
    assert (span.since, span.until, span.reason) == (MOMENT.replace(month=4), None, "확인 중")
    assert [hold.account for hold in after.get_model("allocations", "Hold").objects.all()] == ["p26001-h100"]
    found = after.get_model("people", "User").objects.get()
    assert found.cluster_username_approved_at is not None
    assert found.cluster_username_found_at is not None

    grant = back(BEFORE_SPANS).get_model("allocations", "Grant").objects.get()
    assert (grant.suspended_at, grant.suspended_reason) == (MOMENT.replace(month=4), "확인 중")

    back([("allocations", "0006_provisioning")])
    again = forward()
    assert again.get_model("allocations", "Suspension").objects.count() == 1
    assert again.get_model("allocations", "Hold").objects.count() == 1
