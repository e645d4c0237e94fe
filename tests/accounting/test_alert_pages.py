"""The pages of alerts: who sees and sets what, what they say, and in how many queries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from accounting.alerts.evaluate import evaluate
from accounting.alerts.thresholds import CENTER, Thresholds, thresholds_of
from accounting.models import AlertThresholds, HiddenAlert
from allocations.models import Grant, GrantLine
from portal.people.models import User
from tests.factories import GrantFactory, MembershipFactory, ProjectFactory, UserFactory, kst

pytestmark = pytest.mark.django_db
AT = kst(2026, 4, 20, 12)
FORM = {"used": ["80", "100"], "expiry": ["30"], "early": "70", "under": "", "waste": "10"}


@pytest.fixture(autouse=True)
def english_readers(client: Client) -> Iterator[None]:
    client.cookies["django_language"] = "en"
    with time_machine.travel(AT, tick=False):
        yield


@pytest.fixture
def grant() -> Grant:
    grant = GrantFactory(project=ProjectFactory(code="p26001"), hours=1000)
    GrantLine.objects.update(charged_gpu_seconds=800 * 3600)
    evaluate(AT)
    return grant


def member(grant: Grant, **options: Any) -> User:
    return MembershipFactory(project=grant.project, **options).user


def test_who_sees_and_who_sets(client: Client, grant: Grant) -> None:
    alert = grant.project.alerts.get(threshold=75)
    pages = {
        "list": reverse("project_alerts", args=["p26001"]),
        "own": reverse("own_thresholds", args=["p26001"]),
        "project": reverse("project_thresholds", args=["p26001"]),
    }
    for reader, open_pages in [
        (grant.project.pi, {"list", "own", "project"}),
        (member(grant, is_delegate=True), {"list", "own", "project"}),
        (member(grant), {"list", "own"}),
        (member(grant, status="removed"), set()),
        (UserFactory(roles=["operator"]), {"list"}),
        (UserFactory(roles=["observer"]), set()),
        (UserFactory(), set()),
    ]:
        client.force_login(reader)
        seen = {name for name, address in pages.items() if client.get(address).status_code == 200}
        assert seen == open_pages
        hidden = client.post(reverse("project_alert_hide", args=["p26001", alert.pk]))
        assert hidden.status_code == (302 if "list" in open_pages else 404)
    client.logout()
    assert client.get(pages["list"]).headers["Location"].startswith(reverse("account_login"))


def test_the_list_says_what_stands_and_what_was_said_and_hides_for_one_reader(
    client: Client, grant: Grant, django_assert_max_num_queries: Any
) -> None:
    client.force_login(grant.project.pi)
    address = reverse("project_alerts", args=["p26001"])
    with django_assert_max_num_queries(12):
        page = client.get(address).content.decode()
    assert page.count("75 % of the GPU-hours are used") == 3  # head, its button's name, and the table
    assert page.count("50 % of the GPU-hours are used") == 1
    strongest = grant.project.alerts.get(threshold=75)
    hide = reverse("project_alert_hide", args=["p26001", strongest.pk])
    assert client.get(hide).status_code == 405
    answer = client.post(hide, headers={"referer": f"http://testserver{reverse('home')}"})
    assert answer.headers["Location"].endswith(reverse("home"))
    assert client.post(hide, headers={"referer": "https://elsewhere.example/"}).headers["Location"] == address
    assert HiddenAlert.objects.filter(user=grant.project.pi).count() == 2
    assert "Nothing to tell at present" in client.get(address).content.decode()


def test_thresholds_are_set_for_oneself_and_dropped_again(client: Client, grant: Grant) -> None:
    bob = member(grant)
    client.force_login(bob)
    own = reverse("own_thresholds", args=["p26001"])
    assert "the project&#x27;s again" not in client.get(own).content.decode()
    client.post(own, FORM)
    stored = thresholds_of([grant.project.pk])[grant.project.pk]
    assert stored.of(bob) == Thresholds((80, 100), 70, None, (30,), 10)
    assert stored.project == CENTER
    assert "By your own thresholds" in client.get(reverse("project_alerts", args=["p26001"])).content.decode()
    client.post(own, {"drop": "1"})
    assert not AlertThresholds.objects.exists()


def test_the_pi_sets_the_project_s_and_bad_input_is_kept_and_said(client: Client, grant: Grant) -> None:
    client.force_login(grant.project.pi)
    address = reverse("project_thresholds", args=["p26001"])
    page = client.post(address, FORM | {"early": "500"})
    assert page.status_code == 200
    assert 'value="500"' in page.content.decode()
    assert not AlertThresholds.objects.exists()
    client.post(address, FORM)
    assert thresholds_of([grant.project.pk])[grant.project.pk].project == Thresholds((80, 100), 70, None, (30,), 10)
