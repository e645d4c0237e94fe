"""The admin sets up pools; what has pages and acts of its own is only shown there."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests.factories import UserFactory


@pytest.fixture
def staff(db):
    return UserFactory(is_staff=True, is_superuser=True)


def test_pools_are_edited(staff, browser):
    assert browser(staff).get(reverse("admin:allocations_pool_add")).status_code == 200


def test_a_name_on_the_cluster_is_given_on_the_portals_pages_only(staff, browser):
    """There with an approval, by somebody else than the person, and an Event."""
    page = browser(staff).get(reverse("admin:people_user_change", args=[staff.pk])).content.decode()
    assert 'name="email"' in page
    assert 'name="cluster_username' not in page
    assert 'name="slurm_default_account' not in page


@pytest.mark.parametrize("model", ["call", "consenttext", "application", "project", "ledgerentry"])
def test_what_has_acts_of_its_own_is_read_only(model, project, staff, browser):
    client = browser(staff)
    assert client.get(reverse(f"admin:allocations_{model}_changelist")).status_code == 200
    assert client.get(reverse(f"admin:allocations_{model}_add")).status_code == 403
