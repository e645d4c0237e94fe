"""What a project's page says is to come: in order, without what is over, and what is expected marked as such."""

from __future__ import annotations

from datetime import date, timedelta

from accounting.agenda import MOST_SHOWN, agenda
from accounting.balance import Balance, Standing
from accounting.outlook import Outlook
from accounting.projection import Projection
from allocations.models import Pool, Project
from allocations.selectors.dates import AskedChange, GrantDates, ProjectDates
from tests.factories import kst

AT = kst(2026, 3, 10, 12)
HOUR = 3600
PROJECT = Project(code="p26001")
RUNNING = GrantDates(1, kst(2026, 3, 1), kst(2026, 4, 1), None)
COMING = GrantDates(2, kst(2026, 4, 1), kst(2026, 7, 1), None)
OVER = GrantDates(3, kst(2026, 1, 1), kst(2026, 2, 1), date(2026, 3, 2))


def outlook(used=40, granted=100, rate=2, runs_out_on=None):
    left = max(0, granted - used) * HOUR
    balance = Balance(
        Pool(pk=1, name_en="H100", name_ko="H100"), Standing.OPEN, RUNNING.starts_at, RUNNING.ends_at,
        granted * HOUR, 0, used * HOUR, left, 0, 0, 0, AT,
    )  # fmt: skip
    return Outlook(balance, 21, None, None, Projection(rate * HOUR, runs_out_on, None, None, used * HOUR))


def said(*grants, changes=(), outlooks=()):
    items = agenda(PROJECT, ProjectDates(list(grants), list(changes)), list(outlooks), AT)
    assert items == sorted(items, key=lambda item: item.at) and len(items) <= MOST_SHOWN
    return [(f"{item.at.astimezone(AT.tzinfo):%m-%d}", item.text, item.expected, item.late) for item in items]


def test_nothing_granted_nothing_to_come(english):
    assert said() == []


def test_grants_open_and_end_reports_fall_due_statements_are_closed(english):
    assert said(RUNNING, COMING, OVER) == [
        ("03-02", "The final report is due.", False, True),
        ("03-31", "Last day of the grant; hours left over lapse.", False, False),
        ("04-01", "The grant opens: jobs can start.", False, False),
        ("04-05", "The statement of March 2026 is closed.", False, False),
        ("06-30", "Last day of the grant; hours left over lapse.", False, False),
    ]


def test_a_change_is_decided_by_its_day_and_one_without_a_day_is_left_out(english):
    asked = [AskedChange("supplement", AT + timedelta(days=3)), AskedChange("return", None)]
    assert said(changes=asked) == [("03-13", "Supplement: the center decides by then.", False, False)]


def test_the_next_share_and_the_end_of_the_hours_are_expected(english):
    assert said(outlooks=[outlook(runs_out_on=date(2026, 3, 25))]) == [
        ("03-15", "50 % of the award used", True, False),
        ("03-25", "All hours used", True, False),
    ]


def test_nothing_is_expected_where_all_is_used_or_nothing_is_used(english):
    assert said(outlooks=[outlook(used=100, runs_out_on=date(2026, 3, 10))]) == []
    assert said(outlooks=[outlook(rate=0)]) == []
