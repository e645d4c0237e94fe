"""A project's grants with how far Slurm has followed, its members, and the lines to submit with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from allocations.models import Account, Cluster
from allocations.selectors.projects import project_frame
from tests.factories import NOW, GrantFactory, PoolFactory, UserFactory, kst


@pytest.fixture
def attached(db):
    cluster = Cluster.current()
    cluster.heartbeat_at, cluster.writing_enabled = NOW, True
    cluster.save()
    return cluster


@pytest.fixture
def grants(project, alice, browser):
    return lambda: browser(alice).get(reverse("project_grants", args=["p26001"])).content.decode()


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
    project.grants.update(suspended_at=NOW, suspended_reason="Under inquiry")
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
    assert "no cluster user name" not in grants()
    alice.cluster_username = None
    alice.save()
    assert "no cluster user name" in grants()
    operator = UserFactory(cluster_username=None, roles=["operator"])
    assert not project_frame(project, operator, NOW)["needs_username"]


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
