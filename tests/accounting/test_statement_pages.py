"""Statements and the ledger as pages and files: who sees them, and what a spreadsheet makes of them."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse
from openpyxl import load_workbook

from accounting.models import Job, Statement
from accounting.statements.closing import close_due
from allocations.models import LedgerEntry
from portal.events.models import Event
from tests.accounting.test_pages import words
from tests.accounting.test_statements import HOUR, MARCH, grant, known, project, use  # noqa: F401  (fixtures)
from tests.factories import LedgerEntryFactory, MembershipFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
NOW = kst(2026, 4, 8, 12)
MOST_QUERIES = 24


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def closed(grant):  # noqa: F811
    """March is closed, an hour of it was found later, April is open."""
    pi = grant.project.pi
    pi.name_en, pi.cluster_username = "=Kim", "kim"
    pi.save()
    use(date(2026, 3, 2), 100)
    use(date(2026, 3, 3), 20, state="TIMEOUT")
    LedgerEntryFactory(
        line=grant.lines.get(), kind=LedgerEntry.Kind.REFUND, gpu_seconds=20 * HOUR, reason="+노드 장애", by=None,
        job_key="pohang/77", at=kst(2026, 3, 20),
    )  # fmt: skip
    known(kst(2026, 4, 8))
    close_due(kst(2026, 4, 8))
    use(date(2026, 3, 4), 1)
    use(date(2026, 4, 2), 10, user="lee")
    return Statement.objects.get()


def see(client, name, *args, query="", reader=None):
    if reader:
        client.force_login(reader)
    return client.get(reverse(name, args=args) + query)


def test_pi_members_and_operators_see_statements_and_ledger_and_nobody_else(client, closed):
    addresses = [
        reverse("statement_list", args=["p26001"]),
        *[
            reverse(name, args=["p26001", date(2026, 3, 1)])
            for name in ("statement", "statement_csv", "statement_xlsx")
        ],
        reverse("ledger", args=["p26001"]),
        reverse("ledger_csv", args=["p26001"]),
    ]
    project = closed.project  # noqa: F811
    for reader, status in [
        (project.pi, 200),
        (MembershipFactory(project=project).user, 200),
        (UserFactory(roles=["operator"]), 200),
        (UserFactory(), 404),
        (UserFactory(roles=["reviewer", "technical", "decider", "observer"]), 404),
        (MembershipFactory(project=project, status="removed").user, 404),
    ]:
        client.force_login(reader)
        assert [(address, client.get(address).status_code) for address in addresses] == [
            (address, status) for address in addresses
        ]
    client.logout()
    assert {client.get(address).status_code for address in addresses} == {302}
    client.force_login(project.pi)
    assert {client.post(address).status_code for address in addresses} == {405}


def test_a_closed_month_as_closed_and_as_now(client, closed):
    page = words(see(client, "statement", "p26001", "2026-03", reader=closed.project.pi).content.decode())
    assert "No. 2026-000001" in page
    assert "Carried over from February 2026 0.00 0 Award 1,000.00 3,600,000 Refund 20.00 72,000" in page
    assert "Used in the month -120.00 -432,000 Left 900.00 3,240,000" in page
    assert "=Kim kim 120.00 432,000 960.00 2" in page
    assert "Reached its time limit 20.00" in page
    now = words(see(client, "statement", "p26001", "2026-03", query="?as=now").content.decode())
    assert "Closed with 120.00 GPU-hours used, by now 121.00." in now
    assert "Used in the month -121.00 -435,600 Left 899.00" in now


def test_the_open_month_is_marked_and_takes_the_correction(client, closed):
    page = words(see(client, "statement", "p26001", "2026-04", reader=closed.project.pi).content.decode())
    assert "Provisional. The month is not closed" in page
    assert "The period is not over." in page
    assert "Carried over from March 2026 900.00" in page
    assert "Correction of March 2026: stated 120.00, now 121.00 GPU-hours -1.00 -3,600" in page
    assert "Left 889.00" in page


def test_the_list_tells_closed_months_from_open_ones(client, closed):
    page = words(see(client, "statement_list", "p26001", reader=closed.project.pi).content.decode())
    assert "April 2026 – 10 – Provisional March 2026 2026-000001 120 0 8 Apr 2026 Corrected since" in page


@pytest.mark.parametrize("month", ["2026-02", "2026-05", "2026-13", "0000-01"])
def test_a_month_that_the_project_does_not_have_is_not_found(client, closed, month):
    client.force_login(closed.project.pi)
    assert client.get(f"/projects/p26001/statements/{month}/").status_code == 404


def test_a_project_without_a_grant_has_no_statements(client, project):  # noqa: F811
    assert "No statement yet" in see(client, "statement_list", "p26001", reader=project.pi).content.decode()
    assert "No entry yet" in see(client, "ledger", "p26001").content.decode()


def test_the_rows_of_the_csv_file_make_what_is_left_and_formulas_are_text(client, closed):
    answer = see(client, "statement_csv", "p26001", "2026-03", reader=closed.project.pi)
    assert 'filename="p26001-2026-000001.csv"' in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    *moved, left = [int(row["GPU-seconds"]) for row in rows]
    assert sum(moved) == left == 900 * HOUR
    assert {row["Member"] for row in rows} == {"", "'=Kim"}
    assert sum(Decimal(row["GPU-hours"]) for row in rows[:-1]) == 900


def test_the_workbook_has_numbers_as_numbers_and_text_as_text(client, closed):
    answer = see(client, "statement_xlsx", "p26001", "2026-03", reader=closed.project.pi)
    book = load_workbook(io.BytesIO(answer.content))
    assert book.sheetnames == ["Summary", "Usage", "Ledger"]
    summary = list(book["Summary"].values)
    assert summary[-1][2:] == ("Left", 900, 900 * HOUR, "As closed: 2026-000001")
    assert sum(row[4] for row in summary[1:-1]) == 900 * HOUR
    assert [row[1] for row in book["Usage"].values][1:] == ["'=Kim", "'=Kim"]
    assert [row[4] for row in book["Ledger"].values][1:] == ["선정", "'+노드 장애"]
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)


def test_files_come_in_the_readers_language(client, closed):
    client.cookies["django_language"] = "ko"
    client.force_login(closed.project.pi)
    text = see(client, "statement_csv", "p26001", "2026-03").content.decode()
    assert "당월 사용" in text
    assert load_workbook(io.BytesIO(see(client, "statement_xlsx", "p26001", "2026-03").content)).sheetnames[0] == "요약"


def test_pages_of_statements_ask_a_bounded_number_of_queries(client, closed, django_assert_max_num_queries):
    for day in range(1, 8):
        for person in range(5):
            use(date(2026, 4, day), 1, user=f"p{person}")
            LedgerEntryFactory(line=LedgerEntry.objects.first().line, kind="supplement", at=kst(2026, 4, day))
    client.force_login(closed.project.pi)
    for address in (
        "statements/",
        "statements/2026-03/",
        "statements/2026-03/?as=now",
        "statements/2026-04/",
        "ledger/",
    ):
        with django_assert_max_num_queries(MOST_QUERIES):
            client.get(f"/projects/p26001/{address}")


# --- The ledger ---


def test_the_ledger_says_what_stood_after_each_entry_and_names_the_job(client, closed):
    Job.objects.create(
        cluster="pohang", db_index=77, job_id=4711, display_id="4711_3", account="p26001-h100", user="kim",
        partition="h100", qos="h100", state="NODE_FAIL", submit=NOW, gpus=1, cpus=1, exit_code="0:0", final=True,
        first_seen_at=NOW, last_seen_at=NOW,
    )  # fmt: skip
    page = words(see(client, "ledger", "p26001", reader=closed.project.pi).content.decode())
    assert "Refund +노드 장애 job 4711_3 by rule 20.00 1,020.00" in page
    rows = list(csv.DictReader(io.StringIO(see(client, "ledger_csv", "p26001").content.decode("utf-8-sig"))))
    assert [row["GPU-seconds of the grant after it"] for row in rows] == [str(1000 * HOUR), str(1020 * HOUR)]
    assert [row["Job"] for row in rows] == ["", "4711_3"]
    assert rows[1]["Reason"] == "'+노드 장애"


# --- Operators ---


def test_operators_see_a_month_of_all_projects_and_what_it_waits_for(client, closed):
    operator = UserFactory(roles=["operator"])
    page = words(see(client, "operations_statements", reader=operator).content.decode())
    assert "Closed: March 2026" in page
    assert "2026-000001 p26001" in page
    answer = see(client, "operations_statements_file", "2026-03")
    head, row = load_workbook(io.BytesIO(answer.content)).active.values
    figures = dict(zip(head, row, strict=True))
    assert (figures["Statement no."], figures["Refund"], figures["Left"]) == ("2026-000001", 20 * HOUR, 900 * HOUR)
    assert sum(row[6:-3]) == figures["Left"]
    assert see(client, "operations_statements", query="?month=2026-04").status_code == 404
    assert see(client, "operations_statements", query="?month=x").status_code == 404


def test_an_operator_closes_a_month_that_was_not_verified_with_a_reason(client, grant):  # noqa: F811
    operator = UserFactory(roles=["operator"], name_en="Oh")
    page = words(see(client, "operations_statements", reader=operator).content.decode())
    assert "Not all of its jobs have been read from Slurm yet." in page
    address = reverse("operations_statements_close", args=["2026-03"])
    assert client.post(address, {"reason": "x"}).status_code == 302
    assert not Statement.objects.exists()
    known(kst(2026, 4, 8), verified=False)
    assert "has not been found equal to Slurm" in words(client.get(address).content.decode())
    assert client.post(address, {"reason": ""}).status_code == 200
    client.post(address, {"reason": "Audit"})
    assert Statement.objects.get().closed_by == operator
    assert Event.objects.get(action="statement.closed_by_hand").data["reason"] == "Audit"


def test_before_any_month_is_over_the_operators_page_says_so(client):
    assert (
        "No month is over yet"
        in see(client, "operations_statements", reader=UserFactory(roles=["operator"])).content.decode()
    )
