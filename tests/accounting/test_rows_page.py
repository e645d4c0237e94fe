"""Job rows that need a person, as an operator sees and decides them; and what a project is told of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from accounting.history.held import job_keep, rows_in_question
from accounting.history.store import job_accept_held, store_rows
from accounting.models import Job, SealedDifference, UnreadableJobRow, UsageDay
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from portal.events.models import Event
from portal.operations.needs import needs_operator
from portal.people.models import User
from portal.slurm.sacct import DELIMITER
from portal.slurm.types import UnreadableRow
from tests.accounting.histories import HOUR, START, job
from tests.factories import GrantFactory, ProjectFactory, UserFactory, kst

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("english")]
AT = kst(2026, 3, 10, 12)
PAGE = "/operations/rows/"


@pytest.fixture
def alice() -> User:
    return UserFactory(cluster_username="kim")


@pytest.fixture(autouse=True)
def project(alice: User):
    project = ProjectFactory(code="p26001", pi=alice, created_at=kst(2026, 3, 1))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    return project


@pytest.fixture
def oh() -> User:
    return UserFactory(roles=["operator"])


@pytest.fixture
def page(oh: User) -> Client:
    return signed_in(oh)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def held() -> Job:
    """2 hours as we have it, 1 hour as Slurm says now."""
    row = job(display_id="4711", hours=2, gpus=1)
    store_rows([row], at=AT)
    store_rows([replace(row, end=row.end - HOUR)], at=AT)
    return Job.objects.get()


def aside(text: str = "broken", reason: str = "no state") -> UnreadableJobRow:
    store_rows([UnreadableRow(text=text, reason=reason)], at=AT, source="pohang")
    return UnreadableJobRow.objects.get(text=text)


def text_of(client: Client, address: str = PAGE) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def told(client: Client, address: str, **values: str) -> str:
    return client.post(address, values, follow=True).content.decode()


# --- The lists ---


def test_all_is_said_to_be_well_where_nothing_waits(page):
    for kind, words in {
        "held": "No job is held",
        "aside": "Every row could be read",
        "runaway": "Every running job is known",
        "sealed": "Nothing came late",
    }.items():
        assert words in text_of(page, f"{PAGE}?show={kind}")
    assert not any("Job rows" in need for need in needs_operator(AT))


def test_the_first_list_with_something_in_it_is_shown(page):
    aside(f"pohang{DELIMITER}17{DELIMITER}<b>")
    found = text_of(page)
    assert "no state" in found
    assert "pohang|17|&lt;b&gt;" in found
    assert any("Job rows wait" in need for need in needs_operator(AT))
    assert "1 job row was not simply taken over" in text_of(page, "/operations/")


def test_a_job_without_an_end_comes_with_the_command_that_ends_it(page):
    store_rows([job(display_id="815", hours=None)], at=AT)
    Job.objects.update(runaway_since=AT)
    found = text_of(page, f"{PAGE}?show=runaway")
    assert "815" in found
    assert "runawayjobs" in found
    assert "cluster=pohang" in found


def test_a_long_list_has_pages_and_asks_as_often(page, django_assert_max_num_queries):
    for number in range(3):
        aside(f"broken {number}")
    with django_assert_max_num_queries(20) as short:
        text_of(page)
    for number in range(40):
        aside(f"more {number}")
    with django_assert_max_num_queries(len(short)):
        assert "page=2" in text_of(page)


# --- Unreadable rows ---


def test_a_dismissed_row_is_gone_and_stays_so_when_it_is_read_again(page, oh):
    row = aside()
    address = reverse("operations_row_dismiss", args=[row.pk])
    assert "broken" in text_of(page, address)
    assert "Dismissed" in told(page, address)
    aside()
    assert "Every row could be read" in text_of(page, f"{PAGE}?show=aside")
    row.refresh_from_db()
    assert row.dismissed_by == oh
    assert Event.objects.get(action="row.dismissed").by == oh
    assert "Somebody else was faster" in told(page, address)


def test_nobody_dismisses_a_row_of_their_own_project(alice):
    alice.role_assignments.create(role="operator")
    row = aside(DELIMITER.join(["4711", "kim", "p26001-h100"]))
    assert "own" in told(signed_in(alice), reverse("operations_row_dismiss", args=[row.pk]))
    row.refresh_from_db()
    assert row.dismissed_at is None


# --- Held jobs ---


def test_ours_stands_beside_slurms(page, held):
    found = text_of(page, reverse("operations_row_held", args=[held.pk]))
    assert "2026-03-02 12:00:00" in found
    assert "2026-03-02 11:00:00" in found
    assert "-j 4711" not in found  # Slurm's number, not what is shown
    assert f"{held.job_id}" in found


def test_slurms_figure_is_taken_over(page, held):
    address = reverse("operations_row_held", args=[held.pk])
    assert "Taken over" in told(page, address, accept="1", shown=held.held_at.isoformat())
    assert UsageDay.objects.get().gpu_seconds == 3600
    assert "It has changed meanwhile" in told(page, address, accept="1", shown=held.held_at.isoformat())


def test_ours_is_kept_with_a_reason_and_the_same_is_not_held_again(page, held, oh):
    address = reverse("operations_row_held", args=[held.pk])
    assert "This field is required" in told(page, address, keep="1", shown=held.held_at.isoformat())
    assert "Kept as it is" in told(page, address, keep="1", reason="edited by mistake", shown=held.held_at.isoformat())
    assert UsageDay.objects.get().gpu_seconds == 7200
    assert Event.objects.get(action="job.kept").data["reason"] == "edited by mistake"
    said = replace(job(db_index=int(held.db_index), display_id="4711", hours=2, gpus=1), end=held.start + HOUR)
    assert store_rows([said], at=AT).held == 0
    assert not Job.objects.held().exists()
    assert store_rows([replace(said, end=held.start + HOUR / 2)], at=AT).held == 1
    assert Job.objects.held().exists()


def test_a_decision_about_another_state_than_was_shown_is_not_taken(page, held):
    address = reverse("operations_row_held", args=[held.pk])
    for decision in ({"accept": "1"}, {"keep": "1", "reason": "x"}):
        assert "It has changed meanwhile" in told(page, address, **decision, shown=START.isoformat())
    assert Job.objects.held().exists()


def test_nobody_decides_for_their_own_project_or_without_a_reason(held, alice, oh):
    with pytest.raises(Refused, match="own"):
        job_accept_held(job=held, by=alice, at=AT)
    with pytest.raises(Refused, match="own"):
        job_keep(job=held, reason="x", by=alice, at=AT)
    with pytest.raises(Refused, match="why"):
        job_keep(job=held, reason=" ", by=oh, at=AT)
    job_keep(job=held, reason="x", by=oh, at=AT)
    with pytest.raises(LostRace):
        job_keep(job=held, reason="x", by=oh, at=AT)


def test_the_page_says_that_another_operator_has_to_decide(held, alice):
    alice.role_assignments.create(role="operator")
    address = reverse("operations_row_held", args=[held.pk])
    found = told(signed_in(alice), address, accept="1", shown=held.held_at.isoformat())
    assert "Nobody decides for a project of their own" in found


# --- Differences on sealed days ---


@pytest.fixture
def difference() -> SealedDifference:
    day = {"day": "2026-03-02", "account_name": "p26001-h100", "user_name": "kim", "gpu_kind": "h100"}
    day |= {"partition": "h100", "state": "COMPLETED", "gpu_seconds": 3600, "cpu_seconds": 0, "jobs": 1}
    return SealedDifference.objects.create(
        cluster="pohang",
        db_index=1,
        display_id="42",
        account_name="p26001-h100",
        user_name="kim",
        days=[day],
        gpu_seconds=3600,
        found_at=AT,
    )


def test_a_late_difference_is_entered_or_left(page, difference):
    address = reverse("operations_row_sealed", args=[difference.pk])
    shown = difference.found_at.isoformat()
    assert "2026-03-02" in text_of(page, address)
    assert "This field is required" in told(page, address, apply="1", shown=shown)
    assert "It has changed meanwhile" in told(page, address, apply="1", reason="x", shown=START.isoformat())
    assert "Entered on its days" in told(page, address, apply="1", reason="mended", shown=shown)
    assert UsageDay.objects.get().gpu_seconds == 3600
    assert "It has changed meanwhile" in told(page, address, dismiss="1", reason="x", shown=shown)


def test_a_late_difference_may_be_left(page, difference):
    address = reverse("operations_row_sealed", args=[difference.pk])
    assert "Left as it is" in told(page, address, dismiss="1", reason="x", shown=difference.found_at.isoformat())
    assert not UsageDay.objects.exists()


# --- What a project is told ---


def test_a_project_hears_of_its_own_rows_in_question(held, alice):
    aside(DELIMITER.join(("pohang", "1", "p26001-h100", "x")))
    aside("pohang|2|p26001-h100|y")
    aside(DELIMITER.join(("pohang", "3", "p26001-h1000", "z")))
    assert rows_in_question(["p26001-h100"]) == 3
    assert rows_in_question([]) == 0
    assert "3 jobs are being clarified by the center" in text_of(signed_in(alice), "/projects/p26001/")
