"""The nightly check: books in order are found in order, and whatever is broken on purpose is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import translation

from accounting.history.store import store_rows
from accounting.ledger_check import grants
from accounting.ledger_check.run import CHECKS, MOST_NAMED, check_ledger, check_when_due, results_of
from accounting.models import (
    IngestMark,
    Job,
    LedgerCheck,
    Refund,
    Statement,
    UsageDay,
    UsageMonth,
    UsageSum,
)
from accounting.refunds.rule import refund_by_rule, rule_ensure
from accounting.statements.closing import statement_close
from allocations.models import DecisionLine, GrantLine, LedgerEntry, Overrun
from allocations.services.overruns import line_settle, overrun_carry
from tests.accounting.histories import job
from tests.factories import HOUR, DecisionFactory, GrantFactory, LedgerEntryFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db

END = kst(2026, 4, 1)
AT = kst(2026, 4, 10, 12)


@pytest.fixture
def books():
    """A grant that was overrun in March and settled, the next one that bears it, a job that was refunded, a job that
    runs, and March closed."""
    project = ProjectFactory(code="p26001", created_at=kst(2026, 2, 25))
    first = GrantFactory(project=project, hours=10, starts_at=kst(2026, 3, 1), ends_at=END)
    decision = DecisionFactory(application=first.application, hours=0)
    [line] = first.lines.all()
    DecisionLine.objects.create(decision=decision, pool=line.pool, awarded_gpu_seconds=10 * HOUR)
    after = GrantFactory(project=project, hours=100, hours__pool=line.pool, starts_at=END, ends_at=kst(2026, 9, 1))
    rule_ensure(kst(2026, 3, 1))
    rows = [
        job(start=kst(2026, 3, 1, 23), hours=4, gpus=3),
        job(start=kst(2026, 3, 20), hours=2, gpus=1, user="lee", state="NODE_FAIL"),
        job(start=kst(2026, 4, 2), hours=None, gpus=1, user="lee"),
        job(account="physics", user="park", gpus=0, kind=""),
    ]
    store_rows(rows, at=AT)
    line_settle(line=GrantLine.objects.get(pk=line.pk), at=END + timedelta(hours=2))
    overrun_carry(overrun=Overrun.objects.get(), to=after.lines.get(), at=END + timedelta(hours=2))
    refund_by_rule(AT)
    IngestMark.objects.update_or_create(cluster="pohang", defaults={"read_until": AT})
    by = UserFactory(roles=["operator"])
    statement_close(project=project, month=date(2026, 3, 1), by=by, at=AT, reason="for the auditors")
    assert checked() == {}
    return project


def checked(at=AT) -> dict[str, list[str]]:
    """The sentences of each check that found something."""
    with translation.override("en"):
        check = check_ledger(at=at)
        found = {row["check"]: list(result.named) for row, result in zip(check.results, results_of(check), strict=True)}
    assert check.wrong == sum(map(len, found.values()))
    return {name: sentences for name, sentences in found.items() if sentences}


def tamper(model, statement: str) -> None:
    """As somebody could who has the whole database in their hands."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(statement)
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_books_in_order_are_found_in_order_and_every_check_looked_at_something(books):
    check = LedgerCheck.objects.get()
    assert [row["check"] for row in check.results] == [check.name for check in CHECKS]
    assert all(row["checked"] for row in check.results)
    assert (Overrun.objects.get().gpu_seconds, Refund.objects.get().refunded_gpu_seconds) == (4 * HOUR, 2 * HOUR)


def test_a_balance_that_is_not_the_sum_of_its_ledger(books, monkeypatch):
    shown = grants.account_balance
    monkeypatch.setattr(grants, "account_balance", lambda *them: replace(shown(*them), overrun=0))
    [sentence] = checked()["balances"]
    assert sentence == "p26001-h100: 0 GPU-seconds are shown as left; ledger less charges comes to -388,800."


def test_an_award_that_nobody_decided(books):
    DecisionLine.objects.update(awarded_gpu_seconds=9 * HOUR)
    [sentence] = checked()["awards"]
    assert sentence.endswith("the ledger awards 36,000 GPU-seconds; 32,400 were decided.")


def test_an_overrun_that_is_not_what_the_ledger_makes_up_for(books):
    Overrun.objects.update(gpu_seconds=F("gpu_seconds") - 1)
    found = checked()
    assert len(found["overruns"]) == 2
    assert "makes up for 14,400 GPU-seconds of overruns; 14,399 were dealt with" in found["overruns"][0]
    assert "14,399 are named as such" in found["settlements"][0]


def test_a_settlement_that_says_another_amount_or_none(books):
    settled = GrantLine.objects.filter(settled_at__isnull=False)
    settled.update(settled_gpu_seconds=F("settled_gpu_seconds") + HOUR)
    assert "an overrun of 18,000 GPU-seconds; 14,400 are named as such" in checked()["settlements"][0]
    settled.update(settled_gpu_seconds=None)
    assert "without an amount" in checked()["settlements"][0]


def test_a_refund_that_is_not_in_the_ledger_and_one_that_is_of_no_job(books):
    Refund.objects.update(refunded_gpu_seconds=F("refunded_gpu_seconds") + 7)
    assert "the ledger gives back 7,200 GPU-seconds; 7,207 were refunded" in checked()["refunds"][0]
    LedgerEntryFactory(line=GrantLine.objects.last(), kind=LedgerEntry.Kind.REFUND, gpu_seconds=60, at=AT)
    assert "Job ?: the ledger gives back 60 GPU-seconds; 0 were refunded." in checked()["refunds"]


def test_a_month_that_is_not_the_sum_of_its_days(books):
    UsageMonth.objects.filter(user_name="park").update(cpu_seconds=F("cpu_seconds") + 1)
    found = checked()
    assert list(found) == ["months"]
    said = "physics, park, 2026-03: usage by month says 0 / 28,801 / 1; its days come to 0 / 28,800 / 1"
    assert found["months"][0].startswith(said)
    UsageMonth.objects.filter(user_name="park").delete()
    assert list(checked()) == ["months"]


def test_a_sum_that_is_not_that_of_its_persons(books):
    UsageSum.objects.filter(account_name="physics").update(jobs=F("jobs") + 1)
    found = checked()
    assert list(found) == ["sums"]
    said = "physics, 2026-03-02: the sum over all persons says 0 / 28,800 / 2; their rows come to 0 / 28,800 / 1"
    assert found["sums"][0].startswith(said)
    assert found["sums"][1].startswith("physics, 2026-03: the sum over all persons says")
    UsageSum.objects.filter(account_name="physics").delete()
    assert list(checked()) == ["sums"]
    row = UsageSum.objects.create(
        day=date(2026, 3, 2), account_name="nobody", gpu_kind="h100", gpu_seconds=1, cpu_seconds=0, jobs=0
    )
    assert any(sentence.startswith(row.account_name) for sentence in checked()["sums"])


def test_a_day_that_is_not_what_its_jobs_held(books, monkeypatch):
    monkeypatch.setattr("accounting.ledger_check.usage.SAMPLE", 5_000)  # so that chance leaves none out
    for model in (UsageDay, UsageMonth):
        rows = model.objects.filter(account_name="p26001-h100", user_name="kim")
        rows.filter(pk__in=rows.order_by("-pk").values("pk")[:1]).update(gpu_seconds=F("gpu_seconds") + 1)
    found = checked()
    total = "p26001-h100, 2026-03: usage by day says 50,401 / 172,800 / 2; the jobs come to 50,400 / 172,800 / 2"
    assert found["days"][0].startswith(total)
    assert len(found["days"]) == 2  # in all, and the day itself from the sample
    assert "p26001-h100, kim, 2026-03-0" in found["days"][1]


def test_a_job_whose_usage_is_missing_and_usage_without_a_job(books):
    UsageDay.objects.filter(account_name="physics").delete()
    assert "physics, 2026-03: usage by day says 0 / 0 / 0" in checked()["days"][0]
    Job.objects.filter(account="physics").delete()
    assert list(checked()) == ["months", "sums"]


def test_days_that_are_sealed_need_no_jobs_any_more(books):
    IngestMark.objects.update(sealed_before=date(2026, 3, 20))
    Job.objects.filter(user__in=["kim", "park"]).delete()
    assert checked() == {}
    Job.objects.filter(user="lee", state="RUNNING").delete()
    assert list(checked()) == ["days"]


def test_charges_that_leave_out_some_use_or_are_of_the_wrong_line(books):
    line = GrantLine.objects.first()
    GrantLine.objects.filter(pk=line.pk).update(charged_gpu_seconds=F("charged_gpu_seconds") - 60)
    whole, by_line = checked()["charges"]
    assert whole.startswith("p26001-h100 used ")
    assert "is charged 50,340 GPU-seconds; its turn in use comes to 50,400" in by_line


def test_a_statement_whose_columns_or_sums_were_changed(books):
    tamper(Statement, "UPDATE accounting_statement SET used_gpu_seconds = used_gpu_seconds + 1")
    [sentence] = checked()["statements"]
    assert sentence.endswith("its sums are not those of its columns.")
    moved = "jsonb_set(figures, '{pools,0,carried}', '60'), used_gpu_seconds = used_gpu_seconds - 1"
    tamper(Statement, f"UPDATE accounting_statement SET figures = {moved}")
    off, chain = checked()["statements"]
    assert off.endswith("the columns are off by -60 GPU-seconds.")
    assert chain.endswith("does not go on from what the one before says is left.")


def test_a_statement_that_is_missing_from_the_numbers_or_cannot_be_read(books):
    tamper(Statement, "UPDATE accounting_statement SET number = '2026-000003'")
    assert checked()["statements"] == ["Numbers of statements of 2026 are missing: 000001, 000002"]
    tamper(Statement, "UPDATE accounting_statement SET figures = '{}'")
    assert "Statement 2026-000003 cannot be read." in checked()["statements"]


@pytest.mark.parametrize("how", ["DISABLE TRIGGER USER", "DISABLE TRIGGER ALL"])
@pytest.mark.parametrize("table", ["allocations_ledgerentry", "events_event", "accounting_statement"])
def test_a_table_that_no_longer_refuses_changes(db, table, how):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} {how}")
    assert checked()["triggers"] == [
        f"The table {table} no longer refuses changes: its trigger is missing or switched off."
    ]


def test_a_check_that_cannot_be_made_is_said_and_the_others_go_on(books, monkeypatch):
    def fails(*names):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    monkeypatch.setattr(grants, "account_balance", fails)
    tamper(UsageMonth, "UPDATE accounting_usagemonth SET jobs = jobs + 1")
    found = checked()
    assert "division by zero" in found.pop("balances")[0]
    assert list(found) == ["months"]


def test_of_many_findings_the_first_are_named_and_all_are_counted(books):
    rows = [job(account="physics", user=f"u{number:03d}") for number in range(MOST_NAMED + 5)]
    store_rows(rows, at=AT)
    UsageMonth.objects.filter(account_name="physics").delete()
    check = check_ledger(at=AT)
    [months] = [row for row in check.results if row["check"] == "months"]
    assert (months["count"], len(months["wrong"])) == (MOST_NAMED + 6, MOST_NAMED)
    assert [result.unnamed for result in results_of(check) if result.wrong] == [6]


def test_it_is_done_once_after_each_three_o_clock_in_seoul(books):
    LedgerCheck.objects.all().delete()
    assert check_when_due(kst(2026, 4, 11, 2, 59))
    assert check_when_due(kst(2026, 4, 11, 2, 59)) is None
    assert check_when_due(kst(2026, 4, 11, 3))
    assert check_when_due(kst(2026, 4, 12, 2, 59)) is None
    assert check_when_due(kst(2026, 4, 12, 17))


def test_the_command_lists_what_was_checked_and_fails_on_a_finding(books, capsys):
    with time_machine.travel(AT, tick=False):
        call_command("usage", "check")
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == len(CHECKS)
        assert all(line.endswith(" checked, 0 wrong") for line in lines)
        UsageMonth.objects.all().delete()
        with pytest.raises(CommandError) as error:
            call_command("usage", "check", "--json")
    assert error.value.returncode == 1
    told = json.loads(capsys.readouterr().out)
    assert told["wrong"] == sum(row["count"] for row in told["results"]) > 0


def test_the_operator_is_told_and_reads_what_was_found(client, books, english):
    client.force_login(UserFactory(roles=["operator"], language="en"))
    assert "The nightly check found" not in client.get(reverse("operations")).content.decode()
    UsageMonth.objects.all().delete()
    checked()
    assert "The nightly check found" in client.get(reverse("operations")).content.decode()
    page = client.get(reverse("operations_verification")).content.decode()
    assert "p26001-h100, kim, 2026-03: usage by month says 0 / 0 / 0; its days come to 43,200 / 115,200 / 1" in page
