"""The panel's pages ask the database the same number of questions for 20 applications and for 200."""

from __future__ import annotations

import pytest
from django.urls import reverse

from allocations.models import (
    Application,
    Decision,
    DecisionLine,
    RequestLine,
    Review,
    Score,
    TechnicalLine,
    TechnicalReview,
)
from tests.factories import HOUR, NOW, ApplicationFactory, CallFactory, PoolFactory, UserFactory

MOST = 12


def fill(call, number):
    """So many applications with three reviews and a technical review each; every third is decided."""
    institution = UserFactory().institution
    people = [UserFactory(institution=institution) for _ in range(10)]
    reviewers = [UserFactory(roles=["reviewer"]) for _ in range(3)]
    pools, criteria = list(call.pools.all()), list(call.criteria.all())
    rows = Application.objects.bulk_create(
        ApplicationFactory.build(
            call=call,
            tier=call.tiers.get(),
            applicant=people[index % 10],
            institution=institution,
            status="panel" if index % 3 else "decided",
            hours=0,
        )
        for index in range(number)
    )
    RequestLine.objects.bulk_create(
        RequestLine(application=row, pool=pool, requested_gpu_seconds=100 * HOUR) for row in rows for pool in pools
    )
    reviews = Review.objects.bulk_create(
        Review(application=row, reviewer=reviewer, assigned_at=NOW, submitted_at=NOW)
        for row in rows
        for reviewer in reviewers
    )
    Score.objects.bulk_create(
        Score(review=review, criterion=criterion, value=index % 6)
        for index, review in enumerate(reviews)
        for criterion in criteria
    )
    technical = TechnicalReview.objects.bulk_create(
        TechnicalReview(application=row, reviewer=reviewers[0], verdict="feasible", started_at=NOW, submitted_at=NOW)
        for row in rows
    )
    TechnicalLine.objects.bulk_create(
        TechnicalLine(review=review, pool=pool, recommended_gpu_seconds=50 * HOUR)
        for review in technical
        for pool in pools
    )
    decisions = Decision.objects.bulk_create(
        Decision(application=row, outcome="partly", decided_at=NOW) for row in rows if row.status == "decided"
    )
    DecisionLine.objects.bulk_create(
        DecisionLine(decision=decision, pool=pools[0], awarded_gpu_seconds=50 * HOUR) for decision in decisions
    )


@pytest.fixture
def large(db):
    call = CallFactory(
        pools=[PoolFactory(), PoolFactory(code="a100", position=1)],
        most_gpu_seconds_per_institution=10_000 * HOUR,
    )
    call.offers.update(gpu_seconds=20_000 * HOUR)
    fill(call, 200)
    return call


@pytest.mark.parametrize("name", ["panel_call", "panel_call_csv", "panel_proposal"])
def test_two_hundred_applications_take_twelve_queries(name, large, dana, browser, django_assert_max_num_queries):
    client = browser(dana)
    with django_assert_max_num_queries(MOST):
        page = client.get(reverse(name, args=[large.pk])).getvalue().decode()
    assert page.count("Finding defects on steel") >= 133


def test_the_list_of_calls_asks_as_often_when_it_is_longer(dana, browser, django_assert_max_num_queries):
    client = browser(dana)
    for _ in range(4):
        fill(CallFactory(), 3)
    with django_assert_max_num_queries(5):
        client.get(reverse("panel"))


def test_one_decision_asks_a_bounded_number(large, dana, browser, django_assert_max_num_queries):
    client = browser(dana)
    waiting, decided = (large.applications.filter(status=status).first() for status in ("panel", "decided"))
    for application in (waiting, decided):
        with django_assert_max_num_queries(30):
            client.get(reverse("decide", args=[application.pk]))
