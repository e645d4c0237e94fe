"""A project's grants with how far Slurm has followed, its members, and the lines to submit with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from accounting.models import Counter
from allocations.models import Account, Cluster, Drift, Grant, GrantLine
from allocations.selectors.projects import project_frame
from allocations.standing import ended_standing
from portal.people.models import User
from tests.factories import HOUR, NOW, GrantFactory, PoolFactory, SuspensionFactory, UserFactory, kst


@pytest.fixture
def attached(db):
    cluster = Cluster.current()
    cluster.heartbeat_at, cluster.writing_enabled = NOW, True
    cluster.save()
    return cluster


@pytest.fixture
def grants(project, alice, browser):
    return lambda: browser(alice).get(reverse("project", args=["p26001"])).content.decode()


def test_without_a_cluster_the_grant_waits_and_says_why(project, grants, settings):
    settings.SLURM_ABSENT_REASON = "This machine gives no root."
    page = grants()
    assert "Waiting: no cluster is attached" in page
    assert "This machine gives no root." in page


def test_a_silent_worker_is_no_cluster(project, grants, attached):
    attached.heartbeat_at = NOW - timedelta(minutes=1)
    attached.save()
    assert "Waiting: no cluster is attached" in grants()


def test_observing_only_is_said_plainly(project, grants, attached):
    attached.writing_enabled = False
    attached.save()
    assert "Waiting: observing only" in grants()


def test_being_applied_then_in_force_since(project, grants, attached):
    assert "Being applied" in grants()
    Account.objects.update(state="in_force", in_force_since=kst(2026, 3, 2, 9, 30), parked=False)
    page = grants()
    assert "In force" in page
    assert "since 2 Mar 2026, 09:30" in page
    assert "nothing can start" not in page


def test_a_parked_account_says_that_nothing_can_start(project, grants, attached):
    Account.objects.update(state="in_force", in_force_since=NOW, parked=True)
    assert "nothing can start" in grants()


def test_a_refusal_is_in_slurms_words(project, grants, attached):
    Account.objects.update(state="refused", slurm_words="No such QOS <h100>")
    assert "Refused by Slurm: No such QOS &lt;h100&gt;" in grants()


@pytest.mark.parametrize(
    ("at", "phase"), [(kst(2026, 2, 28), "Not yet open"), (NOW, "Open"), (kst(2026, 9, 1), "Ended")]
)
def test_a_grant_has_a_phase(at, phase, project, alice):
    row = project_frame(project, alice, at)["grants"][0]
    assert row.phase == phase
    assert row.last_day == kst(2026, 8, 31, 23, 59) + timedelta(seconds=59)


def test_a_suspended_grant_says_so(project, alice, grants):
    SuspensionFactory(grant=project.grants.get(), reason="Under inquiry")
    page = grants()
    assert "Suspended" in page
    assert "Under inquiry" in page


def test_there_is_a_line_to_copy_for_each_pool(project, alice):
    GrantFactory(project=project, hours__pool=PoolFactory(code="a100", position=1, partitions=["a100-long", "a100"]))
    Account.objects.filter(name="p26001-h100").update(state="in_force", parked=False)
    lines = project_frame(project, alice, NOW)["submit_lines"]
    assert [(line.command, line.usable) for line in lines] == [
        ("sbatch --account=p26001-h100 --partition=h100 --gpus=1 --time=01:00:00 job.sh", True),
        ("sbatch --account=p26001-a100 --partition=a100-long --gpus=1 --time=01:00:00 job.sh", False),
    ]


def test_only_the_pi_manages(project, alice, bob, oh):
    assert project_frame(project, alice, NOW)["may_manage"]
    assert not project_frame(project, bob, NOW)["may_manage"]
    assert not project_frame(project, oh, NOW)["may_manage"]


def test_a_pi_without_a_user_name_is_told_to_choose_one(project, alice, oh, grants):
    assert "Choose a user name" not in grants()
    alice.cluster_username = None
    alice.save()
    assert "Choose a user name" in grants()
    assert not _is_hidden(grants())
    operator = UserFactory(cluster_username=None, roles=["operator"])
    assert project_frame(project, operator, NOW)["own_name"] is None


def test_news_take_no_place_where_there_are_none(project, grants):
    assert _is_hidden(grants())


@pytest.mark.parametrize("place", ["p26001-h100", "p26001", "paic"])
def test_who_is_stopped_by_hand_reads_it_above_the_figures(project, grants, browser, alice, place):
    """Also where the project's account, or the portal's root, is stopped: nothing below it starts."""
    Drift.objects.create(kind=Drift.Kind.STOPPED, account=place, found_at=NOW)
    counter = {"used_gpu_seconds": 0, "reserved_gpu_seconds": 0, "limit_gpu_minutes": 600, "exact": True}
    Counter.objects.create(account=project.accounts.get(), read_at=NOW, **counter)
    page = grants()
    assert "The center has stopped jobs on" in page and not _is_hidden(page)
    assert "Stopped by the center" in page
    whole = browser(alice).get(reverse("project", args=["p26001"])).context["usage"]
    assert whole.figures.total.balance.startable == 0


def test_a_member_stopped_by_hand_reads_it_and_so_does_the_pi(project, alice, bob, browser):
    Drift.objects.create(kind=Drift.Kind.STOPPED, account="p26001-h100", person="bob", found_at=NOW)
    assert project_frame(project, bob, NOW)["own_stop"]
    assert not project_frame(project, alice, NOW)["own_stop"]
    assert "The center has stopped your jobs" in browser(bob).get(reverse("project", args=["p26001"])).content.decode()
    page = browser(alice).get(reverse("project_members", args=["p26001"])).content.decode()
    assert page.count("Stopped by the center") == 1


def _is_hidden(page: str) -> bool:
    return " hidden" in page.partition('id="project-news"')[2].partition(">")[0]


def test_an_imported_grant_stands_like_any_other(project, grants, alice, browser):
    GrantFactory(project=project, application=None, starts_at=kst(2025, 1, 1), ends_at=kst(2025, 7, 1), created_at=NOW)
    page = grants()
    assert "1 Jan 2025" in page
    assert "final report" not in page  # it had ended before it came here
    assert browser(alice).get(reverse("project_list")).status_code == 200
    assert browser(alice).get(reverse("project", args=["p26001"])).status_code == 200


def test_who_manages_is_offered_changes_on_the_projects_page(project, alice, bob, browser):
    address = reverse("change_new", args=["p26001", "extension"])
    assert address in browser(alice).get(reverse("project", args=["p26001"])).content.decode()
    assert address not in browser(bob).get(reverse("project", args=["p26001"])).content.decode()


def test_a_renewal_starts_from_an_open_call(project, call, alice, bob, browser):
    client, address = browser(alice), reverse("project_renew", args=["p26001"])
    page = client.get(address).content.decode()
    assert call.title_en in page
    assert "1,000" in page
    assert browser(bob).get(address).status_code == 404
    assert "Choose a call that is open." in client.post(address, {"call": "0"}).content.decode()
    answer = client.post(address, {"call": call.pk})
    application = project.renewals.get()
    assert answer.url.startswith(reverse("application_edit", args=[application.pk]))
    assert (application.applicant, application.title_ko) == (alice, "철강 표면 결함 검출")
    assert "begun already" in client.get(address).content.decode()


@pytest.mark.parametrize(
    ("used", "granted", "covered", "words"),
    [
        (400, 1000, 0, "400 of 1,000 GPU-hours used; what was left has lapsed."),
        (1000, 1000, 0, "All 1,000 GPU-hours used."),
        (1012, 1000, 0, "1,012 GPU-hours used, 12 of them beyond the grant: the next grant in this pool bears them."),
        (1012, 1012, 12, "1,012 GPU-hours used, 12 of them beyond the grant, carried over or written off."),
    ],
)
def test_a_settled_grant_says_what_it_came_to(used, granted, covered, words):
    line = GrantLine(settled_at=NOW, settled_gpu_seconds=used * HOUR)
    found = ended_standing(line, granted * HOUR, covered * HOUR)
    assert (found.words, found.note, found.since) == ("Settled", words, NOW)


def test_a_grant_that_is_over_is_being_settled_first(project, grants, attached):
    Grant.objects.update(ends_at=NOW)
    assert "Being settled" in grants()


def test_what_somebody_stopped_in_slurm_is_said_as_that(project, grants, attached):
    Account.objects.update(state="in_force", in_force_since=NOW, parked=False)
    drift = Drift.objects.create(kind="stopped", account="p26001-h100", found_at=NOW)
    assert "Stopped by the center" in grants()
    drift.closed_at = NOW
    drift.save()
    assert "Stopped by the center" not in grants()


def test_used_up_hours_are_said_beside_the_grant(project, grants, attached):
    Account.objects.update(state="in_force", in_force_since=NOW, parked=False, exhausted_at=NOW)
    assert "The hours are used up" in grants()


def test_a_linked_account_is_left_as_it_is(project, grants, attached):
    Account.objects.update(managed=False)
    assert "works there as it did" in grants()


def test_while_nobody_stands_on_the_cluster_the_page_says_so(project, grants, attached):
    assert "Nobody can submit yet" not in grants()
    User.objects.update(cluster_username_found_at=None)
    assert "Nobody can submit yet" in grants()
