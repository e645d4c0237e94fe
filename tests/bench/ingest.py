"""Reading history from a real slurmdbd: against bare sacct over the same spans, in memory, and how a tick grows.

BENCH_JOBS sets the larger of the two sizes; a million jobs take about ten minutes.
"""

from __future__ import annotations

import os
import random
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench import ground  # isort: skip
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from accounting.models import IngestMark, Job, UsageDay, UsageMonth, UsageMonthSum, UsageSum
from accounting.usage import day_of, day_start
from allocations.models import Account, Grant, Project
from portal import schedule
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import HistoryJob, Sandbox
from tests.bench.figures import median, seconds

JOBS = int(os.environ.get("BENCH_JOBS", 1_000_000))
SIZES = (JOBS // 10, JOBS)
PROJECTS, PEOPLE = 100, 5
YEAR = timedelta(days=365)
STATES = ["COMPLETED"] * 16 + ["FAILED"] * 3 + ["TIMEOUT", "CANCELLED", "NODE_FAIL", "REQUEUED", "PREEMPTED"]
CHANGED = 100
TIMES = 5
AIM_RATIO, AIM_BYTES = 1.15, 250 * 1024**2
MANAGE = [sys.executable, "manage.py"]
RECORDING = """#!/bin/sh
{{ printf '%s\\0' "$@"; echo; }} >> {log}
exec {prefix} "$@"
"""
BARE = """
import ast, resource, subprocess, sys, time
commands = ast.literal_eval(sys.stdin.read())
start = time.monotonic()
for command in commands:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
print(time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@dataclass(frozen=True)
class Measured:
    """Seconds, and bytes at the most."""

    jobs: int
    quiet: float
    changed: float
    portal: int
    sacct: int


def main() -> None:
    ground.migrate()
    ground.add_projects([PEOPLE] * PROJECTS)
    now = timezone.now()
    Project.objects.update(created_at=now - YEAR)
    Grant.objects.update(starts_at=day_start(day_of(now - YEAR)))
    accounts = list(Account.objects.order_by("name").values_list("name", flat=True))
    few, many = (measure(accounts, size) for size in SIZES)
    print(f"{many.jobs // few.jobs} times as many jobs:")
    print(f"  memory of the portal {many.portal / few.portal:.2f} times, of sacct {many.sacct / few.sacct:.2f} times")
    print(f"  a tick with nothing new {many.quiet / few.quiet:.2f} times as long")
    print(f"  a tick with {CHANGED} jobs {many.changed / few.changed:.2f} times as long")


def measure(accounts: list[str], size: int) -> Measured:
    for model in (Job, UsageDay, UsageMonth, UsageMonthSum, UsageSum, IngestMark):
        model.objects.all().delete()
    with tempfile.TemporaryDirectory() as folder:
        sandbox = Sandbox("bench-ingest", state=Path(folder) / "state")
        sandbox.up(pdeathsig=True)
        try:
            add_accounts(sandbox, accounts)
            now = datetime.now(UTC)
            wrote = seconds(lambda: sandbox.write_history(history(accounts, size, now)))
            print(f"{size} jobs of a year, written in {wrote:.0f} s", flush=True)
            return measure_in(sandbox, Path(folder), accounts, size)
        finally:
            sandbox.down(purge=True)


def measure_in(sandbox: Sandbox, folder: Path, accounts: list[str], size: int) -> Measured:
    took, portal = ingest_all(sandbox, folder)
    print(f"  manage.py usage ingest: {took:.1f} s, {took / size * 1e6:.0f} µs a job; at most {megabytes(portal)}")
    assert Job.objects.count() == size, Job.objects.count()
    bare, sacct, windows = bare_sacct(sandbox, folder)
    print(f"  bare sacct, the same {windows} spans: {bare:.1f} s; at most {megabytes(sacct)}")
    verdict = met(took / bare <= AIM_RATIO)
    print(
        f"  ratio {took / bare:.2f}; aim at most {AIM_RATIO}: {verdict}; memory: {met(max(portal, sacct) < AIM_BYTES)}"
    )
    used = UsageDay.objects.aggregate(all=Sum("gpu_seconds"))["all"]
    print(f"  {used} GPU-seconds in {UsageDay.objects.count()} rows by day", flush=True)
    gateway = CommandsGateway(settings.SLURM_CLUSTER, settings.SLURM_ROOT_ACCOUNT, sandbox.prefix)
    schedule.ingest_usage(gateway, lambda: True)
    quiet = median(seconds(lambda: schedule.ingest_usage(gateway, lambda: True)) for _ in range(TIMES))
    changed = median(tick_with_jobs(sandbox, gateway, accounts, number) for number in range(TIMES))
    print(f"  a tick with nothing new: {quiet:.3f} s; with {CHANGED} jobs that ended: {changed:.3f} s")
    rebuild(accounts[0])
    return Measured(size, quiet, changed, portal, sacct)


def add_accounts(sandbox: Sandbox, accounts: list[str]) -> None:
    """The accounts and people of the portal's projects, without limits."""
    sandbox.run(["sacctmgr", "-i", "add", "account", ",".join(accounts), "qos=h100", "DefaultQOS=h100"])
    for number, account in enumerate(accounts):
        people = ",".join(f"u{number}x{person}" for person in range(PEOPLE))
        sandbox.run(["sacctmgr", "-i", "add", "user", people, f"account={account}"])


def history(accounts: list[str], size: int, now: datetime) -> Iterator[HistoryJob]:
    """Jobs of a year in order of time, of minutes to a day each, all over an hour ago."""
    dice = random.Random(2026)  # noqa: S311  (no secret)
    step = (YEAR - timedelta(days=2)) / size
    for number in range(size):
        start = (now - YEAR + step * number).replace(microsecond=0)
        length = timedelta(seconds=dice.choice((dice.randrange(600), dice.randrange(14_400), dice.randrange(86_400))))
        yield one_job(dice, accounts, 1_000_000 + number, start, start + length)


def one_job(dice: random.Random, accounts: list[str], job_id: int, start: datetime, end: datetime) -> HistoryJob:
    number = dice.randrange(len(accounts))
    return HistoryJob(
        job_id,
        accounts[number],
        f"u{number}x{dice.randrange(PEOPLE)}",
        submit=start - timedelta(seconds=dice.randrange(600)),
        start=start,
        end=end,
        gpus=dice.choice((1, 1, 2, 4, 8)),
        cpus=8,
        state=dice.choice(STATES),
    )


def ingest_all(sandbox: Sandbox, folder: Path) -> tuple[float, int]:
    """Seconds of `manage.py usage ingest`, and bytes of its process at the most."""
    recording = folder / "recording"
    recording.write_text(RECORDING.format(log=folder / "asked", prefix=shlex.join(sandbox.prefix)))
    recording.chmod(0o755)
    environment = os.environ | {"SLURM_GATEWAY": "commands", "SLURM_COMMAND_PREFIX": str(recording)}
    start = time.monotonic()
    process = subprocess.Popen([*MANAGE, "usage", "ingest"], env=environment)
    peak = [0]
    watching = threading.Thread(target=watch, args=(process.pid, peak))
    watching.start()
    code = process.wait()
    took = time.monotonic() - start
    watching.join()
    if code:
        sys.exit(f"manage.py usage ingest ended with exit code {code}")
    return took, peak[0]


def watch(pid: int, peak: list[int]) -> None:
    """What the process held of memory at the most, as long as it is there."""
    while True:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            return
        told = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
        if not told:
            return
        peak[0] = told[0] * 1024
        time.sleep(0.02)


def bare_sacct(sandbox: Sandbox, folder: Path) -> tuple[float, int, int]:
    """Seconds and bytes of what the portal asked of sacct, printed to nowhere; and how often it asked."""
    asked = [line.split("\0")[:-1] for line in (folder / "asked").read_text().splitlines()]
    commands = [[*sandbox.prefix, *words] for words in asked if "sacct" in words]
    # From a small process: what a parent holds itself counts as its child's.
    told = subprocess.run(
        [sys.executable, "-S", "-c", BARE], input=repr(commands), capture_output=True, text=True, check=True
    )
    took, peak = told.stdout.split()
    return float(took), int(peak) * 1024, len(commands)


def tick_with_jobs(sandbox: Sandbox, gateway: CommandsGateway, accounts: list[str], number: int) -> float:
    """Jobs of the last two days that ended just now."""
    dice, now = random.Random(number), datetime.now(UTC).replace(microsecond=0)  # noqa: S311  (no secret)
    first = 50_000_000 + number * CHANGED
    jobs = [
        one_job(dice, accounts, first + job, now - timedelta(seconds=dice.randrange(60, 172_800)), now)
        for job in range(CHANGED)
    ]
    sandbox.write_history(jobs)
    time.sleep(1)
    before = Job.objects.count()
    took = seconds(lambda: schedule.ingest_usage(gateway, lambda: True))
    assert Job.objects.count() == before + CHANGED
    return took


def rebuild(account: str) -> None:
    code = Account.objects.get(name=account).project.code
    arguments = ["usage", "rebuild", "--project", code, "--year", str(timezone.localdate().year)]
    connection.close()
    took = seconds(lambda: subprocess.run([*MANAGE, *arguments], check=True, stdout=subprocess.DEVNULL))
    print(f"  manage.py {shlex.join(arguments)}: {took:.1f} s")


def megabytes(amount: int) -> str:
    return f"{amount / 1024**2:.0f} MB"


def met(reached: bool) -> str:
    return "met" if reached else "not met"


if __name__ == "__main__":
    main()
