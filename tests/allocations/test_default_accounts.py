"""Jobs that name no account: what Slurm has, what the person wants, and what they may choose among."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Account, DefaultAccount
from allocations.services import Refused
from allocations.services.default_accounts import default_account_choose, default_accounts_seen
from portal.events.models import Event
from portal.people.models import User
from tests.factories import NOW, GrantFactory, MembershipFactory, ProjectFactory


@pytest.fixture
def two(project, bob):
    """Bob's two accounts, in force."""
    other = ProjectFactory(code="p26002")
    MembershipFactory(project=other, user=bob)
    GrantFactory(project=other)
    Account.objects.update(state="in_force", parked=False)
    return project.accounts.get(), other.accounts.get()


def test_it_is_chosen_among_ones_own_that_work(two, bob, browser):
    client = browser(bob)
    page = client.get(reverse("profile")).content.decode()
    assert "p26001-h100" in page and "p26002-h100" in page
    client.post(reverse("default_account"), {"account": "p26002-h100"})
    assert DefaultAccount.objects.get(user=bob).account == two[1]
    client.post(reverse("default_account"), {"account": "p26002-h100"})
    assert Event.objects.filter(action="person.default_account_chosen").count() == 1
    client.post(reverse("default_account"), {"account": "p26001-h100"})
    assert DefaultAccount.objects.get(user=bob).account == two[0]


def test_others_accounts_and_those_that_take_no_jobs_cannot_be_chosen(two, bob, charlie, browser):
    stranger = GrantFactory(project=ProjectFactory(code="p26003")).project.accounts.get()
    Account.objects.filter(pk=stranger.pk).update(state="in_force", parked=False)
    Account.objects.filter(pk=two[0].pk).update(parked=True)
    for account in (stranger, two[0]):
        with pytest.raises(Refused):
            default_account_choose(user=bob, account=account, by=bob, at=NOW)
        browser(bob).post(reverse("default_account"), {"account": account.name})
    assert not DefaultAccount.objects.exists()


def test_the_page_says_where_they_go(two, bob, browser):
    def shown():
        return browser(bob).get(reverse("profile")).content.decode()

    assert "has not been read yet" in shown()
    default_accounts_seen(defaults={"bob": "p26001-h100"})
    assert "They are charged to <code>p26001-h100</code>." in shown()
    default_accounts_seen(defaults={"bob": "astro"})
    assert "outside this portal" in shown()
    default_accounts_seen(defaults={"bob": "p26001-h100"})
    Account.objects.filter(name="p26001-h100").update(parked=True)
    assert "takes no jobs of yours now" in shown()


def test_what_slurm_has_is_kept_where_it_is_new(bob, alice, django_assert_num_queries):
    assert default_accounts_seen(defaults={"bob": "x", "alice": "y", "nobody": "z"}) == 2
    with django_assert_num_queries(1):
        assert default_accounts_seen(defaults={"bob": "x", "alice": "y"}) == 0
    assert User.objects.get(pk=bob.pk).slurm_default_account == "x"


def test_who_has_no_name_yet_is_offered_nothing(two, bob, browser):
    User.objects.filter(pk=bob.pk).update(cluster_username_found_at=None)
    assert "Jobs that name no account" not in browser(bob).get(reverse("profile")).content.decode()
