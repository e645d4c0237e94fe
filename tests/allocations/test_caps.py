"""Caps of members: set by who manages the project, shown with what was used, and what a leaver's jobs come to."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounting.models import QueueJob, UsageDay
from allocations.models import MemberCap, StopOrder
from allocations.services import Refused
from allocations.services.caps import cap_set
from allocations.services.members import delegate_set, member_remove, member_stop
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import NOW, InvitationFactory, MembershipFactory

HOUR = 3600


@pytest.fixture
def account(project):
    return project.accounts.get()


@pytest.fixture
def used(account):
    """Bob used ten GPU-hours on the last day of the year before, under an earlier grant."""
    return UsageDay.objects.create(
        day="2025-12-31", account=account, account_name=account.name, user_name="bob", gpu_kind="h100",
        partition="h100", state="COMPLETED", provisional=False, gpu_seconds=10 * HOUR, jobs=1,
    )  # fmt: skip


def test_the_pi_sets_changes_and_removes_a_cap(project, bobs, account, used, alice, browser):
    client, address = browser(alice), reverse("member_caps", args=["p26001", bobs.pk])
    assert "Used so far: 10 GPU-hours." in client.get(address).content.decode()
    client.post(address, {"h100": "100.5"})
    assert bobs.caps.get().gpu_seconds == 100 * HOUR + HOUR // 2
    assert "Left below the cap: 90 GPU-hours." in client.get(address).content.decode()
    client.post(address, {"h100": "8"})
    assert "Cap reached" in client.get(address).content.decode()
    client.post(address, {"h100": ""})
    assert not bobs.caps.exists()
    events = Event.objects.filter(action__startswith="member.cap").order_by("pk")
    assert [event.action for event in events] == ["member.cap_set", "member.cap_set", "member.cap_removed"]


def test_none_at_all_is_a_cap_too_and_the_same_again_is_no_news(bobs, account, alice):
    for _ in range(2):
        cap_set(membership=bobs, pool=account.pool, gpu_seconds=0, by=alice, at=NOW)
    assert bobs.caps.get().gpu_seconds == 0
    assert Event.objects.filter(action="member.cap_set").count() == 1


@pytest.mark.parametrize("amount", ["-1", "x", "1.234", "99999999"])
def test_what_is_no_amount_is_said(amount, bobs, alice, browser):
    page = browser(alice).post(reverse("member_caps", args=["p26001", bobs.pk]), {"h100": amount}).content.decode()
    assert 'href="#id_h100"' in page
    assert not MemberCap.objects.exists()


def test_only_who_manages_the_project_sets_caps_and_nobody_the_pis(project, bobs, account, alice, bob, oh, charlie):
    own = project.memberships.get(user=alice)
    for person in (bob, oh, charlie):
        with pytest.raises(Refused):
            cap_set(membership=bobs, pool=account.pool, gpu_seconds=HOUR, by=person, at=NOW)
    delegate_set(membership=bobs, is_delegate=True, by=alice, at=NOW)
    with pytest.raises(Refused):
        cap_set(membership=own, pool=account.pool, gpu_seconds=HOUR, by=bob, at=NOW)


def test_who_has_left_gets_no_cap(bobs, account, alice):
    member_remove(membership=bobs, by=alice, at=NOW)
    with pytest.raises(LostRace):
        cap_set(membership=bobs, pool=account.pool, gpu_seconds=HOUR, by=alice, at=NOW)


def test_a_member_sees_the_own_cap_and_not_that_of_others(project, bobs, account, used, alice, bob, browser):
    carol = MembershipFactory(project=project)
    cap_set(membership=bobs, pool=account.pool, gpu_seconds=30 * HOUR, by=alice, at=NOW)
    address = reverse("project", args=["p26001"])
    page = browser(bob).get(address).content.decode()
    assert "10 GPU-hours of 30 GPU-hours used, 20 GPU-hours left" in page
    for person in (carol.user, alice):
        assert "Your cap" not in browser(person).get(address).content.decode()


@pytest.mark.parametrize(
    ("person", "status"), [("alice", 200), ("bob", 404), ("charlie", 404), ("oh", 404), (None, 302)]
)
def test_the_page_opens_for_who_manages_the_project(person, status, bobs, browser, request):
    who = request.getfixturevalue(person) if person else None
    address = reverse("member_caps", args=["p26001", bobs.pk])
    assert browser(who).get(address).status_code == status
    if person and status == 404:
        assert browser(who).post(address, {"h100": "1"}).status_code == 404
    assert not MemberCap.objects.exists()


def test_there_is_no_page_for_the_pi_an_invitation_or_another_project(project, alice, browser):
    others = [
        project.memberships.get(user=alice),
        InvitationFactory(project=project),
        MembershipFactory(),
    ]
    for row in others:
        assert browser(alice).get(reverse("member_caps", args=["p26001", row.pk])).status_code == 404


def test_a_delegate_lifts_no_cap_of_their_own(project, bobs, account, alice, bob, browser):
    cap_set(membership=bobs, pool=account.pool, gpu_seconds=HOUR, by=alice, at=NOW)
    delegate_set(membership=bobs, is_delegate=True, by=alice, at=NOW)
    with pytest.raises(Refused, match="a cap of their own"):
        cap_set(membership=bobs, pool=account.pool, gpu_seconds=None, by=bob, at=NOW)
    address = reverse("member_caps", args=["p26001", bobs.pk])
    assert browser(bob).get(address).status_code == 404
    members = reverse("project_members", args=["p26001"])
    assert address not in browser(bob).get(members).content.decode()
    assert address in browser(alice).get(members).content.decode()


# --- Who has left ---


@pytest.fixture
def runs(account):
    return QueueJob.objects.create(
        job_id=7, display_id="7", account=account, user_name="bob", partition="h100", state="RUNNING", gpus=2,
        submit=NOW, start=NOW, time_limit_minutes=60,
    )  # fmt: skip


def test_leaving_leaves_running_jobs_alone_unless_asked(bobs, alice, browser):
    address = reverse("member_remove", args=["p26001", bobs.pk])
    page = browser(alice).get(address).content.decode()
    assert "waiting jobs in this project are cancelled" in page
    assert 'name="stop_jobs"' in page
    browser(alice).post(address)
    assert not StopOrder.objects.exists()


def test_removing_may_end_what_runs_too(bobs, alice, browser):
    browser(alice).post(reverse("member_remove", args=["p26001", bobs.pk]), {"stop_jobs": "on"})
    order = StopOrder.objects.get()
    assert (order.project.code, order.username, order.by) == ("p26001", "bob", alice)


def test_an_invitation_has_no_jobs_to_end(project, alice, browser):
    invited = InvitationFactory(project=project)
    address = reverse("member_remove", args=["p26001", invited.pk])
    assert "stop_jobs" not in browser(alice).get(address).content.decode()
    browser(alice).post(address, {"stop_jobs": "on"})
    assert not StopOrder.objects.exists()


def test_the_pi_sees_a_leavers_jobs_and_ends_them(bobs, runs, alice, oh, browser):
    project_page = reverse("project", args=["p26001"])
    assert "has left the project" not in browser(alice).get(project_page).content.decode()
    member_remove(membership=bobs, by=alice, at=NOW)
    assert "1 job of theirs still runs" in browser(alice).get(project_page).content.decode()
    address = reverse("member_stop", args=["p26001", bobs.pk])
    for person in (alice, oh):
        assert "still runs" in browser(person).get(project_page).content.decode()
        assert "End their running jobs now?" in browser(person).get(address).content.decode()
    for _ in range(2):
        browser(alice).post(address)
    assert StopOrder.objects.get().username == "bob"
    assert "Being ended" in browser(alice).get(project_page).content.decode()


def test_an_operator_ends_a_leavers_jobs_too_and_no_members(bobs, alice, oh, browser):
    address = reverse("member_stop", args=["p26001", bobs.pk])
    assert browser(oh).post(address).status_code == 404
    with pytest.raises(Refused):
        member_stop(membership=bobs, by=oh, at=NOW)
    member_remove(membership=bobs, by=alice, at=NOW)
    browser(oh).post(address)
    assert StopOrder.objects.get().by == oh


def test_who_was_taken_back_is_a_member_whatever_the_former_membership_says(bobs, alice, bob, oh, browser):
    member_remove(membership=bobs, by=alice, at=NOW)
    MembershipFactory(project=bobs.project, user=bob)
    for person in (alice, oh):
        with pytest.raises(Refused):
            member_stop(membership=bobs, by=person, at=NOW)
    assert browser(alice).get(reverse("member_stop", args=["p26001", bobs.pk])).status_code == 404


def test_jobs_of_a_member_are_not_the_pis_to_end(bobs, alice, browser):
    assert browser(alice).post(reverse("member_stop", args=["p26001", bobs.pk])).status_code == 404
    with pytest.raises(Refused):
        member_stop(membership=bobs, by=alice, at=NOW)
    assert not StopOrder.objects.exists()
