"""What stands once the agreement is made."""

from __future__ import annotations

from datetime import date

import pytest

from allocations.models import Account, Application, Grant, LedgerEntry, Membership
from allocations.services import Refused
from allocations.services.offers import offer_accept
from portal.events.models import Event
from tests.factories import (
    HOUR,
    NOW,
    DecisionFactory,
    GrantFactory,
    MembershipFactory,
    PoolFactory,
    ProposedMemberFactory,
    UserFactory,
    kst,
)


@pytest.fixture
def offered(submitted, dana):
    """Alice's, 500 GPU-hours of H100 awarded by Dana."""
    Application.objects.filter(pk=submitted.pk).update(status="offered")
    submitted.refresh_from_db()
    DecisionFactory(application=submitted, decided_by=dana, hours=500)
    return submitted


@pytest.fixture
def accept(offered, alice):
    def accepted(at=NOW, **more_hours):
        for code, hours in more_hours.items():
            offered.decision.lines.create(pool=PoolFactory(code=code), awarded_gpu_seconds=hours * HOUR)
        return offer_accept(application=offered, given={}, by=alice, at=at)

    return accepted


def test_each_pool_gets_its_line_its_ledger_entry_and_its_account(accept, dana):
    grant = accept(a100=30)
    assert {line.pool.code: line.granted_gpu_seconds for line in grant.lines.all()} == {
        "h100": 500 * HOUR,
        "a100": 30 * HOUR,
    }
    entries = LedgerEntry.objects.filter(line__grant=grant)
    assert {(entry.kind, entry.by, entry.reason) for entry in entries} == {("award", dana, "2026-0001")}
    accounts = grant.project.accounts.all()
    assert sorted(account.name for account in accounts) == ["p26001-a100", "p26001-h100"]
    assert {account.state for account in accounts} == {Account.State.APPLYING}


def test_the_last_day_is_included(accept, offered):
    grant = accept()
    assert offered.ends_on == date(2026, 9, 30)
    assert (grant.starts_at, grant.ends_at) == (kst(2026, 4, 1), kst(2026, 10, 1))
    assert grant.is_open(kst(2026, 9, 30, 23, 59))
    assert not grant.is_open(kst(2026, 10, 1))


def test_a_late_agreement_opens_the_grant_on_its_own_day(accept):
    assert accept(at=kst(2026, 5, 6, 15)).starts_at == kst(2026, 5, 6)


def test_a_period_that_has_passed_is_refused_and_nothing_stands(accept, offered):
    with pytest.raises(Refused, match="has passed"):
        accept(at=kst(2026, 10, 1))
    offered.refresh_from_db()
    assert offered.status == "offered"
    assert not Event.objects.filter(action="application.accepted").exists()


def test_the_pi_is_a_member_and_the_proposed_are_invited(accept, offered, alice):
    ProposedMemberFactory(application=offered, email="bob@postech.ac.kr", cluster_username="bob")
    ProposedMemberFactory(application=offered, email=alice.email)
    project = accept().project
    pi, bob = project.memberships.all()
    assert (pi.user, pi.status) == (alice, Membership.Status.ACTIVE)
    assert (bob.email, bob.user, bob.status) == ("bob@postech.ac.kr", None, Membership.Status.INVITED)
    assert (bob.proposed_username, bob.invited_by, bob.is_delegate) == ("bob", alice, False)


@pytest.mark.parametrize("proposed", [True, False])
def test_the_delegate_is_marked_proposed_as_a_member_or_not(proposed, accept, offered):
    if proposed:
        ProposedMemberFactory(application=offered, email="Bob@postech.ac.kr")
    Application.objects.filter(pk=offered.pk).update(delegate_email="bob@postech.ac.kr", delegate_name="박보라")
    offered.refresh_from_db()
    _pi, bob = accept().project.memberships.all()
    assert (bob.email, bob.is_delegate) == ("bob@postech.ac.kr", True)


def test_open_pages_of_applicant_and_project_hear_of_it(accept, offered, alice):
    accept()
    topics = {event.action: event.topics for event in Event.objects.all()}
    assert f"application:{offered.pk}" in topics["application.accepted"]
    assert f"person:{alice.pk}" in topics["project.created"]
    assert "project:p26001" in topics["grant.awarded"]


@pytest.fixture
def renewal(project, offered, bob):
    """Renews Alice's project, in which Bob is, with a grant until the end of August."""
    Application.objects.filter(pk=offered.pk).update(renews=project, ends_on=date(2027, 3, 31))
    offered.refresh_from_db()
    return project


@pytest.mark.parametrize(
    ("asked", "ends", "starts"),
    [
        (date(2026, 9, 1), kst(2026, 9, 1), kst(2026, 9, 1)),
        (date(2026, 11, 1), kst(2026, 9, 1), kst(2026, 9, 1)),
        (date(2026, 4, 1), kst(2026, 9, 1), kst(2026, 4, 1)),
        (date(2026, 4, 1), kst(2026, 3, 2), kst(2026, 3, 2)),
    ],
    ids=["right behind it", "no gap", "earlier as asked for", "ended meanwhile: today"],
)
def test_a_renewal_goes_on_in_its_project_without_a_gap(asked, ends, starts, renewal, offered, accept):
    Grant.objects.filter(project=renewal).update(ends_at=ends)
    Application.objects.filter(pk=offered.pk).update(starts_on=asked)
    offered.refresh_from_db()
    grant = accept()
    assert (grant.project, grant.starts_at, grant.ends_at) == (renewal, starts, kst(2027, 4, 1))
    assert renewal.accounts.count() == 1


def test_who_is_in_the_renewed_project_is_not_invited_again(renewal, offered, accept, bob):
    ProposedMemberFactory(application=offered, email=bob.email.upper())
    ProposedMemberFactory(application=offered, email="new@postech.ac.kr")
    Application.objects.filter(pk=offered.pk).update(delegate_email=bob.email)
    offered.refresh_from_db()
    accept()
    members = {member.email: (member.status, member.is_delegate) for member in renewal.memberships.all()}
    assert members[bob.email] == ("active", True)
    assert members["new@postech.ac.kr"] == ("invited", False)
    assert len(members) == 3


def test_who_leads_the_project_no_longer_cannot_renew_it(renewal, accept):
    renewal.pi = UserFactory()
    renewal.save()
    with pytest.raises(Refused, match="Only the PI or the delegate"):
        accept()


def test_an_imported_grant_before_it_makes_no_difference(renewal, accept):
    GrantFactory(project=renewal, application=None, ends_at=kst(2026, 6, 1))
    MembershipFactory(project=renewal)
    assert accept().project == renewal
