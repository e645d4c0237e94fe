"""Two months of jobs for the demo's running project, so that its dashboard shows what a dashboard is for.

They are written into slurmdbd's database, where ingest finds them as it finds any job; what follows from them is in
portal/demo/past.py.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from portal.demo.stack import Stack
from portal.slurm.sandbox.history import HistoryJob, write_history

ACCOUNT = "p26001-h100"
MEMBERS = ("seoyeon", "minjun", "haeun")
DAYS = 60
POOL_GPUS = 4
FIRST_JOB_ID = 100_000
# How jobs end, in the proportions of an ordinary group.
STATES = ["COMPLETED"] * 16 + ["FAILED"] * 2 + ["TIMEOUT", "CANCELLED"]
# Now and then a node fails under one: a number of jobs between two such.
NODE_FAILS_EVERY = 40
# Shares of the members in the group's jobs, GPUs per job, and hours per job.
WEIGHTS = (2, 6, 4)
GPUS = (1, 1, 2, 2, 4)
HOURS = (0.5, 1.5, 3, 4, 6, 9)


def write_demo_history(stack: Stack, at: datetime) -> int:
    """Create the accounts, write the jobs, and let the portal take them in. Returns the number of jobs."""
    if stack.sandbox is None:
        return 0
    for member in MEMBERS:
        stack.sandbox.person(member)
    stack.manage_inside("slurm", "apply")
    jobs = list(demo_jobs(at))
    written = write_history(stack.sandbox, jobs)
    # sreport reads what slurmdbd has summed up, and it sums up by itself only what is new.
    stack.sandbox.rollup(min(job.submit for job in jobs).replace(minute=0, second=0), at.replace(microsecond=0))
    stack.manage_inside("seed", "--past", ACCOUNT)
    return written


def demo_jobs(at: datetime) -> Iterator[HistoryJob]:
    """The same jobs for the same moment: about 900 GPU-hours on four GPUs, never more at a time than there are."""
    dice = random.Random(2026)  # noqa: S311  (demo figures)
    free_at = [at - timedelta(days=DAYS)] * POOL_GPUS
    job_id = FIRST_JOB_ID
    for days_ago in range(DAYS, 0, -1):
        day = at - timedelta(days=days_ago)
        for _ in range(dice.choice((0, 1, 3, 4)) if day.weekday() < 5 else dice.choice((0, 0, 1))):
            gpus = dice.choice(GPUS)
            submit = (day + timedelta(minutes=dice.randrange(1200))).replace(microsecond=0)
            free_at.sort()
            start = max(submit + timedelta(seconds=dice.randrange(5, 90)), free_at[gpus - 1])
            end = start + timedelta(seconds=int(dice.choice(HOURS) * 3600 * dice.uniform(0.7, 1.1)))
            if end > at - timedelta(hours=2):
                return
            free_at[:gpus] = [end] * gpus
            user = dice.choices(MEMBERS, WEIGHTS)[0]
            state = "NODE_FAIL" if job_id % NODE_FAILS_EVERY == NODE_FAILS_EVERY // 2 else dice.choice(STATES)
            yield HistoryJob(
                job_id, ACCOUNT, user, submit, start, end, gpus=gpus, state=state, time_limit=12 * 60,
                exit_code=1 if state == "FAILED" else 0,
            )  # fmt: skip
            job_id += 1
