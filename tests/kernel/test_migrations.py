"""Migrations that carry data do so both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("allocations", "0002_ledger_append_only"), ("people", "0001_initial")]
MOMENT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def before(transactional_db):
    """The models as they were before calls had sizes; afterwards the newest again."""
    executor = MigrationExecutor(connection)
    newest = executor.loader.graph.leaf_nodes()
    executor.migrate(BEFORE)
    yield executor.loader.project_state(BEFORE).apps
    executor = MigrationExecutor(connection)
    executor.migrate(newest)


def forward():
    executor = MigrationExecutor(connection)
    newest = [node for node in executor.loader.graph.leaf_nodes() if node[0] in {"allocations", "people"}]
    executor.migrate(newest)
    return executor.loader.project_state(newest).apps


def back():
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    return executor.loader.project_state(BEFORE).apps


@pytest.mark.django_db(transaction=True)
def test_a_call_keeps_its_pools_and_reviews_and_its_applications_where_they_stand(before):
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

    again = back()
    assert again.get_model("allocations", "Application").objects.get().status == "submitted"
    returned = again.get_model("allocations", "Call").objects.get()
    assert (returned.reviews_needed, returned.pools.count()) == (2, 1)
