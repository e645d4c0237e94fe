"""The admin sets up calls and pools; what people decided is only shown there."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.factories import UserFactory


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True, is_superuser=True)


def test_calls_and_pools_are_edited(call, staff, browser):
    client = browser(staff)
    assert (
        'name="criteria-0-weight"'
        in client.get(reverse("admin:allocations_call_change", args=[call.pk])).content.decode()
    )
    assert client.get(reverse("admin:allocations_pool_add")).status_code == 200


@pytest.mark.parametrize("model", ["application", "project", "ledgerentry"])
def test_what_has_acts_of_its_own_is_read_only(model, project, staff, browser):
    client = browser(staff)
    assert client.get(reverse(f"admin:allocations_{model}_changelist")).status_code == 200
    assert client.get(reverse(f"admin:allocations_{model}_add")).status_code == 403
