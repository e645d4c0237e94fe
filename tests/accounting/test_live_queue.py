"""The queue and the counters, as the worker last saw them; pages hear only of what changed."""

from dataclasses import replace

import pytest

from accounting import live_queue
from accounting.models import Counter, IngestMark, QueueJob
from portal.slurm.errors import SlurmUnavailable
from portal.slurm.types import CreateAccount
from tests.accounting.histories import HOUR, gateway, waiting
from tests.factories import GrantFactory, ProjectFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 3, 2, 12)


@pytest.fixture
def slurm():
    for code in ("p26001", "p26002"):
        GrantFactory(project=ProjectFactory(code=code))
    slurm = gateway()
    slurm.execute(CreateAccount("paic", "root"))
    for code in ("p26001", "p26002"):
        slurm.execute(CreateAccount(code, "paic"))
        slurm.execute(CreateAccount(f"{code}-h100", code, gpu_minutes=600))
    live_queue.store(slurm, at=AT)
    return slurm


def test_our_jobs_are_kept_and_others_are_not(slurm):
    slurm.waiting = [waiting(), waiting(account="physics")]
    report = live_queue.store(slurm, at=AT)
    assert (report.jobs, report.changed_projects) == (1, {"p26001"})
    job = QueueJob.objects.get()
    assert (job.account.name, job.reason, job.running) == ("p26001-h100", "AssocGrpGRESMinutes", False)
    assert IngestMark.current().queue_read_at == AT


def test_seeing_the_same_again_is_no_news(slurm):
    slurm.waiting = [waiting()]
    live_queue.store(slurm, at=AT)
    assert live_queue.store(slurm, at=AT + HOUR).changed_projects == frozenset()


def test_a_job_that_starts_or_goes_is_news(slurm):
    entry = waiting()
    slurm.waiting = [entry]
    live_queue.store(slurm, at=AT)
    slurm.waiting = [replace(entry, state="RUNNING", reason="None", start=AT)]
    assert live_queue.store(slurm, at=AT).changed_projects == {"p26001"}
    assert QueueJob.objects.get().running
    slurm.waiting = []
    assert live_queue.store(slurm, at=AT).changed_projects == {"p26001"}
    assert not QueueJob.objects.exists()


def test_running_jobs_come_first(slurm):
    slurm.waiting = [
        waiting(display_id="1"),
        waiting(display_id="2", state="RUNNING", start=AT),
        waiting(display_id="3"),
    ]
    live_queue.store(slurm, at=AT)
    assert next(job.display_id for job in QueueJob.objects.all()) == "2"


def test_counters_are_kept_and_a_move_of_one_is_news(slurm):
    slurm.reserved["p26002-h100"] = 7200
    report = live_queue.store(slurm, at=AT + HOUR)
    assert report.changed_projects == {"p26002"}
    counter = Counter.objects.get(account__name="p26002-h100")
    assert (counter.limit_gpu_minutes, counter.reserved_gpu_seconds, counter.read_at) == (600, 7200, AT + HOUR)
    assert counter.startable_gpu_seconds == 600 * 60 - 7200
    assert Counter.objects.count() == 2  # project and root accounts have none of their own


def test_nothing_is_forgotten_while_slurm_does_not_answer(slurm):
    slurm.waiting = [waiting()]
    live_queue.store(slurm, at=AT)
    slurm.broken = SlurmUnavailable("squeue did not end in time")
    with pytest.raises(SlurmUnavailable):
        live_queue.store(slurm, at=AT + HOUR)
    assert QueueJob.objects.count() == 1
