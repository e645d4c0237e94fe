"""Reading calls: what they tell who thinks of applying, signed in or not."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import Programme, Tier
from allocations.sizes import business_days, covers_text, sizes
from tests.factories import (
    HOUR,
    NOW,
    ApplicationFactory,
    CallFactory,
    PoolFactory,
    TierFactory,
    UserFactory,
    kst,
)

pytestmark = pytest.mark.django_db


def test_open_calls_come_first_with_deadline_and_business_days_left(browser):
    CallFactory(title_en="Open one", closes_at=kst(2026, 3, 12, 18))
    CallFactory(title_en="Past one", opens_at=kst(2026, 1, 2), closes_at=kst(2026, 1, 20, 18))
    CallFactory(title_en="Coming one", opens_at=kst(2026, 5, 1))
    CallFactory(title_en="Secret one", published_at=None)
    CallFactory(title_en="Later one", published_at=kst(2026, 3, 3))
    page = browser().get(reverse("call_list")).content.decode()
    assert page.index("Open one") < page.index("Coming one") < page.index("Past one")
    assert "Until 12 Mar 2026, 18:00 (Korean time)" in page
    assert "8 business days left" in page
    assert "Secret one" not in page
    assert "Later one" not in page


@pytest.mark.parametrize(
    ("closes_at", "words"),
    [
        (kst(2026, 3, 2, 18), "closes today"),
        (kst(2026, 3, 3, 9), "1 business day left"),
        (kst(2026, 3, 9, 18), "5 business days left"),
    ],
)
def test_what_is_left_is_said_in_business_days(closes_at, words, browser):
    CallFactory(closes_at=closes_at)
    assert words in browser().get(reverse("call_list")).content.decode()


def test_a_deadline_before_the_next_business_day_is_said_in_days(browser, time_machine):
    time_machine.move_to(kst(2026, 3, 7, 10))
    CallFactory(closes_at=kst(2026, 3, 8, 18))
    assert "1 day left" in browser().get(reverse("call_list")).content.decode()


def test_a_call_reads_korean_first(call, browser):
    page = browser(language="ko").get(reverse("call_detail", args=[call.pk])).content.decode()
    assert call.title_ko in page
    assert "과제 우수성" in page


def test_a_call_tells_all_one_needs_to_prepare(browser):
    call = CallFactory(
        tiers=False,
        programme=Programme.objects.create(name_ko="철강", name_en="Steel"),
        most_gpu_seconds_per_person=500 * HOUR,
        field_levels={"benchmark": "required", "milestones": "hidden"},
        blind=True,
    )
    call.offers.update(gpu_seconds=2000 * HOUR)
    TierFactory(call=call, name_en="Starter", upto_gpu_seconds=200 * HOUR, route=Tier.Route.RULE, most_days=90)
    TierFactory(call=call, name_en="Standard", upto_gpu_seconds=1000 * HOUR, route=Tier.Route.TECHNICAL)
    TierFactory(call=call, name_en="Large", route=Tier.Route.FULL, reviews_needed=3)
    page = browser().get(reverse("call_detail", args=[call.pk])).content.decode()
    for words in (
        "Academic · Steel",
        "2,000 GPU-hours",
        "500 GPU-hours",
        "up to 200 GPU-hours",
        "within minutes",
        "more than 200, up to 1,000 GPU-hours",
        "about 8 business days",
        "3 scientific reviews",
        "about 33 business days",
        "Measurements so far",
        "write title and texts without names",
        "Sign in to apply",
    ):
        assert words in page
    assert "Milestones" not in page
    assert page.count("button primary") == 1


def test_a_call_without_sizes_goes_the_whole_way():
    call = CallFactory(tiers=False)
    [size] = sizes(call, call.tiers.all())
    assert "1 scientific review" in size.way
    assert size.covers == covers_text(None, None)
    assert business_days(call, Tier.Route.RULE) == 0


def test_who_has_begun_goes_on_and_who_applied_finds_it(call, alice, draft, browser):
    client = browser(alice)
    page = client.get(reverse("call_detail", args=[call.pk])).content.decode()
    assert reverse("application_edit", args=[draft.pk]) in page
    ApplicationFactory(call=call, applicant=alice, number="2026-0042")
    assert "2026-0042" in client.get(reverse("call_detail", args=[call.pk])).content.decode()


def test_a_closed_or_coming_call_has_no_button(alice, browser):
    for call in (CallFactory(closes_at=NOW), CallFactory(opens_at=kst(2026, 5, 1))):
        page = browser(alice).get(reverse("call_detail", args=[call.pk])).content.decode()
        assert reverse("application_new", args=[call.pk]) not in page


def test_who_belongs_to_no_institution_is_told_what_to_do(call, browser):
    nobody = UserFactory(institution=None, email="someone@gmail.example")
    page = browser(nobody).get(reverse("call_detail", args=[call.pk])).content.decode()
    assert "belongs to no institution" in page
    assert reverse("application_new", args=[call.pk]) not in page


def test_who_registers_an_institution_comes_back_to_the_call(call, browser):
    client = browser(UserFactory(institution=None))
    address = reverse("call_detail", args=[call.pk])
    page = client.get(address).content.decode()
    register = f"{reverse('institution_register')}?next={address}"
    assert register in page
    written = {"name_ko": "영일대학교", "kind": "university"}
    assert client.post(register, written).url == address


def test_criteria_stand_on_calls_that_reviewers_judge(browser):
    quick = CallFactory(tiers=False)
    TierFactory(call=quick, route=Tier.Route.RULE)
    assert "Merit" not in browser().get(reverse("call_detail", args=[quick.pk])).content.decode()
    assert "Merit" in browser().get(reverse("call_detail", args=[CallFactory().pk])).content.decode()


def test_a_call_asks_a_bounded_number_of_questions(alice, browser, django_assert_max_num_queries):
    client = browser(alice)
    call = CallFactory(pools=[PoolFactory(code="h100"), PoolFactory(code="a100"), PoolFactory(code="b200")])
    for bound in (1, 2, 3):
        TierFactory(call=call, upto_gpu_seconds=bound * HOUR)
    with django_assert_max_num_queries(12):
        client.get(reverse("call_detail", args=[call.pk]))
