"""Migrations that carry data do so both ways."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from portal import postgres

BEFORE_SIZES = [("allocations", "0002_ledger_append_only"), ("people", "0001_initial")]
AFTER_SIZES = BEFORE_SPANS = [("allocations", "0005_carry_states"), ("people", "0002_roles_and_institutions")]
AFTER_SPANS = [("allocations", "0007_suspensions_and_holds"), ("people", "0003_names_on_the_cluster")]
MOMENT = datetime(2026, 3, 2, 1, tzinfo=UTC)


@pytest.fixture
def own_database(django_db_setup, django_db_blocker):
    """Whose tables nobody needs again as they were."""
    usual, own = connection.settings_dict["NAME"], "walked"
    with django_db_blocker.unblock():
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {own} TEMPLATE {postgres.DATABASE}")
        connection.settings_dict["NAME"] = own
        yield
        connection.close()
        connection.settings_dict["NAME"] = usual
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {own}")


def to(nodes):
    executor = MigrationExecutor(connection)
    executor.migrate(nodes)
    return executor.loader.project_state(nodes).apps


def test_what_migrations_carry_is_there_after_each_and_again_before_it(own_database):
    """One walk, from the newest back: each way takes long."""
    a_suspension_becomes_a_span_what_is_parked_is_held_and_names_on_the_cluster_stay_in_use()
    a_call_keeps_its_pools_and_reviews_and_its_applications_where_they_stand()


def a_call_keeps_its_pools_and_reviews_and_its_applications_where_they_stand():
    before = to(BEFORE_SIZES)
    institution = before.get_model("people", "Institution").objects.create(
        name_ko="다른 기관", name_en="Another", kind="university"
    )
    alice = before.get_model("people", "User").objects.create(email="alice@x.example", institution=institution)
    rhee = before.get_model("people", "User").objects.create(email="rhee@y.example")
    pool = before.get_model("allocations", "Pool").objects.create(
        code="a100", name_ko="A100", name_en="A100", gpu_kind="a100", gpus=4, qos="a100", partitions=["a100"]
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

    after = to(AFTER_SIZES)
    carried = after.get_model("allocations", "Application").objects.get()
    assert (carried.status, carried.status_since, carried.tier.reviews_needed) == ("review", MOMENT, 2)
    assert [pool.code for pool in after.get_model("allocations", "Call").objects.get().pools.all()] == ["a100"]
    assert after.get_model("allocations", "Review").objects.get().assigned_at == MOMENT

    again = to(BEFORE_SIZES)
    assert again.get_model("allocations", "Application").objects.get().status == "submitted"
    returned = again.get_model("allocations", "Call").objects.get()
    assert (returned.reviews_needed, returned.pools.count()) == (2, 1)


def a_suspension_becomes_a_span_what_is_parked_is_held_and_names_on_the_cluster_stay_in_use():
    before = to(BEFORE_SPANS)
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

    after = to(AFTER_SPANS)
    span = after.get_model("allocations", "Suspension").objects.get()
    assert (span.since, span.until, span.reason) == (MOMENT.replace(month=4), None, "확인 중")
    assert [hold.account for hold in after.get_model("allocations", "Hold").objects.all()] == ["p26001-h100"]
    found = after.get_model("people", "User").objects.get()
    assert found.cluster_username_approved_at is not None
    assert found.cluster_username_found_at is not None

    grant = to(BEFORE_SPANS).get_model("allocations", "Grant").objects.get()
    assert (grant.suspended_at, grant.suspended_reason) == (MOMENT.replace(month=4), "확인 중")

    to([("allocations", "0006_provisioning")])
    again = to(AFTER_SPANS)
    assert again.get_model("allocations", "Suspension").objects.count() == 1
    assert again.get_model("allocations", "Hold").objects.count() == 1
    # Before the other walk's states a grant had to have an application.
    for name in ("Suspension", "Grant"):
        again.get_model("allocations", name).objects.all().delete()
