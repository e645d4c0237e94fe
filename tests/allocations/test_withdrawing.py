"""Taking an application back."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.workflow import TRANSITIONS, Action
from tests.factories import ApplicationFactory


def test_withdrawing_asks_first_and_then_is_final(submitted, alice, browser):
    client = browser(alice)
    address = reverse("application_withdraw", args=[submitted.pk])
    assert "Withdraw the application?" in client.get(address).content.decode()
    page = client.post(address, follow=True).content.decode()
    submitted.refresh_from_db()
    assert submitted.status == "withdrawn"
    assert "The application is withdrawn." in page


def test_what_is_decided_is_not_withdrawn_and_the_reader_is_told_what_stands(call, alice, browser):
    application = ApplicationFactory(call=call, applicant=alice, status="declined")
    client = browser(alice)
    address = reverse("application_withdraw", args=[application.pk])
    assert client.get(address).status_code == 302
    page = client.post(address, follow=True).content.decode()
    application.refresh_from_db()
    assert application.status == "declined"
    assert "It stands at: Not selected." in page


def test_a_withdrawn_application_leaves_the_queue_and_the_panel(reviewed, rhee, dana, alice, browser):
    browser(alice).post(reverse("application_withdraw", args=[reviewed.pk]))
    for person, name in [(rhee, "review_queue"), (dana, "panel")]:
        assert reviewed.number not in browser(person).get(reverse(name)).content.decode()


def test_a_draft_is_discarded_in_its_own_words(draft, alice, browser):
    client = browser(alice)
    address = reverse("application_withdraw", args=[draft.pk])
    assert "Discard the draft?" in client.get(address).content.decode()
    page = client.post(address, follow=True).content.decode()
    draft.refresh_from_db()
    assert (draft.status, draft.number) == ("withdrawn", None)
    assert "The draft is discarded." in page


@pytest.mark.parametrize("status", [row.source for row in TRANSITIONS if row.action == Action.WITHDRAW])
def test_it_can_be_taken_back_as_long_as_nothing_was_announced(status, call, alice, browser):
    application = ApplicationFactory(call=call, applicant=alice, status=status)
    browser(alice).post(reverse("application_withdraw", args=[application.pk]))
    application.refresh_from_db()
    assert application.status == "withdrawn"


def test_nobody_withdraws_anothers(submitted, bob, oh, browser):
    for person in (bob, oh):
        assert browser(person).post(reverse("application_withdraw", args=[submitted.pk])).status_code == 404
