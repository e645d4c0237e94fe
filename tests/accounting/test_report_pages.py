"""The report and the public statistics as pages and files: who may read, freeze and set targets, and what they show."""

from __future__ import annotations

import csv
import io
from datetime import date

import pytest
import time_machine
from django.urls import reverse
from openpyxl import load_workbook

from accounting.models import Edition, Target
from accounting.report.periods import parse_period
from tests.accounting.test_pages import words
from tests.accounting.test_report import MARCH, center, freeze  # noqa: F401  (a fixture)
from tests.accounting.test_statements import HOUR, known, use
from tests.factories import UserFactory, kst

AT = kst(2026, 4, 8, 12)
MOST_QUERIES = 12


@pytest.fixture(autouse=True)
def english_readers(client):
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def operator(center):  # noqa: F811
    known(AT)
    return UserFactory(roles=["operator"])


READ = [("report_list",), ("report", MARCH), ("report_csv", MARCH), ("report_xlsx", MARCH)]
CHANGE = [("report_freeze", MARCH), ("report_targets", 2026)]


def test_observers_and_deciders_read_and_only_operators_freeze(client, operator):
    for reader, read, change in [
        (operator, 200, 200),
        (UserFactory(roles=["observer"]), 200, 403),
        (UserFactory(roles=["decider"]), 200, 403),
        (UserFactory(roles=["reviewer", "technical"]), 403, 403),
        (UserFactory(), 403, 403),
    ]:
        client.force_login(reader)
        assert {client.get(reverse(name, args=args)).status_code for name, *args in READ} == {read}
        assert {client.get(reverse(name, args=args)).status_code for name, *args in CHANGE} == {change}
    client.logout()
    assert {client.get(reverse(name, args=args)).status_code for name, *args in READ + CHANGE} == {302}
    assert client.get(reverse("statistics")).status_code == 200
    assert client.get(reverse("statistics_csv")).status_code == 404


@pytest.mark.parametrize(
    "path", ["2025-01/", "2026-05/", "2026-13/", "9999/", "2026Q2.csv?edition=1", "2026-03/?edition=x"]
)
def test_a_period_or_edition_that_there_is_not(client, operator, path):
    client.force_login(operator)
    assert client.get(f"/reports/{path}").status_code == 404


def test_an_operator_freezes_what_is_shown_once(client, operator, django_assert_max_num_queries):
    client.force_login(operator)
    with django_assert_max_num_queries(MOST_QUERIES):
        assert "Provisional" in words(client.get("/reports/2026-03/").content.decode())
    page = client.get("/reports/2026-03/freeze/")
    seen = page.context["form"].initial["seen"]
    use(date(2026, 3, 9), 1)
    again = client.post("/reports/2026-03/freeze/", {"seen": seen})
    assert "changed meanwhile" in words(again.content.decode())
    assert not Edition.objects.exists()
    seen = again.context["form"].initial["seen"]
    answer = client.post("/reports/2026-03/freeze/", {"seen": seen}, follow=True)
    text = words(answer.content.decode())
    assert "Edition 2026-03-1 is frozen." in text
    assert "GPU-hours used GPU-hours 189 196" in text
    assert "Nothing has changed" in words(client.get("/reports/2026-03/freeze/", follow=True).content.decode())
    assert "not over" in words(client.get("/reports/2026-04/freeze/", follow=True).content.decode())
    assert Edition.objects.count() == 1


def test_a_later_edition_and_as_now_name_what_changed(client, operator, django_assert_max_num_queries):
    freeze()
    use(date(2026, 3, 9), 1, account="p26002-h100", user="lee")
    client.force_login(UserFactory(roles=["observer"]))
    with django_assert_max_num_queries(MOST_QUERIES):
        text = words(client.get("/reports/2026-03/?as=now").content.decode())
    assert "Changed since edition 2026-03-1" in text
    assert "GPU-hours used Of the period 188 189" in text
    assert "Freeze" not in text
    freeze()
    with django_assert_max_num_queries(8):
        client.get("/reports/2026-03/")
    assert "There is a newer edition: 2026-03-2." in words(client.get("/reports/2026-03/?edition=1").content.decode())
    listed = words(client.get("/reports/").content.decode())
    assert "April 2026 Still running" in listed
    assert "March 2026 2026-03-2" in listed


def test_the_files_say_what_the_page_says(client, operator):
    freeze()
    client.force_login(operator)
    book = load_workbook(io.BytesIO(client.get("/reports/2026-03.xlsx").content))
    assert book.sheetnames == ["Indicators", "By institution", "By sector", "By field", "By pool", "Definitions"]
    used = [cell.value for cell in book["Indicators"][2]]
    assert used[:4] == ["GPU-hours used", "GPU-hours", 188, 195]
    rows = list(csv.reader(io.StringIO(client.get("/reports/2026-03.csv").content.decode("utf-8-sig"))))
    assert rows[1][:6] == ["2026-03", "Edition 2026-03-1", "Indicators", "GPU-hours used", "GPU-hours", "188.00"]
    assert ["2026-03", "Edition 2026-03-1", "By institution", "Firms", "projects", "3"] in [row[:6] for row in rows]


def test_targets_are_entered_in_hours_and_shown_beside_what_is_reached(client, operator):
    client.force_login(operator)
    assert client.post("/reports/targets/2026/", {"used": "0"}).status_code == 200
    client.post("/reports/targets/2026/", {"used": "390", "firms": ""})
    assert Target.objects.get().value == 390 * HOUR
    assert "GPU-hours used GPU-hours 188 195 390 50.0" in words(client.get("/reports/2026-03/").content.decode())
    assert client.get("/reports/targets/2026/").context["form"].initial == {"used": 390}
    assert client.get("/reports/targets/2999/").status_code == 404


def test_the_public_reads_totals_and_nothing_small(client, operator):
    freeze()
    answer = client.get(reverse("statistics"))
    text = words(answer.content.decode())
    assert "GPU-hours used GPU-hours 188" in text
    assert "Firms not shown not shown not shown" in text
    assert "Firms served firms not shown" in text
    assert "Steel" not in words(answer.content.decode()).replace("Steel not shown", "")
    assert "max-age=600" in answer["Cache-Control"]
    assert "Cookie" in answer["Vary"]
    file = client.get(reverse("statistics_csv"))
    assert "public" in file["Cache-Control"]
    assert "Cookie" in file["Vary"]
    assert not file.cookies
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert ["2026-03", "2026-03-1", "By institution", "Firms", "GPU-hours", "not shown"] in rows
    assert {len(row) for row in rows} == {6}
    assert client.get(reverse("statistics") + "?of=year").status_code == 404


def test_the_newest_year_quarter_and_month_may_be_read(client, operator):
    for text in ("2026-01", "2026-03", "2026Q1", "2026-02"):
        freeze(parse_period(text))
    page = client.get(reverse("statistics"))
    assert [row.number for row, _period in page.context["editions"]] == ["2026Q1-1", "2026-03-1"]
    assert client.get(reverse("statistics") + "?of=month").context["edition"].number == "2026-03-1"
