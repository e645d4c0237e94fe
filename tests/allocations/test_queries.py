"""Lists ask the database the same number of questions, however long they are."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Cluster
from tests.factories import (
    NOW,
    ApplicationFactory,
    CallFactory,
    GrantFactory,
    InvitationFactory,
    MembershipFactory,
    PoolFactory,
    ProjectFactory,
    ProposedMemberFactory,
    ReviewFactory,
    UserFactory,
)

PAGES = {
    "call_list": 6,
    "application_list": 8,
    "review_queue": 8,
    "panel": 14,
    "project_list": 8,
}


def fill(alice, rhee):
    call = CallFactory(pools=[PoolFactory(), PoolFactory(code="a100")])
    for _ in range(3):
        ApplicationFactory(call=call, applicant=alice)
        ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee)
        ReviewFactory(application=ApplicationFactory(call=call), reviewer=rhee, submitted_at=None)
        GrantFactory(project=ProjectFactory(pi=alice))
        CallFactory()


@pytest.mark.parametrize("name", PAGES)
def test_a_list_asks_as_often_when_it_is_longer(name, alice, rhee, dana, browser, django_assert_max_num_queries):
    person = {"review_queue": rhee, "panel": dana}.get(name, alice)
    client = browser(person)
    fill(alice, rhee)
    with django_assert_max_num_queries(PAGES[name]) as short:
        client.get(reverse(name))
    fill(alice, rhee)
    with django_assert_max_num_queries(len(short)):
        client.get(reverse(name))


def test_single_pages_ask_a_bounded_number(reviewed, project, alice, dana, browser, django_assert_max_num_queries):
    Cluster.current()
    ProposedMemberFactory(application=reviewed)
    ReviewFactory(application=reviewed)
    for _ in range(3):
        MembershipFactory(project=project)
        InvitationFactory(project=project)
    pages = [
        (alice, "application_detail", reviewed.pk, 18),
        (alice, "project_members", "p26001", 8),
    ]
    for person, name, key, most in pages:
        client = browser(person)
        with django_assert_max_num_queries(most):
            client.get(reverse(name, args=[key]))


def test_a_new_person_asks_little(db, browser, django_assert_max_num_queries):
    client = browser(UserFactory(date_joined=NOW))
    for name in PAGES:
        with django_assert_max_num_queries(PAGES[name]):
            client.get(reverse(name))
