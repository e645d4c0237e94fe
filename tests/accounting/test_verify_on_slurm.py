"""Every known cause of a difference, produced on purpose in a real slurmdbd, is named; and what only took its time is
equal again once it is read and summed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.utils import timezone

from accounting.history.ingest import ingest
from accounting.models import IngestMark, Job
from accounting.verification.verify import Row, compare
from allocations.models import Project
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import HistoryJob, Sandbox
from tests.factories import GrantFactory, ProjectFactory, kst
from tests.slurm_cluster import add_account, start_daemon, stop_daemon, unique_name, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.django_db]

# A day on which no other test has jobs.
START, END = kst(2025, 8, 4, 9), kst(2025, 8, 4, 19)
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
job_ids = count(7_000_000)


@pytest.fixture
def gateway(cluster: Sandbox) -> CommandsGateway:
    return CommandsGateway("pohang", "paic", cluster.prefix)


@pytest.fixture
def account(cluster: Sandbox) -> str:
    project = ProjectFactory(code=unique_name("p"), created_at=START)
    GrantFactory(project=project, hours=10_000, starts_at=START, ends_at=kst(2026, 9, 1))
    name = project.accounts.get().name
    add_account(cluster, name, "kim", "lee")
    return name


def sql(cluster: Sandbox, statement: str) -> str:
    return cluster.run(["mariadb", "--batch", "--skip-column-names", "slurm_acct_db", "-e", statement]).stdout


def change(cluster: Sandbox, job: HistoryJob, what: str) -> None:
    sql(cluster, f"UPDATE pohang_job_table SET {what} WHERE id_job = {job.job_id}")


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def reserve(cluster: Sandbox, number: int, name: str, start: datetime, minutes: int, associations: str) -> None:
    """As slurmctld notes a reservation of four GPUs, for so many minutes."""
    times = f"{epoch(start)}, {epoch(start + minutes * MINUTE)}"
    columns = "id_resv, deleted, assoclist, flags, nodelist, node_inx, resv_name, time_start, time_end, tres"
    gpu = sql(cluster, "SELECT id FROM tres_table WHERE type = 'gres' AND name = 'gpu'").strip()
    values = f"{number}, 0, '{associations}', 0, 'h1', '0', '{name}', {times}, '{gpu}=4,1=64'"
    sql(cluster, f"INSERT INTO pohang_resv_table ({columns}) VALUES ({values})")


def association(cluster: Sandbox, account: str, user: str) -> str:
    where = f"acct = '{account}' AND user = '{user}'"
    return sql(cluster, f"SELECT id_assoc FROM pohang_assoc_table WHERE {where}").strip()


def found(gateway: CommandsGateway, account: str) -> dict[str, Row]:
    """By person, whoever differs in the account."""
    rows = compare(gateway, start=START, end=END, at=END)
    return {row.user: row for row in rows if row.account == account and row.gaps}


def causes(row: Row) -> dict[tuple[str, str], int]:
    return {(cause.kind.value, cause.what): cause.gpu_seconds for cause in row.causes}


def test_each_known_cause_is_named_with_its_seconds(cluster, gateway, account):
    def job(hour: int, minutes: int, gpus: int, user: str = "kim", **changes: object) -> HistoryJob:
        start = START + hour * HOUR
        values = {"end": start + minutes * MINUTE, "gpus": gpus, "job_id": next(job_ids), **changes}
        return HistoryJob(account=account, user=user, submit=start, start=start, **values)  # type: ignore[arg-type]

    inside = job(0, 10, 2)
    corrected, gone, held, aside, runaway = (
        job(1, 10, 1), job(2, 20, 1), job(3, 30, 1), job(4, 40, 1), job(5, 0, 1, user="lee", end=None, state="RUNNING"),
    )  # fmt: skip
    # Slurm never clears what it once summed up of an hour in which nothing is left: so others stand beside two of them.
    cluster.write_history([inside, corrected, gone, job(2, 5, 1), held, runaway, job(6, 5, 1, user="lee")])
    people = f"{association(cluster, account, 'kim')},{association(cluster, account, 'lee')}"
    reserve(cluster, 901, f"r-{account}", START, 50, people)
    reserve(cluster, 902, "whole", START + 7 * HOUR, 50, association(cluster, account, ""))
    change(cluster, inside, "id_resv = 901")
    cluster.rollup(START, END)
    ingest(gateway, at=END)

    # Idle: 50 minutes less the 10 of the job inside, of all four GPUs, for two people; for an account, nobody's.
    idle = {("reservation", f"r-{account}"): -40 * 60 * 4 // 2}
    rows = found(gateway, account)
    assert {user: causes(row) for user, row in rows.items()} == {"kim": idle, "lee": idle}
    assert not any(row.unexplained for row in rows.values())

    # Rows change at Slurm: some are summed up anew, one is not; the portal reads one of them.
    change(cluster, corrected, f"time_end = {epoch(corrected.end + 5 * MINUTE)}")
    ingest(gateway, at=END + SECOND, since=START)
    change(cluster, held, f"time_end = {epoch(held.end - 7 * MINUTE)}")
    sql(cluster, f"DELETE FROM pohang_job_table WHERE id_job = {gone.job_id}")
    cluster.write_history([aside])
    change(cluster, aside, "time_submit = 0")
    Job.objects.filter(job_id=runaway.job_id).update(runaway_since=END)
    change(cluster, runaway, f"time_end = {epoch(START + 6 * HOUR)}, state = 3")
    cluster.rollup(START + 2 * HOUR, END)

    rows = found(gateway, account)
    assert causes(rows["kim"]) == idle | {
        ("late", str(corrected.job_id)): 300,
        ("gone", str(gone.job_id)): 1200,
        ("unread", str(held.job_id)): 420,
        ("unread", str(aside.job_id)): -2400,
    }
    assert causes(rows["lee"]) == idle | {("runaway", str(runaway.job_id)): 3600}
    assert not any(row.unexplained for row in rows.values())

    # Summed up anew and read again: what waits for a person is left, and what Slurm does not clear.
    cluster.rollup(START, END)
    ingest(gateway, at=END + MINUTE, since=START)
    rows = found(gateway, account)
    assert {kind for kind, _ in causes(rows["kim"])} == {"reservation", "held", "gone", "unread"}
    assert causes(rows["lee"]) == idle | {("late", str(runaway.job_id)): -3 * 3600}
    assert not any(row.unexplained for row in rows.values())

    # One second that nothing accounts for.
    whose = f"id = {association(cluster, account, 'lee')} AND time_start = {epoch(START)}"
    gpus = "id_tres = (SELECT id FROM tres_table WHERE type = 'gres' AND name = 'gpu')"
    sql(cluster, f"UPDATE pohang_assoc_usage_hour_table SET alloc_secs = alloc_secs + 1 WHERE {whose} AND {gpus}")
    assert found(gateway, account)["lee"].unexplained == 1


def test_fifty_jobs_that_ended_while_slurmdbd_was_down_arrive_and_are_equal(cluster, gateway, account):
    cluster.run(["sacctmgr", "-i", "add", "account", "paic"], check=False)
    Project.objects.update(created_at=timezone.now())
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    ends = began + 2 * HOUR
    words = [f"--account={account}", "--array=1-50", "--gpus=1", "--cpus-per-task=1", "--time=5"]
    cluster.submit("kim", *words, script="#!/bin/sh\nsleep 0.2\n")
    wait_for("the first jobs", lambda: any(job.state == "RUNNING" for job in of(gateway, account)))
    rolled = ", ".join([str(epoch(began))] * 3)
    # Slurm has summed up all until now, as it would have; else it starts with the years of other tests' jobs.
    sql(cluster, f"DELETE FROM pohang_last_ran_table; INSERT INTO pohang_last_ran_table VALUES ({rolled})")
    stop_daemon(cluster, "slurmdbd")
    wait_for("the end of all jobs", lambda: not of(gateway, account), seconds=120)
    start_daemon(cluster, "slurmdbd")

    def arrived() -> bool:
        ingest(gateway, at=timezone.now())
        return Job.objects.filter(account=account, final=True).count() == 50

    wait_for("the rows of fifty jobs", arrived)
    cluster.rollup(began, ends)
    IngestMark.objects.update(read_until=ends)
    (row,) = [row for row in compare(gateway, start=began, end=ends, at=ends) if row.account == account]
    assert (row.gaps, row.difference) == ([], 0)
    assert row.ours > 0


def of(gateway: CommandsGateway, account: str) -> list[object]:
    return [job for job in gateway.queue() if job.account == account]
