"""Usage computed anew, and how lines are charged from months, days and job rows."""

import itertools
from datetime import date, timedelta
from importlib import import_module

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounting.attribution import Piece, attribute, borders_of
from accounting.balance import lines_of, pieces_by_account, recharge
from accounting.history.rebuild import rebuild
from accounting.history.recompute import runs_of
from accounting.history.store import store_rows
from accounting.models import IngestMark, Job, UsageDay, UsageMonth, UsageMonthSum, UsageSum
from accounting.usage import charged_gpu_seconds
from tests.accounting.histories import HOUR, job, summed
from tests.factories import GrantFactory, ProjectFactory, SuspensionFactory, kst

pytestmark = pytest.mark.django_db
LEAF = "p26001-h100"
AT = kst(2026, 12, 31)
TABLES = (UsageDay, UsageMonth, UsageMonthSum, UsageSum)


@pytest.fixture
def project():
    return ProjectFactory(code="p26001", created_at=kst(2026, 1, 1))


def usage():
    return tuple(sorted(model.objects.values_list(*model.KEY, *model.AMOUNTS)) for model in TABLES)


# --- Rebuild ---


@pytest.fixture
def history(project):
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 1, 1), ends_at=kst(2027, 1, 1))
    rows = [job(start=kst(2026, month, 28, 20), hours=100, user=f"user{month % 3}") for month in range(1, 12)]
    store_rows([*rows, job(start=kst(2026, 12, 30), hours=None), job(account="physics")], at=AT)
    return usage()


def test_a_rebuild_of_what_is_right_changes_nothing(history):
    rebuilt = rebuild([LEAF], first=date(2026, 1, 1), last=date(2026, 12, 31))
    assert (rebuilt.differing, rebuilt.lines, usage()) == ([], 0, history)


def test_a_rebuild_puts_right_what_is_wrong_and_names_it(project, history):
    UsageDay.objects.filter(day=date(2026, 3, 29)).update(gpu_seconds=1)
    UsageDay.objects.filter(day=date(2026, 5, 30)).delete()
    UsageDay.objects.filter(provisional=True).delete()
    UsageMonth.objects.filter(month=date(2026, 8, 1)).update(cpu_seconds=1)
    UsageSum.objects.filter(day=date(2026, 9, 29)).update(cpu_seconds=1)
    UsageSum.objects.filter(day=date(2026, 9, 30)).delete()
    UsageSum.objects.create(day=date(2026, 7, 8), account_name=LEAF, gpu_kind="", gpu_seconds=1, cpu_seconds=1, jobs=1)
    UsageMonthSum.objects.filter(month=date(2026, 10, 1)).update(gpu_seconds=1)
    stray = UsageDay.objects.filter(account_name=LEAF).first()
    stray.pk, stray.day = None, date(2026, 7, 7)
    stray.save()
    project.grants.get().lines.update(charged_gpu_seconds=5)
    rebuilt = rebuild([LEAF], first=date(2026, 1, 1), last=date(2026, 12, 31))
    days = {day for day, _account, _user in rebuilt.differing}
    assert {date(2026, 3, 29), date(2026, 5, 30), date(2026, 7, 7), date(2026, 8, 1), date(2026, 12, 30)} <= days
    sums = {day for day, _account, user in rebuilt.differing if not user}
    assert sums == {date(2026, 7, 8), date(2026, 9, 29), date(2026, 9, 30), date(2026, 10, 1)}
    assert (usage(), rebuilt.lines) == (history, 1)


def test_a_rebuild_leaves_sealed_days_alone(history):
    IngestMark.objects.filter(pk=IngestMark.current().pk).update(sealed_before=date(2026, 6, 1))
    Job.objects.filter(end__lt=kst(2026, 6, 1)).delete()
    rebuilt = rebuild([LEAF], first=date(2026, 1, 1), last=date(2026, 12, 31))
    assert (rebuilt.first, rebuilt.differing, usage()) == (date(2026, 6, 1), [], history)


def test_the_command_says_what_it_did(history, capsys):
    call_command("usage", "rebuild", "--project", "p26001", "--year", "2026")
    assert "Everything was as it should be." in capsys.readouterr().out
    UsageDay.objects.filter(day=date(2026, 3, 29)).update(gpu_seconds=1)
    with pytest.raises(CommandError, match="and are now: 1"):
        call_command("usage", "rebuild", "--account", LEAF, "--year", "2026")
    assert "2026-03-29 p26001-h100 user0 was corrected." in capsys.readouterr().out
    with pytest.raises(CommandError, match="no project 'p26999'"):
        call_command("usage", "rebuild", "--project", "p26999")


# --- Charges ---


def charges(project):
    return [line.charged_gpu_seconds for grant in project.grants.order_by("pk") for line in grant.lines.all()]


def second_by_second(project):
    """The same charges from the job rows alone, cut at every border."""
    account = project.accounts.get()
    lines = lines_of({project.pk})[project.pk, account.pool_id]
    runs = list(runs_of(Job.objects.filter(account=account.name)))
    moments = sorted({kst(2026, 1, 1), *borders_of(lines), kst(2028, 1, 1)})
    pieces = [
        Piece(start, end, sum(charged_gpu_seconds(run, start, end) for run in runs))
        for start, end in itertools.pairwise(moments)
    ]
    charged = attribute(pieces, lines).charged
    return [charged[line.pk] for grant in project.grants.order_by("pk") for line in grant.lines.all()]


spans = st.tuples(st.integers(0, 200 * 24), st.integers(1, 90 * 24))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(grants=st.lists(spans, min_size=1, max_size=4), jobs=st.lists(spans, min_size=1, max_size=6))
def test_charges_from_months_days_and_rows_are_those_of_the_rows(grants, jobs):
    project = ProjectFactory(created_at=kst(2026, 1, 1))
    for start, length in grants:
        starts_at = kst(2026, 1, 1) + start * HOUR
        GrantFactory(project=project, hours=200, starts_at=starts_at, ends_at=starts_at + length * HOUR)
    name = project.accounts.get().name
    store_rows(
        [job(account=name, start=kst(2026, 1, 1) + start * HOUR, hours=length / 4, gpus=1) for start, length in jobs],
        at=AT,
    )
    assert charges(project) == second_by_second(project)


def test_only_rows_of_days_with_a_border_are_read(project, monkeypatch):
    read = []
    monkeypatch.setattr("accounting.balance.runs_of", lambda jobs: read.extend(jobs) or runs_of(jobs))
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 1, 1), ends_at=kst(2026, 6, 10, 12))
    on_the_day = job(start=kst(2026, 6, 10, 11), hours=2)
    store_rows([job(start=kst(2026, month, 3)) for month in range(1, 12)] + [on_the_day], at=AT)
    assert [row.display_id for row in read] == [on_the_day.display_id]


def test_a_sealed_day_without_its_rows_still_charges_all_it_used(project):
    grant = GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    SuspensionFactory(grant=grant, since=kst(2026, 3, 5, 16))
    store_rows([job(start=kst(2026, 3, 5, 10), hours=10, gpus=1)], at=AT)
    row = UsageDay.objects.get()
    for gpu_seconds in (row.gpu_seconds + 100, row.gpu_seconds - 5 * 3600, 7):
        UsageDay.objects.update(gpu_seconds=gpu_seconds)
        UsageMonth.objects.update(gpu_seconds=gpu_seconds)
        recharge([LEAF])
        assert charges(project) == [gpu_seconds]
    Job.objects.all().delete()
    recharge([LEAF])
    assert charges(project) == [7]


def test_pieces_may_be_cut_at_another_moment(project):
    GrantFactory(project=project, hours=100, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    store_rows([job(start=kst(2026, 4, 5, 10), hours=10, gpus=1), job(start=kst(2026, 4, 9), gpus=1)], at=AT)
    lines = lines_of({project.pk})[project.pk, project.accounts.get().pool_id]
    moment = kst(2026, 4, 5, 13)
    pieces = pieces_by_account({LEAF: lines}, moment)[LEAF]
    assert sum(piece.gpu_seconds for piece in pieces if piece.end <= moment) == 3 * 3600
    assert sum(piece.gpu_seconds for piece in pieces) == 11 * 3600
    assert timedelta(0) < max(piece.end - piece.start for piece in pieces) <= timedelta(days=1)


# --- Counted before there were CPU-seconds ---


def test_an_upgrade_counts_anew_and_takes_no_old_row_for_a_changed_one(history):
    store_rows([job(start=kst(2026, 2, 3), gpus=0, kind="")], at=AT)
    right = usage()
    for model in (UsageDay, UsageMonth):
        model.objects.filter(gpu_seconds=0).delete()
        model.objects.update(cpu_seconds=0)
    Job.objects.update(changed_at=kst(2027, 1, 1))
    migration = import_module("accounting.migrations.0004_append_only")
    with connection.cursor() as cursor:
        cursor.execute(migration.CHANGED)
    migration.count_cpu_seconds(None, None)
    summed()
    assert usage() == right
    assert set(Job.objects.values_list("changed_at", flat=True)) == {AT}
