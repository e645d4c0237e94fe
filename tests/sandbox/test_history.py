"""A written history is what sacct and sreport say, to the second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from portal.slurm.sandbox import HistoryJob, Sandbox, SandboxError
from tests.sandbox.conftest import MakeSandbox
from tests.slurm_cluster import add_account, unique_name

pytestmark = pytest.mark.slurm

# Two whole days that are over; the jobs begin in the first and some end in the second.
START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(days=2)


def at(hour: int, minute: int = 0, second: int = 0) -> datetime:
    return START + timedelta(hours=hour, minutes=minute, seconds=second)


def history(account: str, users: tuple[str, str], first_id: int) -> Iterator[HistoryJob]:
    """One of each shape that has ever made a sum wrong."""
    one, other = users
    yield HistoryJob(first_id, account, one, at(1), at(1, 0, 7), at(2, 59, 59), gpus=3)
    yield HistoryJob(first_id + 1, account, one, at(22), at(23), at(25), gpus=4, state="TIMEOUT")
    yield HistoryJob(first_id + 2, account, other, at(3), at(3), at(3, 0, 40), gpus=6, suspended=20)
    # Requeued: two rows of one job.
    yield HistoryJob(first_id + 3, account, other, at(4), at(4, 1), at(4, 30), gpus=2, state="REQUEUED")
    yield HistoryJob(first_id + 3, account, other, at(4, 30), at(4, 33), at(5), gpus=2, state="NODE_FAIL")
    yield HistoryJob(first_id + 5, account, one, at(6), at(6), at(7), array=(first_id + 4, 1))
    yield HistoryJob(
        first_id + 4, account, one, at(6), at(6), at(7), array=(first_id + 4, 2), state="FAILED", exit_code=3
    )
    yield HistoryJob(first_id + 6, account, one, at(8), None, at(9), state="CANCELLED")
    yield HistoryJob(first_id + 7, account, one, at(8), at(8), at(9), gpus=0, cpus=16, name="가속기 |\t\\ 시험")
    yield HistoryJob(first_id + 8, account, other, at(40), at(47), None, gpus=1, state="RUNNING")


def truth(jobs: list[HistoryJob], start: datetime, end: datetime) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for job in jobs:
        if job.start:
            lasted = min(job.end or end, end) - max(job.start, start)
            sums[job.account, job.user] += max(0, int(lasted.total_seconds())) * job.gpus
    return {key: seconds for key, seconds in sums.items() if seconds}


def check_history(sandbox: Sandbox, first_id: int) -> None:
    account, users = unique_name("p"), (unique_name("u"), unique_name("u"))
    add_account(sandbox, account, *users)
    jobs = list(history(account, users, first_id))
    assert sandbox.write_history(jobs) == len(jobs)
    sandbox.rollup(START, END)
    for start, end in [(START, END), (at(1), at(24)), (at(24), at(25)), (at(3), at(4))]:
        reported = {key: value for key, value in sandbox.sreport(start, end).items() if key[0] == account}
        assert reported == truth(jobs, start, end)
    assert sacct_rows(sandbox, account) == sorted(expected_row(job) for job in jobs)


def sacct_rows(sandbox: Sandbox, account: str) -> list[tuple[str, ...]]:
    fields = "JobIDRaw,JobID,User,Partition,QOS,State,Submit,Start,End,Suspended,ExitCode,AllocTRES"
    span = ["-S", f"uts{int(START.timestamp())}", "-E", f"uts{int(END.timestamp())}"]
    argv = ["sacct", "-a", "-X", "-D", "-n", "-P", "-A", account, *span, "-o", fields]
    said = sandbox.run(argv, env={"TZ": "UTC", "SLURM_TIME_FORMAT": "%s"}).stdout
    rows = []
    for line in said.splitlines():
        *values, tres = line.split("|")
        gpus = dict(part.split("=") for part in tres.split(",") if part).get("gres/gpu", "")
        rows.append((*values, gpus))
    return sorted(rows)


def expected_row(job: HistoryJob) -> tuple[str, ...]:
    shown_id = "{}_{}".format(*job.array) if job.array else str(job.job_id)
    state = "CANCELLED by 0" if job.state == "CANCELLED" else job.state
    start = str(int(job.start.timestamp())) if job.start else "None"
    end = str(int(job.end.timestamp())) if job.end else "Unknown"
    suspended = f"00:00:{job.suspended:02}"
    gpus = str(job.gpus) if job.start and job.gpus else ""
    return (
        str(job.job_id), shown_id, job.user, job.partition, job.qos, state, str(int(job.submit.timestamp())),
        start, end, suspended, f"{job.exit_code}:0", gpus,
    )  # fmt: skip


def test_sacct_and_sreport_say_what_was_written(cluster: Sandbox) -> None:
    check_history(cluster, first_id=5_000_000)


def test_row_keys_are_as_large_as_slurms_own(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user)
    cluster.write_history([HistoryJob(5_100_000, account, user, at(1), at(1), at(2))])
    said = cluster.run(["sacct", "-n", "-P", "-X", "-A", account, "-S", "2026-03-01", "-o", "DBIndex"]).stdout
    assert int(said) > 2**63


def test_many_jobs_are_written_at_once(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user)
    jobs = [
        HistoryJob(6_000_000 + n, account, user, at(n % 40), at(n % 40, 1), at(n % 40, 1, n % 60)) for n in range(5000)
    ]
    assert cluster.write_history(iter(jobs)) == 5000
    cluster.rollup(START, END)
    assert cluster.sreport(START, END)[account, user] == truth(jobs, START, END)[account, user]


def test_a_history_that_does_not_fit_is_refused_whole(cluster: Sandbox) -> None:
    account, user = unique_name("p"), unique_name("u")
    add_account(cluster, account, user)
    good = HistoryJob(5_200_000, account, user, at(1), at(1), at(2))
    nobody = HistoryJob(5_200_001, account, "nobody-known", at(1), at(1), at(2))
    with pytest.raises(SandboxError, match="nobody-known"):
        cluster.write_history([good, nobody])
    assert sacct_rows(cluster, account) == []
    cluster.write_history([good])
    with pytest.raises(SandboxError, match="Duplicate entry"):
        cluster.write_history([HistoryJob(5_200_002, account, user, at(1), at(1), at(2)), good])
    assert sacct_rows(cluster, account) == [expected_row(good)]


def test_a_roll_up_that_did_not_happen_is_not_believed(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox()
    sandbox.up()
    sandbox.run(["sh", "-c", "kill $(cat /run/slurmdbd/slurmdbd.pid)"])
    with pytest.raises(SandboxError, match="slurmdbd did not sum up"):
        sandbox.rollup(START, END)


def test_trixie_is_slurm_24_11_with_the_same_history(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox("trixie")
    sandbox.up()
    status = sandbox.status()
    assert status.slurm is not None
    assert status.slurm.startswith("24.11")
    assert status.pyslurm is None
    assert status.pyslurm_reason == "pyslurm has no version for the Slurm of Debian trixie."
    assert len(status.nodes) == 2
    check_history(sandbox, first_id=5_000_000)
