"""Where Slurm's counter and the ledger differ, as an operator sees it, and the offset that they set."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounting.models import Counter, Deviation
from allocations.models import Account, Rebase
from portal.people.models import User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PAGE = "/operations/counters/"


@pytest.fixture
def oh(db: None) -> User:
    return UserFactory(roles=["operator"])


@pytest.fixture
def page(oh: User) -> Client:
    client = Client()
    client.force_login(oh)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def deviation(account: Account) -> Deviation:
    """Two GPU-hours on Slurm's counter of which the ledger knows nothing, for an hour."""
    Counter.objects.create(
        account=account, used_gpu_seconds=7200, reserved_gpu_seconds=0, exact=True, read_at=timezone.now()
    )
    return a_deviation("p26001-h100", timedelta(hours=1))


def a_deviation(name: str, ago: timedelta, **values: Any) -> Deviation:
    what = {"kind": Deviation.Kind.AHEAD, "counter_gpu_seconds": 7200, "difference_gpu_seconds": 7200, **values}
    return Deviation.objects.create(account_name=name, since=timezone.now() - ago, **what)


def text_of(client: Client, address: str = PAGE) -> str:
    response = client.get(address)
    assert response.status_code == 200
    return response.content.decode()


def test_it_says_what_differs_and_what_to_do(page: Client, deviation: Deviation) -> None:
    text = text_of(page)
    assert "The project is held to less than it has." in text
    assert f"{PAGE}{deviation.pk}/rebase/" in text
    assert "1 account watched" in text


def test_a_young_difference_is_only_watched(page: Client, account: Account) -> None:
    young = a_deviation("p26001-h100", timedelta(minutes=1))
    text = text_of(page)
    assert "Watched: rows that come late would explain it." in text
    assert f"{PAGE}{young.pk}/rebase/" not in text


def test_without_any_it_says_so(page: Client) -> None:
    assert "no counter has been read" in text_of(page)


def test_an_operator_sets_the_offset_from_both_sums(page: Client, deviation: Deviation, oh: User) -> None:
    address = f"{PAGE}{deviation.pk}/rebase/"
    text = text_of(page, address)
    assert "Believe the ledger about p26001-h100?" in text
    assert 'name="offset" value="0"' in text
    assert "This field is required" in page.post(address, {"offset": "0"}).content.decode()
    page.post(address, {"offset": "0", "reason": "het jobs of a tester"})
    rebase = Rebase.objects.get()
    assert (rebase.after_gpu_seconds, rebase.by, rebase.reason) == (7200, oh, "het jobs of a tester")
    assert Account.objects.get().offset_gpu_seconds == 7200
    assert "het jobs of a tester" in text_of(page)
    again = page.post(address, {"offset": "0", "reason": "twice"}, follow=True)
    assert "agree again" in again.content.decode()
    assert Rebase.objects.count() == 1


@pytest.mark.parametrize("shown", ["", "x", "--5", "1.5"])
def test_an_offset_that_is_no_number_enters_nothing(page: Client, deviation: Deviation, shown: str) -> None:
    assert page.post(f"{PAGE}{deviation.pk}/rebase/", {"offset": shown, "reason": "x"}).status_code == 200
    assert not Rebase.objects.exists()


@pytest.mark.parametrize("shown", ["-60", "9" * 30])
def test_an_offset_that_is_not_the_shown_one_any_more_is_looked_at_again(
    page: Client, deviation: Deviation, shown: str
) -> None:
    response = page.post(f"{PAGE}{deviation.pk}/rebase/", {"offset": shown, "reason": "x"}, follow=True)
    assert "please look at it again" in response.content.decode()
    assert not Rebase.objects.exists()


def test_use_where_no_job_belongs_is_noted(page: Client, account: Account, oh: User) -> None:
    odd = a_deviation("p26001", timedelta(0), kind=Deviation.Kind.MISPLACED)
    assert "Jobs ran in an account that has no limit." in text_of(page)
    for _time in range(2):
        page.post(f"{PAGE}{odd.pk}/noted/")
    odd.refresh_from_db()
    assert odd.closed_by == oh


def test_many_take_as_many_queries_as_one(
    page: Client, deviation: Deviation, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        a_deviation(f"x{number}", timedelta(hours=1))
        Rebase.objects.create(
            account=Account.objects.get(),
            at=timezone.now(),
            cause=Rebase.Cause.FALLEN,
            before_gpu_seconds=0,
            after_gpu_seconds=-number,
            reason="The counter fell in Slurm",
        )
    text_of(page)
    with django_assert_max_num_queries(12):
        text_of(page)
