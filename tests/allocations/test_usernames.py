"""A name on the cluster: asked for, checked, approved by an operator, found there, missed there."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse

from accounting.models import UsageDay
from allocations.models import Association, Cluster, Membership
from allocations.provisioning.names import MOST_MISSED, look_for_all_names, look_for_new_names
from allocations.selectors.usernames import names_asked, names_lost, names_to_make, with_warnings
from allocations.services import Refused
from allocations.services.members import member_join
from allocations.services.usernames import username_approve, username_ask, username_refuse, usernames_found
from allocations.usernames import Stage, own_name, stage_of, steps_of
from allocations.workflow import LostRace
from portal.desk import piles
from portal.events.models import Event
from portal.home import own_things
from portal.people.models import User
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.fake import FakeGateway
from tests.factories import NOW, InvitationFactory, MembershipFactory, ProjectFactory, UserFactory

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def eve(db):
    return UserFactory(email="eve@gmail.example", name_en="Eve", cluster_username=None, language="en")


@pytest.fixture
def asked(eve):
    return username_ask(user=eve, name="eve", by=eve, at=NOW)


@pytest.fixture
def gateway():
    fake = FakeGateway()
    fake.unix_users = set()
    return fake


def key(user):
    """As the page names whose name it shows."""
    return f"{user.pk} {user.cluster_username}"


def stage(user):
    user.refresh_from_db()
    return stage_of(user)


# --- Asking ---


def test_asking_leads_back_and_open_projects_hear_of_it(eve, browser):
    project = ProjectFactory(pi=eve, code="p26005")
    client = browser(eve)
    assert "Ask for this name" in client.get(reverse("profile")).content.decode()
    back = reverse("project", args=["p26005"])
    response = client.post(reverse("cluster_username"), {"cluster_username": "eve", "next": back})
    assert response.url == back
    event = Event.objects.get(action="person.username_asked")
    assert {f"project:{project.code}", "operations", f"person:{eve.pk}"} <= set(event.topics)
    assert stage(eve) is Stage.ASKED
    assert not eve.is_on_cluster
    page = client.get(reverse("profile")).content.decode()
    assert "Waiting for approval" in page
    assert 'aria-current="step"' in page


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_way_back_leads_nowhere_else(elsewhere, eve, browser):
    response = browser(eve).post(reverse("cluster_username"), {"cluster_username": "eve", "next": elsewhere})
    assert response.url == reverse("profile")


@pytest.mark.parametrize("name", ["bob", "root", "slurm", "Eve", "-i", "eve|kim", "a=b", 'e"e', "김", "eve\nroot"])
def test_a_name_that_cannot_be_had_is_refused_at_once(name, eve, bob, browser):
    page = browser(eve).post(reverse("cluster_username"), {"cluster_username": name}).content.decode()
    assert 'href="#id_cluster_username"' in page
    with pytest.raises(Refused):
        username_ask(user=eve, name=name, by=eve, at=NOW)
    assert stage(eve) is Stage.NONE


def test_a_slip_is_mended_until_the_name_is_approved(asked, oh):
    username_ask(user=asked, name="evelyn", by=asked, at=NOW)
    assert asked.cluster_username == "evelyn"
    username_approve(user=asked, by=oh, at=NOW)
    with pytest.raises(Refused):
        username_ask(user=asked, name="eve", by=asked, at=LATER)
    assert asked.cluster_username == "evelyn"


def test_a_name_asked_for_is_taken_for_others(asked, charlie):
    User.objects.filter(pk=charlie.pk).update(cluster_username=None, cluster_username_approved_at=None)
    with pytest.raises(Refused):
        username_ask(user=charlie, name="eve", by=charlie, at=NOW)


# --- Deciding ---


def test_approved_is_not_yet_ready(asked, oh, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        username_approve(user=asked, by=oh, at=LATER)
    assert stage(asked) is Stage.APPROVED
    assert asked.cluster_username_approved_by == oh
    assert not asked.is_on_cluster
    assert list(names_to_make()) == [asked]
    assert "approved" in mail.outbox[0].subject
    assert [step.state for step in steps_of(asked)] == ["done", "done", "current", "ahead"]
    with pytest.raises(LostRace):
        username_approve(user=asked, by=oh, at=LATER)


def test_nobody_approves_their_own_name_nor_without_the_right(oh, dana, asked):
    User.objects.filter(pk=oh.pk).update(cluster_username_approved_at=None)
    oh.refresh_from_db()
    for act in (username_approve, lambda **who: username_refuse(**who, reason="no")):
        with pytest.raises(Refused):
            act(user=oh, by=oh, at=NOW)
        with pytest.raises(Refused):
            act(user=asked, by=dana, at=NOW)
    assert stage(oh) is Stage.ASKED


def test_a_refused_name_is_free_and_another_may_be_asked_for(asked, oh, browser, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        username_refuse(user=asked, reason="Belongs to somebody else.", by=oh, at=LATER)
    assert stage(asked) is Stage.REFUSED
    assert "Belongs to somebody else." in mail.outbox[0].body
    assert "eve" in mail.outbox[0].subject
    assert "Belongs to somebody else." in browser(asked).get(reverse("profile")).content.decode()
    username_ask(user=asked, name="eve2", by=asked, at=LATER)
    assert (asked.cluster_username, asked.cluster_username_refusal) == ("eve2", "")


def test_an_approved_name_that_cannot_be_made_is_taken_back_but_not_one_in_use(asked, oh):
    username_approve(user=asked, by=oh, at=NOW)
    username_refuse(user=asked, reason="The directory has it already.", by=oh, at=LATER)
    assert stage(asked) is Stage.REFUSED
    username_ask(user=asked, name="eve2", by=asked, at=LATER)
    username_approve(user=asked, by=oh, at=LATER)
    usernames_found(found=["eve2"], at=LATER)
    asked.refresh_from_db()
    with pytest.raises(LostRace):
        username_refuse(user=asked, reason="too late", by=oh, at=LATER)
    assert stage(asked) is Stage.READY


def test_a_name_changed_meanwhile_is_not_approved_by_its_old_one(asked, oh):
    seen = User.objects.get(pk=asked.pk)
    username_ask(user=asked, name="evelyn", by=asked, at=NOW)
    with pytest.raises(LostRace):
        username_approve(user=seen, by=oh, at=LATER)
    assert stage(asked) is Stage.ASKED


# --- The operator's page ---


def test_several_are_approved_at_once(asked, oh, browser):
    second = UserFactory(cluster_username=None)
    username_ask(user=second, name="second", by=second, at=NOW)
    client = browser(oh)
    page = client.get(reverse("operations_people")).content.decode()
    assert page.index("<code>eve</code>") < page.index("<code>second</code>")
    page = client.post(
        reverse("operations_people_approve"), {"name": [key(asked), key(second)]}, follow=True
    ).content.decode()
    assert "2 names are approved." in page
    assert "eve\nsecond" in page
    assert names_to_make().count() == 2


def test_a_name_that_may_be_somebody_elses_is_asked_about_once_more(asked, oh, browser, gateway):
    gateway.unix_users = {"eve"}
    look_for_new_names(gateway, at=NOW)
    cluster = Cluster.current()
    cluster.foreign_accounts = [{"name": "astro", "parent": "root", "people": ["eve"], "gpu_minutes": None}]
    cluster.save()
    Association.objects.create(account="p26001-h100", person="eve", changed_at=NOW)
    [row] = with_warnings(names_asked())
    assert len(row.warnings) == 2
    assert "astro, p26001-h100" in row.warnings[1]
    client, address = browser(oh), reverse("operations_people_approve")
    page = client.post(address, {"name": key(asked)}).content.decode()
    assert "Are these names these people" in page
    assert stage(asked) is Stage.ASKED
    client.post(address, {"name": key(asked), "confirmed": "yes"})
    assert stage(asked) is Stage.READY


def test_what_changed_on_the_way_is_said(asked, oh, browser):
    page = browser(oh).post(reverse("operations_people_approve"), {"name": [key(asked), "0 gone"]}, follow=True)
    assert "Not all of them" in page.content.decode()
    assert stage(asked) is Stage.APPROVED


def test_a_name_that_somebody_else_has_asked_for_meanwhile_is_not_approved(asked, oh, browser):
    seen, other = key(asked), UserFactory(cluster_username=None)
    username_ask(user=asked, name="evelyn", by=asked, at=NOW)
    username_ask(user=other, name="eve", by=other, at=NOW)
    browser(oh).post(reverse("operations_people_approve"), {"name": seen})
    assert (stage(asked), stage(other)) == (Stage.ASKED, Stage.ASKED)


def test_refusing_needs_a_reason_and_the_name_that_was_seen(asked, oh, browser):
    client, address = browser(oh), reverse("operations_people_refuse", args=[asked.pk])
    assert "<code>eve</code>" in client.get(address).content.decode()
    assert client.post(address, {"name": "eve", "reason": ""}).status_code == 200
    client.post(address, {"name": "evelyn", "reason": "no"})
    assert stage(asked) is Stage.ASKED
    client.post(address, {"name": "eve", "reason": "Taken."})
    assert stage(asked) is Stage.REFUSED
    again = client.post(address, {"name": "eve", "reason": "Taken."}, follow=True)
    assert "Somebody else was faster" in again.content.decode()


def test_approving_without_a_tick_says_what_to_do(asked, oh, browser):
    page = browser(oh).post(reverse("operations_people_approve"), follow=True).content.decode()
    assert "Tick the names" in page
    assert stage(asked) is Stage.ASKED


def test_names_that_wait_are_said_on_the_first_page(asked, oh, browser):
    assert "1 user name waits" in browser(oh).get(reverse("operations")).content.decode()


def test_ones_own_name_waits_for_another_operator(oh, browser):
    User.objects.filter(pk=oh.pk).update(cluster_username_approved_at=None, cluster_username_asked_at=NOW)
    page = browser(oh).get(reverse("operations_people")).content.decode()
    assert "another operator decides" in page
    assert 'type="checkbox"' not in page
    assert not [pile for pile in piles(own_things(oh, NOW), NOW) if pile.title == "User names to approve"]


def test_it_waits_on_the_operators_desk(asked, oh, dana):
    [pile] = [pile for pile in piles(own_things(oh, NOW), NOW) if pile.title == "User names to approve"]
    assert pile.shown[0].title == "eve · Eve"
    assert not [pile for pile in piles(own_things(dana, NOW), NOW) if "User names" in pile.title]


def test_logins_to_make_and_missing_ones_wait_there_too(asked, bob, oh):
    username_approve(user=asked, by=oh, at=NOW)
    User.objects.filter(pk=bob.pk).update(cluster_username_lost_at=NOW)
    found = piles(own_things(oh, NOW), NOW)
    [pile] = [pile for pile in found if pile.title == "Logins on the cluster to make or look for"]
    assert {(row.title, row.note) for row in pile.shown} == {
        ("eve · Eve", "to be made"),
        ("bob · Bob Park", "missing on the cluster"),
    }


def test_a_name_that_is_only_asked_for_names_nobody_in_the_figures(project, bob, alice, browser):
    account = project.accounts.get()
    UsageDay.objects.create(
        day="2026-03-14", account=account, account_name=account.name, user_name="bob", gpu_kind="h100",
        partition="h100", state="COMPLETED", provisional=False, gpu_seconds=3600, jobs=1,
    )  # fmt: skip
    address = reverse("project_usage_csv", args=["p26001"])
    assert "Bob Park" in b"".join(browser(alice).get(address).streaming_content).decode()
    User.objects.filter(pk=bob.pk).update(cluster_username_approved_at=None)
    assert "Bob Park" not in b"".join(browser(alice).get(address).streaming_content).decode()


def test_only_operators_see_and_decide(asked, alice, dana, observer, browser):
    addresses = [
        reverse("operations_people"),
        reverse("operations_people_approve"),
        reverse("operations_people_refuse", args=[asked.pk]),
    ]
    for person in (alice, dana, observer):
        for address in addresses:
            assert browser(person).get(address).status_code == 403
            assert browser(person).post(address, {"name": "eve"}).status_code == 403
    assert browser().get(addresses[0]).status_code == 302
    assert stage(asked) is Stage.ASKED


def test_the_page_takes_as_many_queries_for_many_as_for_one(asked, oh, browser, django_assert_max_num_queries):
    for number in range(10):
        user = UserFactory(cluster_username=None)
        username_ask(user=user, name=f"many{number}", by=user, at=NOW)
        MembershipFactory(project=ProjectFactory(), user=user)
    client = browser(oh)
    client.get(reverse("operations_people"))
    with django_assert_max_num_queries(14):
        client.get(reverse("operations_people"))


# --- Found and missed on the cluster ---


def test_it_is_ready_once_the_worker_finds_it(asked, oh, gateway, django_capture_on_commit_callbacks):
    username_approve(user=asked, by=oh, at=NOW)
    look_for_new_names(gateway, at=LATER)
    assert stage(asked) is Stage.APPROVED
    gateway.unix_users = {"eve"}
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        look_for_new_names(gateway, at=LATER)
    assert stage(asked) is Stage.READY
    assert asked.is_on_cluster
    assert asked.cluster_username_found_at == LATER
    assert "ready" in mail.outbox[0].subject
    assert Event.objects.filter(action="person.username_found").count() == 1
    look_for_new_names(gateway, at=LATER)
    assert Event.objects.filter(action="person.username_found").count() == 1


def test_a_login_that_exists_does_not_make_an_unapproved_name_usable(asked, gateway):
    gateway.unix_users = {"eve"}
    look_for_new_names(gateway, at=NOW)
    assert stage(asked) is Stage.ASKED
    assert not asked.is_on_cluster
    assert not Event.objects.filter(action="person.username_found").exists()


def test_nothing_is_asked_where_every_name_is_known(bob, gateway):
    gateway.known_people = None
    look_for_new_names(gateway, at=NOW)


def test_a_name_that_vanishes_is_shown_and_nothing_is_taken(bob, oh, browser, gateway):
    gateway.unix_users = {oh.cluster_username}
    look_for_all_names(gateway, at=NOW)
    assert stage(bob) is Stage.LOST
    assert bob.is_on_cluster
    assert list(names_lost()) == [bob]
    assert "Missing on the cluster" in browser(oh).get(reverse("operations_people")).content.decode()
    look_for_all_names(gateway, at=LATER)
    assert Event.objects.filter(action="person.username_lost").count() == 1
    gateway.unix_users.add("bob")
    look_for_all_names(gateway, at=LATER)
    assert stage(bob) is Stage.READY


def test_a_directory_that_does_not_answer_makes_nobody_vanish(db, gateway):
    UserFactory.create_batch(MOST_MISSED + 1)
    with pytest.raises(SlurmUnavailable):
        look_for_all_names(gateway, at=NOW)
    assert not names_lost().exists()


# --- Where a member sees it ---


def test_a_member_is_told_what_is_missing(project, bob, browser):
    project_page = reverse("project", args=["p26001"])
    assert own_name(bob) is None
    assert "Your cluster user name" not in browser(bob).get(project_page).content.decode()
    User.objects.filter(pk=bob.pk).update(cluster_username_found_at=None)
    assert "Being made on the cluster" in browser(bob).get(project_page).content.decode()
    User.objects.filter(pk=bob.pk).update(cluster_username=None, cluster_username_approved_at=None)
    assert "Choose a user name" in browser(bob).get(project_page).content.decode()


def test_the_first_steps_follow_the_name(project, bob, browser):
    User.objects.filter(pk=bob.pk).update(cluster_username_approved_at=None)
    page = browser(bob).get(reverse("onboarding", args=["p26001"])).content.decode()
    assert "You asked for bob." in page
    assert "On the cluster you are bob." not in page


def test_joining_asks_for_the_name(project, eve):
    invited = InvitationFactory(project=project, email=eve.email)
    member_join(membership=invited, cluster_username="eve", by=eve, at=NOW)
    assert invited.status == Membership.Status.ACTIVE
    assert stage(eve) is Stage.ASKED
