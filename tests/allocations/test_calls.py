"""Reading calls and beginning to apply."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Application
from allocations.services import Refused
from allocations.services.applications import application_start
from tests.factories import NOW, CallFactory, UserFactory, kst

pytestmark = pytest.mark.django_db


def test_open_calls_come_first_with_deadline_and_days_left(browser):
    CallFactory(title_en="Open one", closes_at=kst(2026, 3, 12, 18))
    CallFactory(title_en="Past one", opens_at=kst(2026, 1, 2), closes_at=kst(2026, 1, 20, 18))
    CallFactory(title_en="Coming one", opens_at=kst(2026, 5, 1))
    CallFactory(title_en="Secret one", published_at=None)
    page = browser().get(reverse("call_list")).content.decode()
    assert page.index("Open one") < page.index("Coming one") < page.index("Past one")
    assert "12 Mar 2026, 18:00" in page
    assert "10 days left" in page
    assert "Secret one" not in page


def test_the_last_day_says_so(browser):
    CallFactory(closes_at=kst(2026, 3, 2, 18))
    assert "closes today" in browser().get(reverse("call_list")).content.decode()


def test_a_call_reads_korean_first(call, browser):
    page = browser(language="ko").get(reverse("call_detail", args=[call.pk])).content.decode()
    assert call.title_ko in page
    assert "과제 우수성" in page


def test_applying_begins_a_draft_and_a_double_click_begins_one(call, alice, browser):
    client = browser(alice)
    first = client.post(reverse("application_new", args=[call.pk]))
    second = client.post(reverse("application_new", args=[call.pk]))
    draft = Application.objects.get()
    assert first.url == second.url == reverse("application_edit", args=[draft.pk])
    assert (draft.applicant, draft.institution, draft.status) == (alice, alice.institution, "draft")
    assert "Continue your draft" in client.get(reverse("call_detail", args=[call.pk])).content.decode()


def test_a_closed_call_takes_no_application(alice, browser):
    call = CallFactory(closes_at=NOW)
    with pytest.raises(Refused):
        application_start(call=call, by=alice, at=NOW)
    client = browser(alice)
    response = client.post(reverse("application_new", args=[call.pk]), follow=True)
    assert "takes no applications now" in response.content.decode()
    assert reverse("application_new", args=[call.pk]) not in response.content.decode()


def test_who_belongs_to_no_institution_is_told_what_to_do(call, browser):
    nobody = UserFactory(institution=None, email="someone@gmail.example")
    client = browser(nobody)
    page = client.get(reverse("call_detail", args=[call.pk])).content.decode()
    assert "belongs to no institution" in page
    assert "mailto:" in page
    response = client.post(reverse("application_new", args=[call.pk]), follow=True)
    assert response.status_code == 200
    assert not Application.objects.exists()
