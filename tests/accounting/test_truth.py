"""Our sums are the truth: over random histories of every shape of job, by the pure functions and by the database."""

from dataclasses import replace
from random import Random

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.history.store import store_rows
from accounting.ledger_check.run import check_ledger, results_of
from accounting.models import UsageDay, UsageMonth
from accounting.usage import Run, usage_by_person, usage_of
from portal.slurm import sacct
from tests.accounting.histories import sums_add_up
from tests.accounting.shapes import BORDERS, DAY, HOUR, SEEN, Place, as_seen, histories, random_runs
from tests.accounting.truth import TrueAmount, TrueKey, by_person, moment_of, record, sacct_line, truth
from tests.factories import GrantFactory, GrantLineFactory, PoolFactory, ProjectFactory


def read(lines, seen):
    """The way of a row from sacct to what counts of it, without the database between."""
    for row in sacct.parse_jobs(lines):
        if row.start is not None:
            yield Run(
                account=row.account,
                user=row.user,
                partition=row.partition,
                state=row.state,
                start=row.start,
                until=row.end or seen,
                gpus=row.gpus,
                gpu_kinds=row.gpu_kinds,
                provisional=not row.final,
                cpus=row.cpus,
            )


def ours(usage):
    """What is kept of it: rows that say nothing are not."""
    amounts = {
        TrueKey(*key): TrueAmount(amount.gpu_seconds, amount.cpu_seconds, amount.jobs) for key, amount in usage.items()
    }
    return {key: amount for key, amount in amounts.items() if any(amount)}


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(histories, st.sampled_from(BORDERS), st.integers(0, 5 * DAY))
def test_a_thousand_histories_of_up_to_two_hundred_jobs_come_out_to_the_second(history, border, hours):
    seen = moment_of(SEEN)
    runs = list(read(map(sacct_line, history), seen))
    assert ours(usage_of(runs)) == truth(history)
    since, until = border, border + hours // HOUR * HOUR
    assert usage_by_person(runs, moment_of(since), moment_of(until)) == by_person(history, since, until)


@settings(max_examples=50)
@given(histories)
def test_a_row_of_sacct_is_the_record_it_was_made_from(history):
    for parsed, run in zip(sacct.parse_jobs(map(sacct_line, history)), history, strict=True):
        made = record(run)
        for name in ("db_index", "job_id", "account", "user", "state", "start", "end", "gpus", "final"):
            assert getattr(parsed, name) == getattr(made, name), (name, run)
        assert dict(parsed.gpu_kinds) == dict(made.gpu_kinds)


@settings(max_examples=20)
@given(histories)
def test_the_truth_is_what_counting_second_by_second_gives(history):
    """The measure itself, on the jobs that are short enough to be counted."""
    short = [run for run in history if run.end is not None and (run.start is None or run.end - run.start < 2 * HOUR)]
    counted = {}
    for run in short:
        for second in range(run.start or 0, run.end if run.start else 0):
            day = moment_of(second + 9 * HOUR).date()
            key = (day, run.account, run.user)
            gpus, cpus = counted.get(key, (0, 0))
            counted[key] = (gpus + run.gpus, cpus + run.cpus)
    sums = {}
    for key, amount in truth(short).items():
        gpus, cpus = sums.get(key[:3], (0, 0))
        sums[key[:3]] = (gpus + amount.gpu_seconds, cpus + amount.cpu_seconds)
    nothing = (0, 0)
    assert {key: sum_ for key, sum_ in sums.items() if sum_ != nothing} == {
        key: sum_ for key, sum_ in counted.items() if sum_ != nothing
    }


# --- Through the database ---

HISTORIES = 100
JOBS_A_HISTORY = 15


def stored(model):
    """The usage table as the truth is written."""
    rows = model.objects.values_list(*model.KEY, *model.AMOUNTS)
    return {TrueKey(*row[:7]): TrueAmount(*row[7:]) for row in rows}


def by_month(days):
    months = {}
    for key, amount in days.items():
        month = key._replace(day=key.day.replace(day=1))
        months[month] = TrueAmount(*map(sum, zip(amount, months.get(month, (0, 0, 0)), strict=True)))
    return months


def history_of(seed):
    """Its accounts are its own; every fourth is the account of a grant."""
    accounts = tuple(f"{name}{seed}" for name in ("p260-", "physics", "gone-", "p261-"))
    place = Place(accounts=accounts, first_job=1000 + seed * 10_000, longest=4 * DAY)
    runs = random_runs(seed, JOBS_A_HISTORY, place)
    return [replace(run, number=seed * 100_000 + run.number) for run in runs]


@pytest.mark.django_db
def test_a_hundred_histories_read_in_any_pieces_and_order_come_out_to_the_second():
    """Each is read as it was at some moments, then as it is at last, in pieces that overlap, several at once."""
    dice = Random(2028)  # noqa: S311  (no secret)
    histories = [history_of(seed) for seed in range(HISTORIES)]
    project = ProjectFactory(created_at=moment_of(BORDERS[0]))
    grant = GrantFactory(project=project, hours=0, starts_at=moment_of(BORDERS[0]), ends_at=moment_of(BORDERS[3]))
    for seed in range(0, HISTORIES, 25):
        line = GrantLineFactory(grant=grant, pool=PoolFactory(code=f"pool{seed}"))
        project.accounts.filter(pool=line.pool).update(name=f"p260-{seed}")

    everything = [run for history in histories for run in history]
    for moment in sorted(dice.choice(BORDERS) + dice.randrange(-DAY, DAY) for _ in range(3)):
        seen = [record(run) for run in as_seen(everything, moment)]
        store_rows(dice.sample(seen, len(seen) // 2), at=moment_of(moment))
    rows = [record(run) for run in everything]
    pieces = [dice.sample(rows, len(rows) // 3) for _ in range(3)]
    for piece in (*pieces, rows):
        store_rows(piece, at=moment_of(SEEN))

    assert stored(UsageDay) == truth(everything)
    assert stored(UsageMonth) == by_month(truth(everything))
    assert sums_add_up()
    again = store_rows(dice.sample(rows, len(rows)), at=moment_of(SEEN))
    assert (again.changed, again.days, again.held) == (0, 0, 0)
    check = check_ledger(at=moment_of(SEEN))
    assert not check.wrong, [result.named for result in results_of(check)]
    used = UsageDay.objects.filter(account__isnull=False).aggregate(all=Sum("gpu_seconds"))["all"]
    assert used and used >= sum(line.charged_gpu_seconds for line in grant.lines.all()) > 0
