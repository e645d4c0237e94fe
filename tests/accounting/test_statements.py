"""Statements: their columns add up, closed ones stay, and what becomes known later stands in the open month."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module

import pytest
from django.db import InternalError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from accounting.attribution import Line, Piece
from accounting.history.store import store_rows
from accounting.history.sums import sum_up
from accounting.models import IngestMark, Statement, UsageDay, UsageMonth, Verification
from accounting.statements.closing import Known, close_due, is_overdue, projects_to_close, statement_close
from accounting.statements.compose import content_as_now, content_so_far
from accounting.statements.content import Standing, content_of
from accounting.statements.months import month_bounds, months_between, next_month, parse_month
from accounting.statements.movement import corrections, lapses, standing_at
from accounting.usage import day_bounds, day_start
from allocations.models import Account, LedgerEntry
from allocations.services.outcomes import Refused
from allocations.workflow import LostRace
from tests.accounting.histories import job
from tests.factories import (
    AccountFactory,
    GrantFactory,
    GrantLineFactory,
    LedgerEntryFactory,
    PoolFactory,
    ProjectFactory,
    UserFactory,
    kst,
)

HOUR = 3600
MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)
AT = kst(2026, 4, 5)


def use(day: date, hours: int, account="p26001-h100", user="kim", **key) -> None:
    """What was used on a day, put beside what is there; as the tables hold it once the job rows are stored."""
    key = {"account_name": account, "user_name": user, "gpu_kind": "h100", "partition": "h100", "state": "COMPLETED",
           "provisional": False} | key  # fmt: skip
    owner = Account.objects.filter(name=account).first()
    for model, when in ((UsageDay, {"day": day}), (UsageMonth, {"month": day.replace(day=1)})):
        row, _ = model.objects.get_or_create(
            **key, **when, defaults={"account": owner, "gpu_seconds": 0, "cpu_seconds": 0, "jobs": 0}
        )
        row.gpu_seconds += hours * HOUR
        row.cpu_seconds += hours * HOUR * 8
        row.jobs += 1
        row.save()
    sum_up({(day, account)})


def known(until, verified=True, disputed=()) -> None:
    """All was read from Slurm and held against its own figures up to then."""
    IngestMark.objects.update_or_create(cluster="pohang", defaults={"read_until": until})
    if verified:
        Verification.objects.create(
            period_start=until - timedelta(days=1), period_end=until, at=until, compared=1, gpu_seconds=0,
            unexplained_gpu_seconds=0, covered_until=until, disputed=list(disputed),
        )  # fmt: skip


@pytest.fixture
def project(db):
    return ProjectFactory(code="p26001", created_at=kst(2026, 3, 1))


@pytest.fixture
def grant(project):
    grant = GrantFactory(project=project, hours=0, starts_at=kst(2026, 3, 1), ends_at=kst(2026, 9, 1))
    line = GrantLineFactory(grant=grant, hours=0)
    LedgerEntryFactory(line=line, gpu_seconds=1000 * HOUR, at=kst(2026, 3, 1, 9))
    return grant


def pool_of(statement: Statement):
    return content_of(statement.figures).pools[0]


def close(month: date, at=None) -> Statement:
    at = at or day_start(next_month(month) + timedelta(days=4))
    known(at)
    close_due(at)
    return Statement.objects.get(month=month)


# --- The columns add up ---

moments = st.integers(0, 5 * 30).map(lambda days: kst(2026, 3, 1) + timedelta(days=days))
pieces = st.lists(
    st.builds(
        lambda day, hours: Piece(*day_bounds(date(2026, 3, 1) + timedelta(days=day)), hours * HOUR),
        st.integers(0, 150),
        st.integers(1, 500),
    ),
    max_size=12,
)
lines = st.lists(
    st.builds(
        lambda key, start, days, granted, covered: Line(
            key, start, start + timedelta(days=days), granted * HOUR, covered_gpu_seconds=covered * HOUR
        ),
        st.integers(1, 99),
        moments,
        st.integers(1, 90),
        st.integers(0, 900),
        st.integers(0, 50),
    ),
    max_size=3,
    unique_by=lambda line: line.key,
)


@given(first_lines=lines, first=pieces, then_lines=lines, then=pieces)
def test_from_any_standing_to_any_other_the_movements_are_the_difference(first_lines, first, then_lines, then):
    """Grants may change, use may be corrected, come late or vanish: nothing is lost between two statements."""
    before = standing_at(first_lines, first, month_bounds(MARCH)[1])
    after = standing_at(then_lines, then, month_bounds(APRIL)[1])
    entered = sum(line.granted_gpu_seconds for line in then_lines) - sum(
        line.granted_gpu_seconds for line in first_lines
    )
    used = after.months.get(APRIL, 0)
    corrected = sum(row.gpu_seconds for row in corrections(before.months, after.months, APRIL))
    lapsed = sum(lapses(before.lapsed, after.lapsed).values())
    outside = after.outside - before.outside
    assert before.left + entered - used - corrected + outside - lapsed == after.left


def test_nothing_stated_is_a_standing_of_nothing():
    assert standing_at([], [], kst(2026, 4, 1)) == Standing()


# --- A month ---


def test_a_month_names_what_came_in_who_used_what_and_what_is_left(grant):
    use(date(2026, 3, 2), 100)
    use(date(2026, 3, 3), 20, state="FAILED")
    use(date(2026, 3, 31), 5, user="lee", gpu_kind="a100")
    use(date(2026, 4, 1), 7)
    LedgerEntryFactory(
        line=grant.lines.get(), kind=LedgerEntry.Kind.REFUND, gpu_seconds=20 * HOUR, reason="노드 장애", by=None,
        job_key="pohang/77", at=kst(2026, 3, 20),
    )  # fmt: skip
    pool = pool_of(close(MARCH))
    assert (pool.carried, pool.entered, pool.used, pool.left) == (0, 1020 * HOUR, 125 * HOUR, 895 * HOUR)
    assert [(row.user_name, row.gpu_seconds // HOUR, row.jobs) for row in pool.by_person()] == [
        ("kim", 120, 2),
        ("lee", 5, 1),
    ]
    assert {row.gpu_kind: row.gpu_seconds // HOUR for row in pool.by_kind()} == {"h100": 120, "a100": 5}
    assert {row.state: row.cpu_seconds // HOUR for row in pool.by_state()} == {"COMPLETED": 840, "FAILED": 160}
    assert [(entry.kind, entry.job) for entry in pool.entries] == [("award", ""), ("refund", "pohang/77")]
    assert pool.unaccounted == 0


def test_a_closed_month_is_carried_over_and_its_correction_stands_in_the_open_one(grant):
    use(date(2026, 3, 2), 100)
    march = close(MARCH)
    use(date(2026, 3, 2), 3)  # reported late
    use(date(2026, 4, 2), 10)
    april = pool_of(close(APRIL))
    march.refresh_from_db()
    assert pool_of(march).used == 100 * HOUR
    assert april.carried == pool_of(march).left == 900 * HOUR
    assert [(row.month, row.stated, row.now) for row in april.corrections] == [(MARCH, 100 * HOUR, 103 * HOUR)]
    assert (april.used, april.left, april.unaccounted) == (10 * HOUR, 887 * HOUR, 0)
    now = content_as_now(grant.project, MARCH, kst(2026, 5, 6)).pools[0]
    assert (now.used, now.left, list(now.corrections)) == (103 * HOUR, 897 * HOUR, [])
    may = pool_of(close(MAY))
    assert (may.carried, list(may.corrections)) == (887 * HOUR, [])


def test_what_is_left_at_a_grants_end_lapses_and_returns_where_the_grant_is_extended(grant):
    grant.ends_at = kst(2026, 4, 1)  # "until 31 March"
    grant.save()
    use(date(2026, 3, 2), 100)
    march = pool_of(close(MARCH))
    assert (march.lapsed, march.left, march.unaccounted) == (900 * HOUR, 0, 0)
    assert [lapse.grant for lapse in march.lapses] == [grant.reference]
    grant.ends_at = kst(2026, 9, 1)
    grant.save()
    april = pool_of(close(APRIL))
    assert (april.carried, april.lapsed, april.left, april.unaccounted) == (0, -900 * HOUR, 900 * HOUR, 0)


def test_an_overrun_is_carried_as_a_minus_until_the_ledger_settles_it(grant):
    grant.ends_at = kst(2026, 3, 21)
    grant.save()
    use(date(2026, 3, 2), 1010)
    march = pool_of(close(MARCH))
    assert (march.left, march.lapsed) == (-10 * HOUR, 0)
    written_off = {"kind": LedgerEntry.Kind.WRITE_OFF, "gpu_seconds": 10 * HOUR}
    LedgerEntryFactory(line=grant.lines.get(), at=kst(2026, 4, 9), **written_off)
    april = pool_of(close(APRIL))
    assert (april.carried, april.entered, april.left, april.unaccounted) == (-10 * HOUR, 10 * HOUR, 0, 0)


def test_use_before_any_grant_is_shown_and_not_charged(grant):
    grant.starts_at = kst(2026, 3, 10)
    grant.save()
    use(date(2026, 3, 2), 4)
    use(date(2026, 3, 12), 6)
    march = pool_of(close(MARCH))
    assert (march.used, march.outside, march.left) == (10 * HOUR, 4 * HOUR, 994 * HOUR)


def test_running_jobs_count_with_what_they_used_of_the_month(grant):
    use(date(2026, 3, 31), 8, state="RUNNING", provisional=True)
    assert pool_of(close(MARCH)).used == 8 * HOUR


def test_a_statement_follows_from_the_job_rows_as_slurm_gave_them(grant):
    """Over the month's border, still running, without GPUs, and across the moment at which the grant begins."""
    grant.starts_at = kst(2026, 3, 2, 12)
    grant.save()
    rows = [
        job(start=kst(2026, 3, 2, 11), hours=2, gpus=1),
        job(start=kst(2026, 3, 31, 22), hours=4, gpus=2),
        job(start=kst(2026, 3, 31, 23), hours=None, gpus=1, user="lee"),
        job(start=kst(2026, 3, 5), hours=3, gpus=0),
    ]
    store_rows(rows, at=kst(2026, 4, 6))
    march = pool_of(close(MARCH))
    assert (march.used, march.outside, march.left) == (7 * HOUR, 1 * HOUR, 994 * HOUR)
    assert (march.cpu_seconds, march.jobs) == (8 * 8 * HOUR, 4)
    store_rows([replace(rows[2], end=kst(2026, 4, 6), state="COMPLETED")], at=kst(2026, 4, 7))
    assert content_as_now(grant.project, MARCH, kst(2026, 4, 8)).used == 7 * HOUR


def test_each_pool_stands_for_itself(grant):
    LedgerEntryFactory(
        line=GrantLineFactory(grant=grant, pool=PoolFactory(code="a100"), hours=0), gpu_seconds=50 * HOUR,
        at=kst(2026, 3, 1, 9),
    )  # fmt: skip
    use(date(2026, 3, 2), 60, account="p26001-a100")
    content = content_of(close(MARCH).figures)
    assert {pool.code: pool.left // HOUR for pool in content.pools} == {"h100": 1000, "a100": -10}
    assert content.used == 60 * HOUR


def test_an_entry_that_came_after_the_closing_with_an_earlier_date_stands_in_the_next(grant):
    close(MARCH)
    supplement = {"kind": LedgerEntry.Kind.SUPPLEMENT, "gpu_seconds": 5 * HOUR}
    LedgerEntryFactory(line=grant.lines.get(), at=kst(2026, 3, 30), **supplement)
    april = pool_of(close(APRIL))
    assert (april.entered, april.unaccounted) == (5 * HOUR, 0)


def test_the_open_month_goes_on_from_the_closed_one_up_to_now(grant):
    use(date(2026, 3, 2), 100)
    close(MARCH)
    use(date(2026, 3, 2), 1)
    use(date(2026, 4, 7), 2)
    so_far = content_so_far(grant.project, APRIL, kst(2026, 4, 8)).pools[0]
    assert (so_far.carried, so_far.used, so_far.corrected, so_far.left) == (900 * HOUR, 2 * HOUR, HOUR, 897 * HOUR)


def test_a_month_after_one_that_is_not_closed_yet_names_no_corrections(grant):
    use(date(2026, 3, 2), 100)
    so_far = content_so_far(grant.project, APRIL, kst(2026, 4, 3)).pools[0]
    assert (so_far.carried, so_far.entered, so_far.left) == (900 * HOUR, 0, 900 * HOUR)
    assert list(so_far.corrections) == []


# --- Closing ---


def test_a_month_waits_until_it_is_over_read_due_and_verified(grant):
    def waits(at):
        return Known.now().waits(MARCH, at, ["p26001-h100"])

    assert waits(kst(2026, 3, 31, 23)) == ["lasts"]
    assert waits(kst(2026, 4, 2)) == ["unread", "day", "unverified"]
    known(kst(2026, 4, 1), verified=False)
    assert waits(kst(2026, 4, 5)) == ["unverified"]
    assert close_due(kst(2026, 4, 5)) == 0
    known(kst(2026, 4, 1))
    assert waits(kst(2026, 4, 4, 23)) == ["day"]
    assert close_due(kst(2026, 4, 4, 23)) == 0
    assert close_due(kst(2026, 4, 5)) == 1
    assert close_due(kst(2026, 4, 6)) == 0


def test_a_difference_from_slurm_holds_up_its_own_project_only_and_that_in_order(grant):
    other = GrantFactory(project=ProjectFactory(code="p26002", created_at=kst(2026, 3, 2)), hours=0)
    LedgerEntryFactory(line=GrantLineFactory(grant=other, hours=0), at=kst(2026, 3, 3))
    row = {"account": "p26001-h100", "user": "kim", "since": "2026-03-09T00:00:00+00:00"}
    known(kst(2026, 5, 5), disputed=[row | {"until": "2026-03-09T01:00:00+00:00"}])
    assert close_due(kst(2026, 5, 5)) == 2
    assert set(Statement.objects.values_list("project__code", flat=True)) == {"p26002"}
    known(kst(2026, 5, 6))
    assert close_due(kst(2026, 5, 6)) == 2
    months = Statement.objects.filter(project=grant.project).order_by("number").values_list("month", flat=True)
    assert list(months) == [MARCH, APRIL]


def test_months_that_were_missed_are_closed_in_order_and_numbered_without_gaps(grant):
    other = GrantFactory(project=ProjectFactory(code="p26002", created_at=kst(2026, 4, 2)), hours=0)
    LedgerEntryFactory(line=GrantLineFactory(grant=other, hours=0), at=kst(2026, 4, 3))
    known(kst(2026, 6, 7))
    assert close_due(kst(2026, 6, 7)) == 5
    found = Statement.objects.order_by("number").values_list("number", "month", "project__code")
    assert list(found) == [
        ("2026-000001", MARCH, "p26001"),
        ("2026-000002", APRIL, "p26001"),
        ("2026-000003", APRIL, "p26002"),
        ("2026-000004", MAY, "p26001"),
        ("2026-000005", MAY, "p26002"),
    ]


def test_numbers_begin_anew_with_the_year_in_which_they_are_given(grant):
    grant.ends_at = kst(2027, 3, 1)
    grant.save()
    known(kst(2027, 2, 7))
    close_due(kst(2026, 4, 5))
    close_due(kst(2027, 2, 7))
    numbers = list(Statement.objects.order_by("month").values_list("number", flat=True))
    assert numbers == ["2026-000001", *[f"2027-{number:06d}" for number in range(1, 11)]]


def test_a_project_at_rest_gets_no_more_statements_until_something_of_it_is_corrected(grant):
    grant.ends_at = kst(2026, 3, 21)
    grant.save()
    use(date(2026, 3, 2), 10)
    close(MARCH)
    known(kst(2026, 5, 7))
    assert projects_to_close(APRIL, kst(2026, 5, 7)) == []
    use(date(2026, 3, 3), 2)
    assert projects_to_close(APRIL, kst(2026, 5, 7)) == [grant.project]
    april = pool_of(close(APRIL))
    assert (april.corrected, april.lapsed, april.left) == (2 * HOUR, -2 * HOUR, 0)


def test_what_was_stated_of_an_account_that_was_unlinked_since_is_taken_back(grant):
    a100 = AccountFactory(project=grant.project, pool=PoolFactory(code="a100"), name="old-group")
    use(date(2026, 3, 2), 9, account="old-group")
    assert content_of(close(MARCH).figures).used == 9 * HOUR
    UsageDay.objects.update(account=None)
    UsageMonth.objects.update(account=None)
    a100.delete()
    known(kst(2026, 6, 7))
    close_due(kst(2026, 6, 7))
    april, may = (content_of(Statement.objects.get(month=month).figures) for month in (APRIL, MAY))
    assert (april.corrected, may.corrected) == (-9 * HOUR, 0)
    assert not any(pool.unaccounted for content in (april, may) for pool in content.pools)


def test_the_operators_are_told_of_a_month_that_is_late(grant, settings):
    assert not is_overdue(kst(2026, 4, 7))
    assert is_overdue(kst(2026, 4, 8))
    close(MARCH)
    assert not is_overdue(kst(2026, 4, 8))


def test_a_project_that_fails_keeps_no_other_from_its_statement(grant, monkeypatch):
    other = GrantFactory(project=ProjectFactory(code="p26002", created_at=kst(2026, 3, 2)), hours=0)
    LedgerEntryFactory(line=GrantLineFactory(grant=other, hours=0), at=kst(2026, 3, 3))
    from accounting.statements import closing

    def broken(project, month):
        if project.code == "p26001":
            raise ValueError("broken")
        return content(project, month)

    content = closing.content_to_close
    monkeypatch.setattr(closing, "content_to_close", broken)
    known(AT)
    assert close_due(AT) == 1
    assert Statement.objects.get().project == other.project


def test_what_does_not_add_up_is_not_frozen(grant, monkeypatch):
    from accounting.statements import closing

    known(AT)
    # A second grant begins within the month: what lines are charged is read by the day.
    GrantFactory(project=grant.project, starts_at=kst(2026, 3, 15), ends_at=kst(2026, 9, 1))
    use(date(2026, 3, 2), 1)
    UsageMonth.objects.update(gpu_seconds=5)  # in between, the days say an hour
    with pytest.raises(Refused, match="p26001-h100"):
        closing.statement_close(project=grant.project, month=MARCH, by=None, at=AT)
    assert not Statement.objects.exists()


def test_an_operator_may_close_before_the_day_but_not_before_the_jobs_are_read(grant):
    operator, at = UserFactory(roles=["operator"]), kst(2026, 4, 2)
    with pytest.raises(Refused):
        statement_close(project=grant.project, month=MARCH, by=operator, at=at, reason="감사")
    known(kst(2026, 4, 1), verified=False)
    with pytest.raises(Refused):
        statement_close(project=grant.project, month=MARCH, by=None, at=at)
    statement = statement_close(project=grant.project, month=MARCH, by=operator, at=at, reason="감사")
    assert statement.closed_by == operator
    with pytest.raises(LostRace):
        statement_close(project=grant.project, month=MARCH, by=operator, at=at, reason="감사")


@pytest.mark.parametrize("act", ["update", "delete"])
def test_the_database_itself_refuses_to_change_a_statement(grant, act):
    close(MARCH)
    statements = Statement.objects.all()
    with pytest.raises(InternalError, match="never changed or deleted"), transaction.atomic():
        statements.update(number="2026-999999") if act == "update" else statements._raw_delete(statements.db)


def test_a_frozen_statement_reads_as_it_was_written(grant):
    use(date(2026, 3, 2), 100)
    content = content_so_far(grant.project, MARCH, kst(2026, 4, 1))
    assert content_of(content.as_json()) == content


def test_the_migration_fills_months_from_the_days_that_are_there_and_can_be_taken_back(grant):
    for day in (date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1)):
        use(day, 2)
    kept = list(UsageMonth.objects.order_by("month").values_list(*UsageMonth.KEY, *UsageMonth.AMOUNTS, "account"))
    migration = import_module("accounting.migrations.0004_append_only")
    with connection.cursor() as cursor:
        for statement in (migration.DROP, migration.EMPTY, migration.CREATE, migration.FILL):
            cursor.execute(statement)
    now = UsageMonth.objects.order_by("month").values_list(*UsageMonth.KEY, *UsageMonth.AMOUNTS, "account")
    assert list(now) == kept


def test_months():
    assert list(months_between(date(2026, 11, 1), date(2027, 2, 1)))[1:] == [
        date(2026, 12, 1),
        date(2027, 1, 1),
        date(2027, 2, 1),
    ]
    assert parse_month("2028-02") == date(2028, 2, 1)
    with pytest.raises(ValueError):
        parse_month("2028-13")
