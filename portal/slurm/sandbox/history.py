"""A job history of known truth, written straight into slurmdbd's database, and Slurm's own reports about it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

from portal.slurm.sandbox.config import CLUSTER, CPUS_PER_NODE, DATABASE
from portal.slurm.sandbox.errors import SandboxError

if TYPE_CHECKING:
    from portal.slurm.sandbox.sandbox import Sandbox

# The numbers of slurm.h (enum job_states); what Slurm shows as REQUEUED and RESIZING are flags.
STATES = {
    "PENDING": 0,
    "RUNNING": 1,
    "SUSPENDED": 2,
    "COMPLETED": 3,
    "CANCELLED": 4,
    "FAILED": 5,
    "TIMEOUT": 6,
    "NODE_FAIL": 7,
    "PREEMPTED": 8,
    "BOOT_FAIL": 9,
    "DEADLINE": 10,
    "OUT_OF_MEMORY": 11,
    "REQUEUED": 1 << 10,
    "RESIZING": 1 << 13,
}
NO_ARRAY_TASK = 2**32 - 2
NOT_HETEROGENEOUS = 2**32 - 2
NOBODY = 65534
# SLURMDB_JOB_FLAG_START_R; without it sacct shows a job that never started otherwise than a real one.
START_RECEIVED = 16
# Slurm's own row keys lie above 2**63 as well, far from these: they begin with the cluster's number and the time.
FIRST_KEY = 2**63
ROLLUP_SECONDS = 1800
LOAD_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class HistoryJob:
    """One row of the job history. Times have a time zone and count to the second.

    Rows of one job that was requeued share the job id and differ in `submit`. Choose ids far above those that the
    cluster itself gives to new jobs (from 1 upwards).
    """

    job_id: int
    account: str
    user: str
    submit: datetime
    start: datetime | None
    """None where the job never started."""
    end: datetime | None
    """None where it still waits or runs."""
    gpus: int = 1
    gpu: str = "h100"
    """The kind of its GPUs."""
    kinds: Mapping[str, int] | None = None
    """Its GPUs by kind, where they are not all of the one: of several, in part or wholly of none."""
    state: str = "COMPLETED"
    """As sacct shows it, for example COMPLETED, REQUEUED, NODE_FAIL."""
    partition: str = "h100"
    qos: str = "h100"
    eligible: datetime | None = None
    """None: at once."""
    cpus: int = 1
    suspended: int = 0
    """Seconds of its time for which it was suspended."""
    array: tuple[int, int] | None = None
    """Job id of the array and number of the task."""
    het: tuple[int, int] | None = None
    """Job id of the heterogeneous job and number of the component."""
    exit_code: int = 0
    name: str = "history"
    time_limit: int = 60
    """Minutes."""


@dataclass(frozen=True)
class _Numbers:
    """What the database calls the things that a history names."""

    associations: Mapping[tuple[str, str], int]
    qos: Mapping[str, int]
    gpus: Mapping[str, int]
    users: Mapping[str, int]
    gpu: int


COLUMNS = (
    "job_db_inx", "mod_time", "account", "cpus_req", "exit_code", "flags", "job_name", "id_assoc", "id_array_job",
    "id_array_task", "id_job", "id_qos", "id_resv", "id_wckey", "id_user", "id_group", "het_job_id",
    "het_job_offset", "kill_requid", "state_reason_prev", "nodelist", "nodes_alloc", "partition", "priority",
    "state", "timelimit", "time_submit", "time_eligible", "time_start", "time_end", "time_suspended",
    "tres_alloc", "tres_req",
)  # fmt: skip
_COLUMNS = ", ".join(f"`{name}`" for name in COLUMNS)

# Nothing but names of ours goes into these statements: hence the exceptions for S608.
NEXT_KEY = f"""
SELECT COALESCE(MAX(job_db_inx) + 1, {FIRST_KEY}) FROM {CLUSTER}_job_table
WHERE job_db_inx BETWEEN {FIRST_KEY} AND {FIRST_KEY + 2**40}
"""  # noqa: S608
SELECT_ASSOCIATIONS = f"""
SELECT acct, user, id_assoc FROM {CLUSTER}_assoc_table WHERE user <> '' AND NOT deleted
"""  # noqa: S608
# LOAD DATA LOCAL straight into the table would leave out rows whose key exists, without a word.
LOAD_JOBS = f"""
CREATE TEMPORARY TABLE history SELECT {_COLUMNS} FROM {CLUSTER}_job_table LIMIT 0;
LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE history CHARACTER SET utf8mb4 ({_COLUMNS});
INSERT INTO {CLUSTER}_job_table ({_COLUMNS}) SELECT {_COLUMNS} FROM history;
"""  # noqa: S608
BEGIN_EARLIER = f"""
UPDATE {CLUSTER}_event_table SET time_start = LEAST(time_start, {{first}}) WHERE node_name = '' AND time_end = 0;
UPDATE cluster_table SET creation_time = LEAST(creation_time, {{first}}) WHERE name = '{CLUSTER}';
"""  # noqa: S608


def write_history(sandbox: Sandbox, jobs: Iterable[HistoryJob]) -> int:
    """Writes jobs into slurmdbd's database and gives their number; a million take about a minute and a half.

    Their accounts, users and QOS must exist in Slurm. Raises SandboxError, and writes nothing, where one does not
    or where a row with the same job id and submit time is there already.
    """
    numbers = _numbers(sandbox)
    key = int(_query(sandbox, NEXT_KEY)[0][0])
    with tempfile.TemporaryFile() as rows:
        written, first = _write_rows(rows, jobs, numbers, key)
        if written:
            rows.seek(0)
            _load(sandbox, rows)
            _let_the_cluster_be_there(sandbox, first)
    return written


def _write_rows(rows: IO[bytes], jobs: Iterable[HistoryJob], numbers: _Numbers, key: int) -> tuple[int, int]:
    """The number of rows and the earliest moment in them."""
    written, first = 0, 2**62
    for job in jobs:
        values = _row(job, numbers, key + written)
        rows.write("\t".join(values).encode() + b"\n")
        first = min(first, _seconds(job.submit))
        written += 1
    return written, first


def _row(job: HistoryJob, numbers: _Numbers, key: int) -> list[str]:
    try:
        association = numbers.associations[job.account, job.user]
        qos = numbers.qos[job.qos]
        kinds = {job.gpu: job.gpus} if job.kinds is None else job.kinds
        typed = [f"{numbers.gpus[kind]}={count}" for kind, count in kinds.items() if count]
        state = STATES[job.state]
    except KeyError as error:
        raise SandboxError(f"Job {job.job_id} of the history names {error.args[0]!r}, which Slurm lacks.") from error
    user = numbers.users.get(job.user, NOBODY)
    array_job, array_task = job.array or (0, NO_ARRAY_TASK)
    het_job, het_offset = job.het or (NOT_HETEROGENEOUS, 0 if job.state == "CANCELLED" else r"\N")
    ran = job.start is not None
    nodes = max(1, -(-job.cpus // CPUS_PER_NODE)) if ran else 0
    tres = f"1={job.cpus},4={max(nodes, 1)},5={job.cpus}" + (f",{numbers.gpu}={job.gpus}" if job.gpus else "")
    allocated = ",".join([tres, *typed]) if ran else ""
    ended = job.end or job.start or job.submit
    values = (
        key, _seconds(ended), job.account, job.cpus, job.exit_code << 8, START_RECEIVED, _text(job.name),
        association, array_job, array_task, job.job_id, qos, 0, 0, user, user, 0,
        het_job, het_offset, 0, "history" if ran else "None assigned", nodes,
        job.partition, 1, state, job.time_limit,
        _seconds(job.submit), _seconds(job.eligible or job.submit), _seconds(job.start), _seconds(job.end),
        job.suspended, allocated, tres,
    )  # fmt: skip
    return [str(value) for value in values]


def _seconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) if moment else 0


def _text(text: str) -> str:
    """As LOAD DATA reads it."""
    return text.replace("\\", "\\\\").replace("\t", "\\\t").replace("\n", "\\\n")


def _numbers(sandbox: Sandbox) -> _Numbers:
    associations = _query(sandbox, SELECT_ASSOCIATIONS)
    gres = dict(_query(sandbox, "SELECT name, id FROM tres_table WHERE type='gres' AND NOT deleted"))
    passwd = [line.split(":") for line in sandbox.run(["getent", "passwd"]).stdout.splitlines()]
    return _Numbers(
        associations={(account, user): int(number) for account, user, number in associations},
        qos={name: int(number) for name, number in _query(sandbox, "SELECT name, id FROM qos_table WHERE NOT deleted")},
        gpus={name.removeprefix("gpu:"): int(number) for name, number in gres.items() if name.startswith("gpu:")},
        users={entry[0]: int(entry[2]) for entry in passwd},
        gpu=int(gres["gpu"]),
    )


def _query(sandbox: Sandbox, statement: str) -> list[Any]:
    done = sandbox.run(["mariadb", "--batch", "--skip-column-names", DATABASE, "-e", statement], timeout=LOAD_SECONDS)
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def _load(sandbox: Sandbox, rows: IO[bytes]) -> None:
    command = ["mariadb", DATABASE, "-e", LOAD_JOBS]
    process = sandbox.popen(command, stdin=rows, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = process.communicate(timeout=LOAD_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise SandboxError(f"The history was not written: {said.decode(errors='replace').strip()}")


def _let_the_cluster_be_there(sandbox: Sandbox, first: int) -> None:
    """Moves the cluster's registration back to before the first job, so that its capacity then is reported too."""
    _query(sandbox, BEGIN_EARLIER.format(first=first))


def rollup(sandbox: Sandbox, start: datetime, end: datetime) -> None:
    """Makes slurmdbd sum up the jobs of exactly this span again, which sreport reads; the current hour too."""
    times = [f"{moment:%Y-%m-%dT%H:%M:%S}" for moment in _in_utc(start, end)]
    done = sandbox.run(["sacctmgr", "-i", "rollup", *times], timeout=ROLLUP_SECONDS, env={"TZ": "UTC"})
    # It says SUCCESS and ends with 0 even where slurmdbd is down.
    if "error:" in done.stderr or "SUCCESS" not in done.stderr:
        raise SandboxError(f"slurmdbd did not sum up: {(done.stderr + done.stdout).strip()}")


def sreport(sandbox: Sandbox, start: datetime, end: datetime) -> dict[tuple[str, str], int]:
    """GPU-seconds by account and user, as Slurm reports them for a span of whole hours.

    Slurm's totals of accounts are left out: they contain their users, and reserved idle time.
    """
    first, last = (f"{moment:%Y-%m-%dT%H:%M}" for moment in _in_utc(start, end))
    report = ["sreport", "-P", "-n", "-t", "Seconds", "-T", "gres/gpu", "cluster", "AccountUtilizationByUser"]
    done = sandbox.run([*report, f"start={first}", f"end={last}"], timeout=ROLLUP_SECONDS, env={"TZ": "UTC"})
    return {(account, user): seconds for account, user, seconds in _report_rows(done.stdout) if user}


def _report_rows(text: str) -> Iterator[tuple[str, str, int]]:
    for line in text.splitlines():
        _, account, user, _, _, seconds = line.split("|")
        yield account, user, int(seconds)


def _in_utc(*moments: datetime) -> list[datetime]:
    return [moment.astimezone(UTC) for moment in moments]
