"""Inviting, joining and leaving a project, and the name on the cluster."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Membership
from allocations.services import Refused
from allocations.services.members import (
    delegate_set,
    member_invite,
    member_join,
    member_remove,
)
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import NOW, InvitationFactory, MembershipFactory, ProjectFactory, UserFactory


@pytest.fixture
def invited(project):
    return InvitationFactory(project=project, email="eve@postech.ac.kr", proposed_username="eve")


@pytest.fixture
def eve(db):
    return UserFactory(email="eve@gmail.example", cluster_username=None)


def test_the_pi_invites_by_address(project, alice, browser):
    page = (
        browser(alice)
        .post(reverse("project_members", args=["p26001"]), {"email": "Eve@postech.ac.kr", "name": "이브"}, follow=True)
        .content.decode()
    )
    assert "Invited: Eve@postech.ac.kr." in page
    assert project.memberships.get(email="eve@postech.ac.kr").status == Membership.Status.INVITED


@pytest.mark.parametrize(
    "email", ["eve@postech.ac.kr", "EVE@postech.ac.kr", "bob@postech.ac.kr", "alice@postech.ac.kr"]
)
def test_nobody_is_invited_twice(email, project, invited, alice, browser):
    page = browser(alice).post(reverse("project_members", args=["p26001"]), {"email": email}).content.decode()
    assert 'href="#id_email"' in page
    assert project.memberships.count() == 3


def test_members_see_the_list_without_what_changes_it(project, bob, browser):
    page = browser(bob).get(reverse("project_members", args=["p26001"])).content.decode()
    assert "alice@postech.ac.kr" in page
    assert "Invite somebody" not in page
    assert "/remove/" not in page


def test_a_link_tells_who_is_not_signed_in_what_awaits_them(invited, browser):
    page = browser().get(reverse("invitation", args=[invited.token])).content.decode()
    assert "Finding defects on steel" in page
    assert f"?next=/invitations/{invited.token}/" in page


def test_joining_under_another_address_than_the_invited_one(invited, eve, browser):
    client = browser(eve)
    address = reverse("invitation", args=[invited.token])
    assert 'value="eve"' in client.get(address).content.decode()
    response = client.post(address, {"cluster_username": "eve2"})
    assert response.url == reverse("project", args=["p26001"])
    invited.refresh_from_db()
    eve.refresh_from_db()
    assert (invited.user, invited.status, invited.joined_at) == (eve, Membership.Status.ACTIVE, NOW)
    assert eve.cluster_username == "eve2"


def test_a_user_name_of_ones_own_stays(invited, charlie, browser):
    name = charlie.cluster_username
    client = browser(charlie)
    address = reverse("invitation", args=[invited.token])
    assert f"<code>{name}</code>" in client.get(address).content.decode()
    client.post(address, {"cluster_username": "another"})
    charlie.refresh_from_db()
    assert charlie.cluster_username == name
    assert invited.project.memberships.get(user=charlie).status == Membership.Status.ACTIVE


@pytest.mark.parametrize("name", ["", "Eve", "1eve", "e", "root", "slurm", "e" * 32, "eve kim", "bob"])
def test_a_user_name_that_cannot_be_had_is_refused_with_the_reason(name, invited, eve, bob, browser):
    page = browser(eve).post(reverse("invitation", args=[invited.token]), {"cluster_username": name}).content.decode()
    assert 'href="#id_cluster_username"' in page
    invited.refresh_from_db()
    eve.refresh_from_db()
    assert (invited.status, eve.cluster_username) == (Membership.Status.INVITED, None)


def test_a_link_works_once(invited, eve, charlie, browser):
    member_join(membership=invited, cluster_username="eve", by=eve, at=NOW)
    address = reverse("invitation", args=[invited.token])
    assert browser(eve).get(address).url == reverse("project", args=["p26001"])
    late = browser(charlie).post(address, {})
    assert late.status_code == 410
    assert "has been used" in late.content.decode()
    with pytest.raises(LostRace):
        member_join(membership=invited, cluster_username="", by=charlie, at=NOW)
    assert not invited.project.memberships.filter(user=charlie).exists()


def test_an_invitation_taken_back_says_so(invited, alice, charlie, browser):
    member_remove(membership=invited, by=alice, at=NOW)
    response = browser(charlie).get(reverse("invitation", args=[invited.token]))
    assert response.status_code == 410
    assert "taken back" in response.content.decode()


def test_the_pi_opening_the_link_by_curiosity_does_not_use_it_up(invited, alice, browser):
    page = browser(alice).post(reverse("invitation", args=[invited.token])).content.decode()
    assert "You are in this project already." in page
    invited.refresh_from_db()
    assert invited.status == Membership.Status.INVITED


def test_an_unknown_link_is_no_page(db, browser):
    assert browser().get(reverse("invitation", args=["nothing"])).status_code == 404


def test_removing_asks_first_and_keeps_the_row(project, bobs, alice, bob, browser):
    client = browser(alice)
    address = reverse("member_remove", args=["p26001", bobs.pk])
    assert "Remove from the project?" in client.get(address).content.decode()
    page = client.post(address, follow=True).content.decode()
    bobs.refresh_from_db()
    assert (bobs.status, bobs.removed_at, bobs.user) == (Membership.Status.REMOVED, NOW, bob)
    assert "bob@postech.ac.kr" not in page
    assert browser(bob).get(reverse("project_members", args=["p26001"])).status_code == 404
    assert Event.objects.filter(action="member.removed", topics__contains=["project:p26001"]).exists()


def test_removing_twice_says_what_stands(bobs, alice):
    member_remove(membership=bobs, by=alice, at=NOW)
    with pytest.raises(LostRace):
        member_remove(membership=bobs, by=alice, at=NOW)


def test_who_was_removed_can_be_invited_again(project, bobs, alice, bob):
    member_remove(membership=bobs, by=alice, at=NOW)
    again = member_invite(project=project, email=bob.email, by=alice, at=NOW)
    member_join(membership=again, cluster_username="", by=bob, at=NOW)
    assert again.pk != bobs.pk
    assert [row.status for row in project.memberships.filter(email=bob.email)] == ["removed", "active"]


def test_the_pi_cannot_be_removed(project, alice, browser):
    own = project.memberships.get(user=alice)
    with pytest.raises(Refused):
        member_remove(membership=own, by=alice, at=NOW)
    assert browser(alice).post(reverse("member_remove", args=["p26001", own.pk])).status_code == 404


def test_only_the_pi_changes_the_members(project, bob, bobs, oh):
    for person in (bob, oh):
        with pytest.raises(Refused):
            member_invite(project=project, email="x@y.example", by=person, at=NOW)
        with pytest.raises(Refused):
            member_remove(membership=bobs, by=person, at=NOW)


def test_the_pi_names_a_delegate_and_ends_the_delegation(project, bobs, alice, bob, browser):
    client, members = browser(alice), reverse("project_members", args=["p26001"])
    address = reverse("member_delegate", args=["p26001", bobs.pk])
    assert "The project has no delegate." in client.get(members).content.decode()
    page = client.post(address, {"is_delegate": "yes"}, follow=True).content.decode()
    assert "박보라 is delegate now." in page
    assert "has no delegate" not in page
    assert Event.objects.filter(action="member.delegate_named").exists()
    assert project in type(project).objects.managed_by(bob)
    client.post(address, {"is_delegate": "no"})
    assert project not in type(project).objects.managed_by(bob)


def test_a_delegate_manages_members_and_names_no_delegates(project, bobs, alice, bob, browser):
    delegate_set(membership=bobs, is_delegate=True, by=alice, at=NOW)
    eve = MembershipFactory(project=project)
    client = browser(bob)
    page = client.get(reverse("project_members", args=["p26001"])).content.decode()
    assert "Invite somebody" in page
    assert "Name delegate" not in page
    assert client.post(reverse("member_delegate", args=["p26001", eve.pk]), {"is_delegate": "yes"}).status_code == 404
    with pytest.raises(Refused):
        delegate_set(membership=eve, is_delegate=True, by=bob, at=NOW)
    member_invite(project=project, email="new@postech.ac.kr", by=bob, at=NOW)


def test_who_is_gone_or_the_pi_is_no_delegate(project, bobs, alice):
    with pytest.raises(Refused):
        delegate_set(membership=project.memberships.get(user=alice), is_delegate=True, by=alice, at=NOW)
    member_remove(membership=bobs, by=alice, at=NOW)
    with pytest.raises(LostRace):
        delegate_set(membership=bobs, is_delegate=True, by=alice, at=NOW)


def test_an_invited_delegate_manages_once_joined(project, invited, alice, eve):
    delegate_set(membership=invited, is_delegate=True, by=alice, at=NOW)
    assert project not in type(project).objects.managed_by(eve)
    member_join(membership=invited, cluster_username="eve", by=eve, at=NOW)
    assert project in type(project).objects.managed_by(eve)


def test_a_member_of_another_project_is_not_reached_through_this_one(project, alice, browser):
    other = MembershipFactory(project=ProjectFactory())
    assert browser(alice).post(reverse("member_remove", args=["p26001", other.pk])).status_code == 404


def test_who_has_become_pi_meanwhile_is_not_removed(project, bobs, alice):
    read = Membership.objects.select_related("project").get(pk=bobs.pk)
    project.pi = bobs.user
    project.save()
    with pytest.raises(Refused):
        member_remove(membership=read, by=alice, at=NOW)
    with pytest.raises(Refused):
        delegate_set(membership=read, is_delegate=True, by=alice, at=NOW)
    bobs.refresh_from_db()
    assert bobs.status == Membership.Status.ACTIVE
