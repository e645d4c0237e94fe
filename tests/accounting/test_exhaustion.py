"""Hours that are used up: noticed by slurmctld's counter, said once, with what to do; and whose limit a job meets."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.urls import reverse

from accounting.exhaustion import note_exhaustion
from accounting.models import Counter
from allocations.models import Account, Grant, MemberCap, Membership
from portal.events.models import Event
from tests.accounting.histories import waiting
from tests.accounting.test_pages import refresh, see, slurm, words
from tests.factories import (
    HOUR,
    GrantFactory,
    MembershipFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 10, 12)


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def alice():
    return UserFactory(email="alice@postech.ac.kr", name_en="Alice Kim", cluster_username="alice", language="en")


@pytest.fixture
def project(alice):
    return ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))


@pytest.fixture
def account(project):
    """100 GPU-hours in force."""
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 3, 31))
    Account.objects.update(state=Account.State.IN_FORCE, parked=False, limit_gpu_minutes=6000)
    return Account.objects.get()


def counter(account, used, reserved=0, limit=6000):
    values = {"used_gpu_seconds": used, "reserved_gpu_seconds": reserved, "limit_gpu_minutes": limit}
    Counter.objects.update_or_create(account=account, defaults={**values, "exact": True, "read_at": AT})


def note(at=AT):
    turned = note_exhaustion(at)
    return turned, Account.objects.get().exhausted_at


def test_it_is_said_at_once_and_once(account, alice, django_capture_on_commit_callbacks):
    counter(account, 100 * HOUR - 59)
    with django_capture_on_commit_callbacks(execute=True):
        assert note() == (1, AT)
        assert note(AT + timedelta(minutes=1)) == (0, AT)
    assert Event.objects.filter(action="account.exhausted").count() == 1
    [message] = mail.outbox
    assert message.to == [alice.email]
    assert "the hours on H100 80GB are used up" in message.subject
    assert "supplement" in message.body


def test_delegates_are_told_too(account, project, django_capture_on_commit_callbacks):
    MembershipFactory(project=project, user__email="bob@postech.ac.kr", is_delegate=True)
    MembershipFactory(project=project, is_delegate=True, status=Membership.Status.REMOVED)
    MembershipFactory(project=project)
    counter(account, 100 * HOUR)
    with django_capture_on_commit_callbacks(execute=True):
        note()
    assert {message.to[0] for message in mail.outbox} == {"alice@postech.ac.kr", "bob@postech.ac.kr"}


def test_a_whole_minute_left_is_not_exhausted(account):
    counter(account, 100 * HOUR - 60)
    assert note() == (0, None)


def test_it_is_over_when_hours_come(account):
    counter(account, 100 * HOUR)
    note()
    Account.objects.update(limit_gpu_minutes=9000)
    counter(account, 100 * HOUR, limit=9000)
    assert note() == (1, None)
    assert Event.objects.filter(action="account.refilled").count() == 1


def test_each_time_is_told(account, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        for limit in (6000, 9000):
            Account.objects.update(limit_gpu_minutes=limit)
            counter(account, 100 * HOUR, limit=limit)
            note()
            counter(account, limit * 60, limit=limit)
            note()
    assert len(mail.outbox) == 2


def test_what_running_jobs_have_reserved_is_not_used_up(account):
    counter(account, 40 * HOUR, reserved=60 * HOUR)
    assert note() == (0, None)


def test_a_limit_that_slurm_has_not_heard_of_yet_is_no_exhaustion(account):
    """The grant opened a moment ago; slurmctld still has the limit from before."""
    counter(account, 40 * HOUR, limit=40 * 60)
    assert note() == (0, None)


@pytest.mark.parametrize("state", [{"state": Account.State.APPLYING}, {"parked": True}])
def test_an_account_that_is_not_open_in_slurm_is_not_judged(account, state):
    Account.objects.update(**state)
    counter(account, 100 * HOUR)
    assert note() == (0, None)


def test_with_the_grant_it_is_over_without_a_word(account):
    counter(account, 100 * HOUR)
    note()
    Grant.objects.update(ends_at=AT)
    assert note() == (0, None)
    assert not Event.objects.filter(action="account.refilled").exists()


def test_a_suspended_grant_is_not_exhausted(account):
    SuspensionFactory(grant=Grant.objects.get(), since=AT)
    counter(account, 100 * HOUR)
    assert note() == (0, None)


def test_a_grant_without_hours_has_used_up_none(account):
    """Everything was moved to another pool."""
    from tests.factories import LedgerEntryFactory

    LedgerEntryFactory(line=Grant.objects.get().lines.get(), kind="transfer", gpu_seconds=-100 * HOUR)
    Account.objects.update(limit_gpu_minutes=0)
    counter(account, 0, limit=0)
    assert note() == (0, None)


def test_nothing_to_say_takes_one_query(account, django_assert_num_queries):
    counter(account, 0)
    with django_assert_num_queries(1):
        note_exhaustion(AT)


# --- On the project's page ---


def test_the_page_says_what_it_means_and_what_to_do(account, alice, client):
    refresh(slurm())
    counter(account, 100 * HOUR)
    note()
    html = see(client, alice)
    assert "The hours on H100 80GB are used up." in words(html)
    assert "Running jobs go on to their end." in words(html)
    assert reverse("project_changes", args=["p26001"]) in html


def test_reserved_hours_are_told_from_used_ones(account, alice, client):
    found = slurm()
    found.reserved["p26001-h100"] = 100 * HOUR
    refresh(found)
    text = words(see(client, alice))
    assert "All hours left are reserved by running jobs." in text
    assert "are used up" not in text


# --- Whose limit a waiting job meets ---


@pytest.fixture
def why(account, alice, client):
    """The words beside a job of 4 GPUs for an hour that waits for AssocGrpGRESMinutes."""

    def ask(*, used=0, reserved=0, **job):
        found = slurm()
        found.waiting = [waiting(user="alice", **job)]
        found.reserved["p26001-h100"] = reserved
        refresh(found)
        Account.objects.get().project.grants.get().lines.update(charged_gpu_seconds=used)
        counter(account, used, reserved)
        return words(see(client, alice))

    return ask


def test_a_job_that_fits_meets_its_owners_own_cap(why, project, alice):
    membership = Membership.objects.get(project=project, user=alice)
    MemberCap.objects.create(
        membership=membership, pool=Account.objects.get().pool, gpu_seconds=60, set_by=alice, set_at=AT
    )
    assert "the member's own cap in the project" in why()


def test_without_a_cap_it_is_the_projects_limit(why):
    """Slurm has not looked again yet."""
    assert "the project's limit" in why()


def test_a_job_waits_for_what_others_have_reserved(why):
    assert "reserved by running jobs at present" in why(used=50 * HOUR, reserved=48 * HOUR)


def test_a_job_asks_for_more_than_is_left(why):
    assert "asks for more than the project has left" in why(used=97 * HOUR)


def test_a_job_waits_because_the_hours_are_used_up(why):
    assert "The project's hours are used up." in why(used=100 * HOUR)


def test_a_job_without_a_time_limit_gets_the_general_words(why):
    assert "the project's limit" in why(used=97 * HOUR, time_limit_minutes=None)


def test_a_job_that_waits_for_something_else_says_so(why):
    assert "It is next in turn" in why(used=97 * HOUR, reason="Resources")
