"""Ours, the truth and sreport are equal to the second: random histories of every shape through a real slurmdbd.

The center is in Seoul and the cluster in UTC. All histories share one write, one roll-up and one ingest; the accounts
of each are its own.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from accounting.history.ingest import ingest
from accounting.history.recompute import runs_of
from accounting.ledger_check.run import check_ledger, results_of
from accounting.models import Job, UsageDay, UsageMonth
from accounting.usage import usage_by_person
from portal.slurm.commands import CommandsGateway
from portal.slurm.sandbox import Sandbox
from tests.accounting.shapes import DAY, KINDS, Place, TrueRun, random_runs, seoul
from tests.accounting.test_truth import by_month, stored
from tests.accounting.truth import by_person, history_job, moment_of, truth
from tests.factories import GrantFactory, ProjectFactory
from tests.slurm_cluster import unique_name

pytestmark = [pytest.mark.slurm, pytest.mark.django_db]

HISTORIES, JOBS_A_HISTORY = 36, 25
PEOPLE = ("kim", "lee", "park")
# A year's end, a month's, and both ends of a leap day; in a year in which no other test has jobs.
BORDERS = (seoul(2024, 1, 1), seoul(2024, 2, 1), seoul(2024, 2, 29), seoul(2024, 3, 1))
# What sreport is asked about, day by day.
SPANS = ((BORDERS[0] - 2 * DAY, BORDERS[0] + 2 * DAY), (BORDERS[2] - DAY, BORDERS[3] + 2 * DAY))
FIRST, SEEN = BORDERS[0] - 3 * DAY, BORDERS[3] + 6 * DAY
MOST_DAYS_A_JOB = 5 * DAY


def add_kinds(cluster: Sandbox) -> None:
    """GPU kinds that this cluster has none of: as if it had been given some, and they had gone again."""
    names = ", ".join(f"(UNIX_TIMESTAMP(), 'gres', 'gpu:{kind}')" for kind in KINDS)
    statement = f"INSERT IGNORE INTO tres_table (creation_time, type, name) VALUES {names}"
    cluster.run(["mariadb", "slurm_acct_db", "-e", statement])


def add_accounts(cluster: Sandbox, names: Iterable[str]) -> None:
    listed = ",".join(names)
    cluster.run(["sacctmgr", "-i", "add", "account", listed, "qos=h100,a100", "DefaultQOS=h100"])
    cluster.run(["sacctmgr", "-i", "add", "user", ",".join(PEOPLE), f"account={listed}"])


def only(accounts: Iterable[str], usage: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    """Theirs; sreport also lists people who used nothing."""
    known = set(accounts)
    return {key: amount for key, amount in usage.items() if key[0] in known and amount}


def history(seed: int, accounts: tuple[str, ...]) -> list[TrueRun]:
    first = 20_000_000 + seed * 10_000
    place = Place(accounts, PEOPLE, BORDERS, SEEN, first_job=first, longest=MOST_DAYS_A_JOB, real=True)
    return random_runs(seed, JOBS_A_HISTORY, place)


def test_random_histories_come_out_to_the_second_and_as_sreport_says(cluster):
    prefix = unique_name("h")
    project = ProjectFactory(code=prefix, created_at=moment_of(FIRST))
    GrantFactory(project=project, hours=100, starts_at=moment_of(FIRST), ends_at=moment_of(BORDERS[3]))
    ours = {seed: (f"{prefix}-{seed}a", f"{prefix}-{seed}b") for seed in range(HISTORIES)}
    ours[0] = (project.accounts.get().name, ours[0][1])
    accounts = [name for names in ours.values() for name in names]
    runs = [run for seed, names in ours.items() for run in history(seed, names)]

    add_kinds(cluster)
    add_accounts(cluster, accounts)
    cluster.write_history(map(history_job, runs))
    # Accounts that are deleted keep their jobs; one in which Slurm thinks that something runs cannot be.
    gone = sorted(set(accounts) - {run.account for run in runs if run.open})
    assert gone
    cluster.run(["sacctmgr", "-i", "delete", "account", gone[0]])
    for since, until in SPANS:
        cluster.rollup(moment_of(since), moment_of(until))
    gateway = CommandsGateway("pohang", "paic", cluster.prefix)
    while not ingest(gateway, at=moment_of(SEEN)).caught_up:
        pass

    days, months = stored(UsageDay), stored(UsageMonth)
    assert {key: amount for key, amount in days.items() if key.account in accounts} == truth(runs, SEEN)
    assert months == by_month(days)
    for since, until in SPANS:
        for start in range(since, until, DAY):
            expected = by_person(runs, start, start + DAY, SEEN)
            between = moment_of(start), moment_of(start + DAY)
            assert only(accounts, gateway.usage(*between)) == expected
            jobs = Job.objects.overlapping(*between)
            assert only(accounts, usage_by_person(runs_of(jobs), *between)) == expected
    check = check_ledger(at=moment_of(SEEN))
    assert not check.wrong, [result.named for result in results_of(check)]
