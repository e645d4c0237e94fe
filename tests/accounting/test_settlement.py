"""When a grant that is over comes to rest, and what becomes of what was used beyond it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse

from accounting import live_queue
from accounting.history.ingest import ingest
from accounting.history.store import job_accept_held
from accounting.models import IngestMark, Job, QueueJob
from accounting.settlement import MARGIN, settle
from allocations.budget import FLOORING_GPU_SECONDS
from allocations.models import Account, Grant, GrantLine, LedgerEntry, Overrun
from allocations.provisioning.desired import desired_leaves
from allocations.services import Refused
from allocations.services.overruns import (
    line_settle,
    overrun_carry,
    overrun_write_off,
    overruns_to_carry,
)
from allocations.workflow import LostRace
from portal.events.models import Event
from tests.accounting.histories import gateway, job, waiting
from tests.factories import (
    HOUR,
    GrantFactory,
    PoolFactory,
    ProjectFactory,
    SuspensionFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db
END = kst(2026, 4, 1)
LATER = END + timedelta(hours=3)
KIND = LedgerEntry.Kind


@pytest.fixture
def project():
    return ProjectFactory(code="p26001", created_at=kst(2026, 2, 25))


@pytest.fixture
def grant(project):
    """100 GPU-hours in March."""
    return GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=END)


@pytest.fixture
def oh():
    return UserFactory(roles=["operator"])


@pytest.fixture(autouse=True)
def english(client):
    client.cookies["django_language"] = "en"


def read(*rows, at=LATER, running=()):
    """What the worker does: history and queue, as Slurm has them at the moment."""
    with time_machine.travel(at, tick=False):
        slurm = gateway(*rows)
        slurm.running = list(running)
        while not ingest(slurm, at=at).caught_up:
            pass
        live_queue.store(slurm, at=at)


def limit(at):
    """GPU-minutes of the one leaf."""
    [leaf] = desired_leaves(at=at)
    return leaf.budget.gpu_minutes


def line_of(grant):
    return GrantLine.objects.get(grant=grant)


def overrun_of(grant, *rows, hours, at=LATER):
    """The grant settled with so many GPU-hours used."""
    read(*rows, job(start=kst(2026, 3, 2), hours=hours, gpus=1), at=at)
    assert settle(at) == 1
    return Overrun.objects.filter(line__grant=grant).first()


# --- At rest ---


def test_a_grant_that_is_over_is_settled_with_what_was_charged(grant):
    read(job(start=kst(2026, 3, 2), hours=30, gpus=1))
    assert settle(LATER) == 1
    line = line_of(grant)
    assert (line.settled_at, line.settled_gpu_seconds) == (LATER, 30 * HOUR)
    assert not Overrun.objects.exists()
    assert Event.objects.get(action="line.settled").data == {"pool": "h100", "used": "30", "granted": "100"}


def test_settling_again_changes_nothing(grant):
    read()
    assert (settle(LATER), settle(LATER)) == (1, 0)
    with pytest.raises(LostRace):
        line_settle(line=line_of(grant), at=LATER)


def test_an_open_grant_is_not_settled(grant):
    read(at=END - timedelta(hours=1))
    assert settle(END - timedelta(hours=1)) == 0
    with pytest.raises(Refused):
        line_settle(line=line_of(grant), at=END - timedelta(hours=1))


def test_a_job_that_began_before_the_end_holds_it_up_until_it_has_ended(grant):
    tail = {"start": END - timedelta(hours=1), "gpus": 1, "db_index": 77}
    read(job(hours=None, **tail))
    assert settle(LATER) == 0
    read(job(hours=5, **tail), at=END + timedelta(hours=4, minutes=30))
    assert settle(END + timedelta(hours=4, minutes=30)) == 0, "it ended a moment ago: its row may still change"
    read(job(hours=5, **tail), at=END + timedelta(hours=6))
    assert settle(END + timedelta(hours=6)) == 1
    assert line_of(grant).settled_gpu_seconds == 5 * HOUR


def test_a_job_of_the_queue_without_a_row_yet_holds_it_up(grant):
    """slurmdbd was away when it began."""
    entry = waiting(state="RUNNING", submit=END - timedelta(hours=2), start=END - timedelta(hours=1))
    read(running=[entry])
    assert settle(LATER) == 0
    read()
    assert settle(LATER) == 1


def test_what_waits_or_began_after_the_end_holds_nothing_up(grant, project):
    GrantFactory(project=project, hours=100, starts_at=END, ends_at=kst(2026, 9, 1))
    after = waiting(state="RUNNING", submit=END - timedelta(hours=2), start=END + timedelta(minutes=5))
    read(job(start=END + timedelta(minutes=5), hours=None, gpus=1), running=[after, waiting(submit=kst(2026, 3, 20))])
    assert QueueJob.objects.count() == 2
    assert settle(LATER) == 1


def test_history_must_have_been_read_beyond_the_end(grant):
    assert settle(LATER) == 0, "nothing has been read yet"
    read(at=END + MARGIN - timedelta(minutes=1))
    assert settle(LATER) == 0
    read(at=END + MARGIN)
    assert settle(LATER) == 1


def test_a_queue_that_was_not_read_settles_nothing(grant):
    read()
    IngestMark.objects.update(queue_read_at=None)
    assert settle(LATER) == 0


def test_a_grant_that_ended_while_suspended_is_settled(grant):
    SuspensionFactory(grant=grant, since=kst(2026, 3, 10))
    read(job(start=kst(2026, 3, 9), hours=30, gpus=1))
    assert settle(LATER) == 1
    assert line_of(grant).settled_gpu_seconds == 30 * HOUR


def test_one_line_that_cannot_be_settled_keeps_no_other_from_it(grant, monkeypatch):
    GrantFactory(project=ProjectFactory(code="p26002"), hours=10, starts_at=kst(2026, 3, 1), ends_at=END)
    read()

    def fails_on_the_first(*, line, at):
        if line.grant_id == grant.pk:
            raise RuntimeError
        line_settle(line=line, at=at)

    monkeypatch.setattr("accounting.settlement.line_settle", fails_on_the_first)
    assert settle(LATER) == 1


def test_one_overrun_that_cannot_be_carried_keeps_no_other_from_it(grant, project, monkeypatch):
    """Nor from being tried again."""
    first = overrun_of(grant, hours=110)
    other = ProjectFactory(code="p26002")
    ended = GrantFactory(project=other, hours=10, starts_at=kst(2026, 3, 1), ends_at=END)
    second = Overrun.objects.create(line=line_of(ended), gpu_seconds=HOUR, found_at=LATER)
    for of in (project, other):
        GrantFactory(project=of, hours=50, starts_at=kst(2026, 5, 1), ends_at=kst(2026, 9, 1))

    def fails_on_the_first(*, overrun, to, at):
        if overrun.pk == first.pk:
            raise RuntimeError
        overrun_carry(overrun=overrun, to=to, at=at)

    with monkeypatch.context() as patched:
        patched.setattr("accounting.settlement.overrun_carry", fails_on_the_first)
        settle(LATER)
    assert set(Overrun.objects.filter(closed_at=None)) == {first}
    second.refresh_from_db()
    assert second.carried_to.grant.project == other
    settle(LATER)
    assert not Overrun.objects.filter(closed_at=None).exists()


def test_a_correction_after_the_settlement_changes_the_charge_alone(grant, oh):
    read(job(start=kst(2026, 3, 25), hours=110, gpus=1, db_index=77))
    settle(LATER)
    read(job(start=kst(2026, 3, 25), hours=90, gpus=1, db_index=77), at=LATER + timedelta(days=1))
    job_accept_held(job=Job.objects.get(), by=oh, at=LATER)
    line = line_of(grant)
    assert (line.charged_gpu_seconds, line.settled_gpu_seconds) == (90 * HOUR, 110 * HOUR)
    assert (settle(LATER), Overrun.objects.get().gpu_seconds) == (0, 10 * HOUR)
    assert limit(LATER) == 90 * 60


def test_an_extension_granted_after_the_end_opens_the_line_again(grant):
    overrun_of(grant, hours=110)
    Grant.objects.update(ends_at=kst(2026, 5, 1))
    assert settle(LATER) == 0
    line = line_of(grant)
    assert (line.settled_at, line.settled_gpu_seconds) == (None, None)
    assert not Overrun.objects.exists()
    assert limit(LATER) == 100 * 60
    read(at=kst(2026, 5, 2))
    assert settle(kst(2026, 5, 2)) == 1
    assert Overrun.objects.get().gpu_seconds == 10 * HOUR


# --- Overruns ---


def test_what_went_beyond_the_grant_is_an_overrun_with_a_name(grant):
    overrun = overrun_of(grant, hours=110)
    assert (overrun.gpu_seconds, overrun.closed_at) == (10 * HOUR, None)
    assert Event.objects.get(action="overrun.found").data == {"pool": "h100", "gpu_hours": "10"}


@pytest.mark.parametrize(("beyond", "found"), [(FLOORING_GPU_SECONDS - 1, False), (FLOORING_GPU_SECONDS, True)])
def test_what_slurm_floors_is_nobodys_overrun(grant, beyond, found):
    overrun_of(grant, hours=100 + beyond / 3600)
    assert Overrun.objects.exists() is found
    assert line_of(grant).settled_gpu_seconds == 100 * HOUR + beyond


def test_an_overrun_is_taken_off_the_next_grant_once_there_is_one(grant, project):
    overrun = overrun_of(grant, hours=110)
    assert limit(LATER) == 110 * 60
    following = GrantFactory(project=project, hours=50, starts_at=kst(2026, 5, 1), ends_at=kst(2026, 9, 1))
    settle(LATER + timedelta(minutes=1))
    overrun.refresh_from_db()
    assert overrun.carried_to == line_of(following)
    entries = LedgerEntry.objects.filter(kind=KIND.OVERRUN).order_by("pk")
    assert [(entry.line.grant, entry.gpu_seconds, entry.by) for entry in entries] == [
        (grant, 10 * HOUR, None),
        (following, -10 * HOUR, None),
    ]
    assert limit(LATER) == 110 * 60, "carrying refills nothing"
    assert limit(kst(2026, 5, 2)) == (110 + 40) * 60, "50 hours, of which the overrun took 10"


def test_it_is_carried_once(grant, project):
    GrantFactory(project=project, hours=50, starts_at=kst(2026, 5, 1), ends_at=kst(2026, 9, 1))
    overrun = overrun_of(grant, hours=110)
    assert overrun.closed_at == LATER
    assert not overruns_to_carry(LATER)
    with pytest.raises(LostRace):
        overrun_carry(overrun=overrun, to=overrun.carried_to, at=LATER)
    assert LedgerEntry.objects.filter(kind=KIND.OVERRUN).count() == 2


def test_it_is_carried_within_its_pool_and_project_only(grant, project):
    overrun = overrun_of(grant, hours=110)
    others = [
        GrantFactory(project=project, hours=50, hours__pool=PoolFactory(code="a100"), starts_at=kst(2026, 4, 2)),
        GrantFactory(project=ProjectFactory(), hours=50, starts_at=kst(2026, 4, 2)),
    ]
    assert not overruns_to_carry(LATER)
    for other in [*others, grant]:
        with pytest.raises(Refused):
            overrun_carry(overrun=overrun, to=line_of(other), at=LATER)


def test_an_overrun_larger_than_the_next_grant_goes_on_to_the_one_after(grant, project):
    small = GrantFactory(project=project, hours=4, starts_at=END, ends_at=kst(2026, 5, 1))
    overrun_of(grant, hours=110)
    assert limit(kst(2026, 4, 2)) == (110 + 4 - 10) * 60, "below what is used: nothing starts"
    read(at=kst(2026, 5, 2))
    settle(kst(2026, 5, 2))
    second = Overrun.objects.get(line__grant=small)
    assert second.gpu_seconds == 6 * HOUR
    GrantFactory(project=project, hours=20, starts_at=kst(2026, 6, 1), ends_at=kst(2026, 9, 1))
    settle(kst(2026, 5, 3))
    assert limit(kst(2026, 6, 2)) == (110 + 20 - 6) * 60


def test_a_written_off_overrun_costs_no_later_grant(grant, project, oh):
    overrun = overrun_of(grant, hours=110)
    before = limit(LATER)
    overrun_write_off(overrun=overrun, reason="노드 장애 중 사용", by=oh, at=LATER)
    assert limit(LATER) == before, "writing off refills nothing"
    GrantFactory(project=project, hours=50, starts_at=kst(2026, 5, 1), ends_at=kst(2026, 9, 1))
    assert not overruns_to_carry(LATER)
    assert limit(kst(2026, 5, 2)) == (110 + 50) * 60
    entry = LedgerEntry.objects.get(kind=KIND.WRITE_OFF)
    assert (entry.line.grant, entry.gpu_seconds, entry.by) == (grant, 10 * HOUR, oh)


def test_what_was_written_off_does_not_come_back_with_use_of_other_lines(grant, project, oh):
    """The grant was used up; while another was suspended it was overrun. What covers that draws nothing from there."""
    other = GrantFactory(project=project, hours=50, starts_at=kst(2026, 3, 6), ends_at=kst(2026, 9, 1))
    SuspensionFactory(grant=other, since=kst(2026, 3, 20), until=kst(2026, 3, 25))
    rows = [
        job(start=kst(2026, 3, 1), hours=100, gpus=1),
        job(start=kst(2026, 3, 8), hours=30, gpus=1),
        job(start=kst(2026, 3, 20), hours=10, gpus=1),
    ]
    read(*rows)
    assert [line_of(row).charged_gpu_seconds // HOUR for row in (grant, other)] == [110, 30]
    settle(LATER)  # carried to the other at once
    read(*rows, at=LATER + timedelta(hours=1))
    assert [line_of(row).charged_gpu_seconds // HOUR for row in (grant, other)] == [110, 30]
    assert [line_of(row).granted_gpu_seconds // HOUR for row in (grant, other)] == [110, 40]


# --- Writing off: the operator's page ---


def test_writing_off_needs_a_reason_and_happens_once(grant, oh):
    overrun = overrun_of(grant, hours=110)
    with pytest.raises(Refused):
        overrun_write_off(overrun=overrun, reason=" ", by=oh, at=LATER)
    overrun_write_off(overrun=overrun, reason="장애", by=oh, at=LATER)
    with pytest.raises(LostRace):
        overrun_write_off(overrun=overrun, reason="장애", by=oh, at=LATER)


def test_nobody_writes_off_for_their_own_project_or_institution(grant, project):
    overrun = overrun_of(grant, hours=110)
    colleague = UserFactory(roles=["operator"], institution=project.institution)
    for person in (project.pi, colleague):
        with pytest.raises(Refused):
            overrun_write_off(overrun=overrun, reason="장애", by=person, at=LATER)


def test_the_page_lists_overruns_and_writes_one_off(grant, oh, client):
    overrun = overrun_of(grant, hours=110)
    client.force_login(oh)
    address = reverse("operations_write_off", args=[overrun.pk])
    listed = client.get(reverse("operations_overruns")).content.decode()
    assert address in listed and "p26001" in listed
    assert "Write this overrun off?" in client.get(address).content.decode()
    assert client.post(address, {"reason": ""}).status_code == 200
    assert client.post(address, {"reason": "장애"}).status_code == 302
    listed = client.get(reverse("operations_overruns")).content.decode()
    assert address not in listed and "장애" in listed and "Written off by" in listed
    assert "meanwhile" in client.post(address, {"reason": "또"}, follow=True).content.decode()


def test_who_has_a_stake_is_told_so_and_asked_nothing(grant, project, client):
    overrun = overrun_of(grant, hours=110)
    client.force_login(UserFactory(roles=["operator"], institution=project.institution))
    shown = client.get(reverse("operations_write_off", args=[overrun.pk])).content.decode()
    assert "somebody else has to decide" in shown and "<textarea" not in shown


def test_a_grant_over_for_days_and_not_settled_is_shown(grant, oh, client):
    client.force_login(oh)
    Account.objects.update(name="p26001-h100")
    with time_machine.travel(END + timedelta(days=2), tick=False):
        assert "not settled" not in client.get(reverse("operations_overruns")).content.decode()
    with time_machine.travel(END + timedelta(days=4), tick=False):
        assert "Over for days and not settled" in client.get(reverse("operations_overruns")).content.decode()


@pytest.mark.parametrize(
    ("roles", "status"), [([], 403), (["decider"], 403), (["reviewer"], 403), (["observer"], 403), (["operator"], 200)]
)
def test_who_may_see_the_pages_of_overruns(grant, client, roles, status):
    overrun = overrun_of(grant, hours=110)
    client.force_login(UserFactory(roles=roles))
    assert client.get(reverse("operations_overruns")).status_code == status
    assert client.get(reverse("operations_write_off", args=[overrun.pk])).status_code == status


def test_settling_takes_few_queries_when_there_is_nothing_to_do(grant, django_assert_max_num_queries):
    read()
    settle(LATER)
    with django_assert_max_num_queries(5):
        settle(LATER)
