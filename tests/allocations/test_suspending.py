"""Suspending a grant and resuming it, and ending jobs at once: who may, what follows, who is told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.urls import reverse

from allocations.models import Account, Association, GrantLine, Membership, StopOrder, Suspension
from allocations.provisioning.desired import desired_leaves
from allocations.services import Refused
from allocations.services.stopping import jobs_stop, may_stop_jobs
from allocations.services.suspension import grant_resume, grant_suspend
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.factories import HOUR, NOW, GrantFactory, MembershipFactory, ProjectFactory, UserFactory, kst

REASON = "결과보고서가 제출되지 않았습니다."


@pytest.fixture
def grant(project):
    return project.grants.get()


def leaf(at):
    [found] = desired_leaves(at=at)
    return found


# --- Suspending and resuming ---


def test_a_suspended_grant_parks_its_account_and_keeps_only_what_was_charged(grant, oh):
    GrantLine.objects.update(charged_gpu_seconds=400 * HOUR)
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    assert leaf(NOW).budget.parked
    assert leaf(NOW).budget.gpu_minutes == 400 * 60


def test_resuming_returns_to_exactly_the_former_state(grant, oh):
    GrantLine.objects.update(charged_gpu_seconds=400 * HOUR)
    before = leaf(NOW)
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    grant_resume(grant=grant, by=oh, at=NOW + timedelta(days=3))
    assert leaf(NOW + timedelta(days=3)) == before
    suspension = Suspension.objects.get()
    assert (suspension.since, suspension.until, suspension.lifted_by) == (NOW, NOW + timedelta(days=3), oh)


def test_a_grant_may_be_suspended_again(grant, oh):
    for day in (0, 2):
        grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW + timedelta(days=day))
        grant_resume(grant=grant, by=oh, at=NOW + timedelta(days=day + 1))
    assert Suspension.objects.count() == 2


def test_suspending_twice_suspends_once(grant, oh):
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    with pytest.raises(LostRace):
        grant_suspend(grant=grant, reason="또", by=oh, at=NOW + timedelta(seconds=1))
    assert Suspension.objects.get().reason == REASON
    assert Event.objects.filter(action="grant.suspended").count() == 1


def test_the_database_itself_holds_one_lasting_suspension(grant, oh):
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Suspension.objects.create(grant=grant, since=NOW, reason="또", by=oh)


def test_resuming_what_runs_is_a_lost_race(grant, oh):
    with pytest.raises(LostRace):
        grant_resume(grant=grant, by=oh, at=NOW)


def test_a_grant_that_has_ended_is_neither_suspended_nor_resumed(grant, oh):
    with pytest.raises(Refused, match="The grant has ended"):
        grant_suspend(grant=grant, reason=REASON, by=oh, at=grant.ends_at)
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    with pytest.raises(Refused, match="The grant has ended"):
        grant_resume(grant=grant, by=oh, at=grant.ends_at)


def test_a_suspension_needs_a_reason(grant, oh):
    with pytest.raises(Refused):
        grant_suspend(grant=grant, reason="  ", by=oh, at=NOW)


def test_one_of_two_grants_suspended_leaves_the_other_open(grant, project, oh):
    GrantFactory(project=project, hours=50, ends_at=kst(2026, 12, 1))
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    assert not leaf(NOW).budget.parked
    assert leaf(NOW).budget.gpu_minutes == 50 * 60


def test_pi_and_delegate_are_told_the_reason_and_whom_to_ask(grant, project, alice, bob, oh, told):
    Membership.objects.filter(project=project, user=bob).update(is_delegate=True)
    told(lambda: grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW))
    assert {message.to[0] for message in mail.outbox} == {alice.email, bob.email}
    body = next(message.body for message in mail.outbox if message.to == [alice.email])
    assert REASON in body and "Whom to ask:" in body and "operations team" in body
    mail.outbox.clear()
    told(lambda: grant_resume(grant=grant, by=oh, at=NOW + timedelta(days=1)))
    assert {message.to[0] for message in mail.outbox} == {alice.email, bob.email}


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    def act(do):
        with django_capture_on_commit_callbacks(execute=True):
            do()

    return act


# --- Pages ---


def page(browser, person, project):
    return browser(person).get(reverse("project", args=[project.code])).content.decode()


def test_an_operator_suspends_and_resumes_from_the_projects_page(grant, project, oh, alice, browser):
    client = browser(oh)
    address = reverse("grant_suspend", args=[project.code, grant.pk])
    assert address in page(browser, oh, project)
    assert client.get(address).status_code == 200
    assert client.post(address, {"reason": ""}).status_code == 200
    assert not Suspension.objects.exists()
    assert client.post(address, {"reason": REASON}).status_code == 302
    seen = page(browser, alice, project)
    assert "The grant is suspended." in seen and REASON in seen
    assert address not in seen
    resume = reverse("grant_resume", args=[project.code, grant.pk])
    assert resume in page(browser, oh, project)
    assert REASON in client.get(resume).content.decode()
    client.post(resume)
    assert "The grant is suspended." not in page(browser, alice, project)
    assert "is not suspended any more" in client.post(resume, follow=True).content.decode()


def test_a_second_press_says_what_stands(grant, project, oh, browser):
    address = reverse("grant_suspend", args=[project.code, grant.pk])
    browser(oh).post(address, {"reason": REASON})
    assert (
        "The grant is suspended already." in browser(oh).post(address, {"reason": REASON}, follow=True).content.decode()
    )


def test_suspending_with_the_box_ticked_ends_the_jobs_too(grant, project, oh, alice, browser):
    address = reverse("grant_suspend", args=[project.code, grant.pk])
    browser(oh).post(address, {"reason": REASON, "stop_jobs": "on"})
    order = StopOrder.objects.get()
    assert (order.project, order.username, order.reason, order.by) == (project, "", REASON, oh)
    assert "All jobs of the project are being ended." in page(browser, alice, project)
    StopOrder.objects.update(done_at=NOW)
    assert "All jobs of the project were ended by order" in page(browser, alice, project)
    StopOrder.objects.update(done_at=NOW - timedelta(days=2))
    assert "by order" not in page(browser, alice, project)


def test_the_live_part_brings_the_news_along(grant, project, oh, alice, browser):
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    address = reverse("project_usage", args=[project.code])
    part = browser(alice).get(address, headers={"Live-Event": "1"}).content.decode()
    assert 'id="project-news"' in part and "hx-swap-oob" in part and REASON in part


def test_a_grant_of_another_project_is_not_found_under_this_one(project, oh, browser):
    other = GrantFactory(project=ProjectFactory())
    for name in ("grant_suspend", "grant_resume"):
        assert browser(oh).get(reverse(name, args=[project.code, other.pk])).status_code == 404


def test_an_operator_ends_all_jobs_of_a_project(grant, project, oh, browser):
    address = reverse("project_stop", args=[project.code])
    assert address in page(browser, oh, project)
    assert browser(oh).post(address, {"reason": ""}).status_code == 200
    browser(oh).post(address, {"reason": REASON})
    assert StopOrder.objects.get().username == ""


def test_nobody_resumes_a_grant_of_their_own_institution(grant, postech, oh):
    grant_suspend(grant=grant, reason=REASON, by=oh, at=NOW)
    own = UserFactory(roles=["operator"], institution=postech)
    with pytest.raises(Refused, match="Nobody decides"):
        grant_resume(grant=grant, by=own, at=NOW)
    grant_resume(grant=grant, by=oh, at=NOW)


# --- Stop orders ---


@pytest.fixture
def gone(project, bob):
    """Bob has left."""
    Membership.objects.filter(project=project, user=bob).update(status=Membership.Status.REMOVED)
    return bob


def order(project, by, username=""):
    return jobs_stop(project=project, username=username, reason=REASON, by=by, at=NOW)


def test_pi_and_delegate_may_end_the_jobs_of_who_has_left_only(project, alice, bob):
    assert not may_stop_jobs(alice, project, "bob")
    with pytest.raises(Refused):
        order(project, alice, "bob")
    Membership.objects.filter(project=project, user=bob).update(status=Membership.Status.REMOVED)
    assert order(project, alice, "bob").username == "bob"


def test_where_the_portal_looks_after_no_account_it_says_so(project, oh):
    """An order there would be done at once, with every job still running."""
    Account.objects.update(managed=False)
    with pytest.raises(Refused, match="looks after no account"):
        order(project, oh)
    assert not StopOrder.objects.exists()


def test_who_came_back_has_not_left(project, alice, gone):
    MembershipFactory(project=project, user=gone)
    with pytest.raises(Refused):
        order(project, alice, "bob")


def test_who_may_not_sign_in_any_more_has_left(project, alice, bob):
    bob.is_active = False
    bob.save()
    assert order(project, alice, "bob").username == "bob"


def test_neither_pi_nor_member_nor_stranger_ends_everybodys_jobs(project, alice, bob, charlie):
    for person in (alice, bob, charlie):
        with pytest.raises(Refused):
            order(project, person)


def test_a_stranger_ends_nobodys_jobs(project, charlie, gone):
    with pytest.raises(Refused):
        order(project, charlie, "bob")


def test_an_operator_names_a_member_or_somebody_slurm_has_there(project, oh, gone):
    assert order(project, oh, "bob").username == "bob"
    with pytest.raises(Refused, match="Nobody of that name"):
        order(project, oh, "ghost")
    account = Account.objects.filter(project=project).first()
    Association.objects.create(account=account.name, person="ghost", changed_at=NOW)
    assert order(project, oh, "ghost").username == "ghost"


def test_pressed_twice_it_is_one_order(project, oh):
    assert order(project, oh) == order(project, oh)
    assert Event.objects.filter(action="project.stop_ordered").count() == 1
    StopOrder.objects.update(done_at=NOW)
    order(project, oh)
    assert StopOrder.objects.count() == 2


def test_an_order_needs_a_reason(project, oh):
    with pytest.raises(Refused):
        jobs_stop(project=project, reason=" ", by=oh, at=NOW)
