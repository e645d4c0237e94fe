"""Application numbers and project codes: in sequence within a year of Korean time, also when many come at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from allocations.services.applications import application_submit
from allocations.services.numbers import application_number, project_code
from tests.allocations.applying import completed
from tests.factories import NOW, ApplicationFactory, CallFactory, ProjectFactory, kst


@pytest.mark.django_db
def test_numbers_go_on_from_the_last_of_the_year():
    ApplicationFactory(number="2026-0009")
    ApplicationFactory(number="2026-0010")
    assert application_number(NOW) == "2026-0011"
    assert application_number(kst(2027, 1, 1)) == "2027-0001"


@pytest.mark.django_db
def test_the_year_is_koreas():
    last_minute = kst(2026, 12, 31, 23, 59)
    assert application_number(last_minute) == "2026-0001"
    assert application_number(kst(2027, 1, 1, 0, 0)) == "2027-0001"


@pytest.mark.django_db
def test_more_than_the_usual_digits_go_on():
    ApplicationFactory(number="2026-9999")
    ApplicationFactory(number="2026-10000")
    ProjectFactory(code="p26999")
    ProjectFactory(code="p261000")
    assert application_number(NOW) == "2026-10001"
    assert project_code(NOW) == "p261001"


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_numbers_without_gap_or_collision():
    call = CallFactory()
    drafts = [completed(ApplicationFactory(call=call, status="draft")) for _ in range(6)]

    def submit(application):
        try:
            return application_submit(application=application, by=application.applicant, at=NOW).number
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        numbers = sorted(pool.map(submit, drafts))
    assert numbers == [f"2026-{n:04d}" for n in range(1, 7)]
