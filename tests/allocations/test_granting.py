"""What stands after an award."""

from __future__ import annotations

from datetime import date

import pytest
from django.urls import reverse

from allocations.models import Account, LedgerEntry, Membership
from allocations.services import Refused
from allocations.services.decisions import decision_award
from portal.events.models import Event
from tests.factories import HOUR, NOW, PoolFactory, ProposedMemberFactory, kst


@pytest.fixture
def award(reviewed, dana):
    def awarded(at=NOW, **hours):
        awards = {PoolFactory(code=code): amount * HOUR for code, amount in (hours or {"h100": 500}).items()}
        decision_award(application=reviewed, awards=awards, by=dana, at=at)
        return reviewed.grant

    return awarded


def test_each_pool_gets_its_line_its_ledger_entry_and_its_account(award, dana):
    grant = award(h100=500, a100=30)
    assert {line.pool.code: line.granted_gpu_seconds for line in grant.lines.all()} == {
        "h100": 500 * HOUR,
        "a100": 30 * HOUR,
    }
    entries = LedgerEntry.objects.filter(line__grant=grant)
    assert {(entry.kind, entry.by, entry.reason) for entry in entries} == {("award", dana, "2026-0001")}
    accounts = grant.project.accounts.all()
    assert sorted(account.name for account in accounts) == ["p26001-a100", "p26001-h100"]
    assert {account.state for account in accounts} == {Account.State.APPLYING}


def test_the_last_day_is_included(award, reviewed):
    grant = award()
    assert reviewed.ends_on == date(2026, 9, 30)
    assert (grant.starts_at, grant.ends_at) == (kst(2026, 4, 1), kst(2026, 10, 1))
    assert grant.is_open(kst(2026, 9, 30, 23, 59))
    assert not grant.is_open(kst(2026, 10, 1))


def test_a_late_decision_opens_the_grant_on_its_own_day(award):
    assert award(at=kst(2026, 5, 6, 15)).starts_at == kst(2026, 5, 6)


def test_a_period_that_has_passed_is_refused_and_nothing_stands(award, reviewed):
    with pytest.raises(Refused):
        award(at=kst(2026, 10, 1))
    reviewed.refresh_from_db()
    assert reviewed.status == "submitted"
    assert not Event.objects.filter(action="application.awarded").exists()


def test_the_pi_is_a_member_and_the_proposed_are_invited(award, reviewed, alice):
    ProposedMemberFactory(application=reviewed, email="bob@postech.ac.kr", cluster_username="bob")
    ProposedMemberFactory(application=reviewed, email=alice.email)
    project = award().project
    pi, bob = project.memberships.all()
    assert (pi.user, pi.status) == (alice, Membership.Status.ACTIVE)
    assert (bob.email, bob.user, bob.status) == ("bob@postech.ac.kr", None, Membership.Status.INVITED)
    assert (bob.proposed_username, bob.invited_by) == ("bob", alice)


def test_open_pages_of_applicant_and_project_hear_of_it(award, reviewed, alice):
    award()
    topics = {event.action: event.topics for event in Event.objects.all()}
    assert f"application:{reviewed.pk}" in topics["application.awarded"]
    assert f"person:{alice.pk}" in topics["project.created"]
    assert "project:p26001" in topics["grant.awarded"]


def test_the_applicant_reads_decision_reason_and_comments_but_no_names(award, reviewed, alice, browser, rhee):
    award()
    reviewed.decision.__class__.objects.update(reason="Strong plan.")
    page = browser(alice).get(reverse("application_detail", args=[reviewed.pk])).content.decode()
    assert "Strong plan." in page
    assert "계획이 충실합니다." in page
    assert "500 GPU-hours" in page
    assert "선정을 권합니다." not in page
    assert rhee.name_en not in page
    assert reverse("project", args=["p26001"]) in page


def test_comments_stay_hidden_until_the_decision(reviewed, alice, browser):
    page = browser(alice).get(reverse("application_detail", args=[reviewed.pk])).content.decode()
    assert "계획이 충실합니다." not in page
    assert "The panel decides." in page


def test_the_open_page_listens_and_refreshes_the_part_that_changes(reviewed, alice, browser, award):
    client = browser(alice)
    page = client.get(reverse("application_detail", args=[reviewed.pk])).content.decode()
    part = reverse("application_status", args=[reviewed.pk])
    assert f'data-live-topics="application:{reviewed.pk}"' in page
    assert f'hx-get="{part}"' in page
    assert reverse("application_withdraw", args=[reviewed.pk]) in page
    award()
    refreshed = client.get(part).content.decode()
    assert "<html" not in refreshed
    assert "500 GPU-hours" in refreshed
    assert reverse("application_withdraw", args=[reviewed.pk]) not in refreshed
