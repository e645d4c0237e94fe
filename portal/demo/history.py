"""Two months of jobs for the demo's projects, so that its dashboards show what a dashboard is for.

They are written into slurmdbd's database, where ingest finds them as it finds any job; what follows from them is in
portal/demo/past.py.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.demo.stack import Stack
from portal.slurm.sandbox.history import HistoryJob, write_history

# The walk-through's project; its neighbours follow (portal/demo/neighbours.py).
ACCOUNT = "p26001-h100"
DAYS = 60
POOLS, POOL_GPUS = ("h100", "a100"), 4
FIRST_JOB_ID = 100_000
# How jobs end, in the proportions of an ordinary group.
STATES = ["COMPLETED"] * 16 + ["FAILED"] * 2 + ["TIMEOUT", "CANCELLED"]
# Now and then a node fails under one: a number of jobs between two such.
NODE_FAILS_EVERY = 40


@dataclass(frozen=True)
class Habit:
    """How a project uses its hours: what is chosen from for each day and each job. `most` GPU-hours in all."""

    account: str
    people: tuple[str, ...]
    weights: tuple[int, ...]
    gpus: tuple[int, ...]
    hours: tuple[float, ...]
    on_weekdays: tuple[int, ...]
    on_weekends: tuple[int, ...] = (0, 0, 1)
    first_day: int = DAYS
    most: float = 10_000

    @property
    def pool(self) -> str:
        return self.account.partition("-")[2]


HABITS = (
    Habit(
        ACCOUNT, ("seoyeon", "minjun", "haeun"), (2, 6, 4), gpus=(1, 1, 2, 2, 4), hours=(0.5, 1.5, 3, 4, 6, 9),
        on_weekdays=(0, 1, 3, 4),
    ),
    Habit("p26002-a100", ("sunwoo", "gaeun"), (1, 4), (2,), (4, 8, 10), (0, 1, 1, 2), (0, 1), first_day=58, most=780),
    Habit("p26003-h100", ("yerin", "junho"), (1, 3), (1, 2), (1, 3, 8), (0, 0, 1, 2), first_day=45, most=700),
    Habit("p26004-a100", ("dain",), (1,), (1,), (2, 6), (0, 1, 2), first_day=24, most=170),
    Habit("p26005-h100", ("hayoung", "eunsol"), (2, 3), (1,), (2, 4, 6), (0, 1, 2, 2), first_day=55, most=440),
    Habit("p26006-a100", ("jaemin",), (1,), (1,), (3, 8), (0, 0, 1, 2), first_day=50, most=300),
    Habit("p26007-a100", ("sohee",), (1,), (1,), (0.5, 1, 2), (0, 2, 4, 6), (0,), first_day=38, most=176),
    Habit("p26008-h100", ("sangmin", "bora"), (1, 2), (1, 2), (2, 5), (0, 1, 2), (0,), first_day=42, most=420),
    Habit("p26009-a100", ("eunji",), (1,), (1,), (3, 6), (0, 1, 1), (0,), first_day=36, most=200),
    Habit("p26010-h100", ("hyejin",), (1,), (1,), (4, 10), (0, 0, 1), first_day=28, most=150),
)  # fmt: skip


def write_demo_history(stack: Stack, at: datetime) -> int:
    """Begin the neighbours' projects, create the accounts, write the jobs, and let the portal take them in. Returns the
    number of jobs."""
    if stack.sandbox is None:
        return 0
    stack.manage("seed", "--neighbours")
    for habit in HABITS:
        for name in habit.people:
            stack.sandbox.person(name)
    stack.manage_inside("slurm", "apply")
    jobs = list(demo_jobs(at))
    written = write_history(stack.sandbox, jobs)
    # sreport reads what slurmdbd has summed up, and it sums up by itself only what is new.
    stack.sandbox.rollup(min(job.submit for job in jobs).replace(minute=0, second=0), at.replace(microsecond=0))
    stack.manage_inside("seed", "--past")
    return written


def demo_jobs(at: datetime) -> Iterator[HistoryJob]:
    """The same jobs for the same moment: never more GPUs of a pool at a time than there are."""
    # The walk-through's are those it has always had.
    dice = {habit: random.Random(2026 if habit.account == ACCOUNT else habit.account) for habit in HABITS}  # noqa: S311
    free_at = {pool: [at - timedelta(days=DAYS)] * POOL_GPUS for pool in POOLS}
    used: defaultdict[Habit, float] = defaultdict(float)
    job_id = FIRST_JOB_ID
    for days_ago in range(DAYS, 0, -1):
        day = at - timedelta(days=days_ago)
        for habit in HABITS:
            if days_ago > habit.first_day:
                continue
            for _ in range(dice[habit].choice(habit.on_weekdays if day.weekday() < 5 else habit.on_weekends)):
                free = free_at[habit.pool]
                job, end = _job(habit, dice[habit], job_id, day, free)
                if end > at - timedelta(hours=2) or used[habit] + _hours(job) > habit.most:
                    continue
                free[: job.gpus] = [end] * job.gpus
                used[habit] += _hours(job)
                job_id += 1
                yield job


def _job(
    habit: Habit, dice: random.Random, job_id: int, day: datetime, free: list[datetime]
) -> tuple[HistoryJob, datetime]:
    """One that starts when enough of the GPUs are free, which are put in the order in which they become so; and its
    end."""
    gpus = dice.choice(habit.gpus)
    submit = (day + timedelta(minutes=dice.randrange(1200))).replace(microsecond=0)
    free.sort()
    start = max(submit + timedelta(seconds=dice.randrange(5, 90)), free[gpus - 1])
    end = start + timedelta(seconds=int(dice.choice(habit.hours) * 3600 * dice.uniform(0.7, 1.1)))
    user = dice.choices(habit.people, habit.weights)[0]
    state = "NODE_FAIL" if job_id % NODE_FAILS_EVERY == NODE_FAILS_EVERY // 2 else dice.choice(STATES)
    job = HistoryJob(
        job_id, habit.account, user, submit, start, end, gpus=gpus, gpu=habit.pool, partition=habit.pool,
        qos=habit.pool, state=state, time_limit=12 * 60, exit_code=1 if state == "FAILED" else 0,
    )  # fmt: skip
    return job, end


def _hours(job: HistoryJob) -> float:
    assert job.start and job.end
    return job.gpus * ((job.end - job.start) / timedelta(hours=1))
