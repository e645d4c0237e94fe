"""Who has an application, since when, until when and what comes next: said for every state and every route."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from allocations.models import Application, TechnicalReview, Tier
from allocations.standing import standing, steps
from allocations.workflow import CLOSED, ApplicationStatus
from tests.factories import NOW, ApplicationFactory, CallFactory, ReviewFactory, TierFactory, UserFactory

pytestmark = pytest.mark.django_db
S, Route = ApplicationStatus, Tier.Route

# Also those that a route does not lead to: a tier may be changed while applications of it are on their way.
CASES = list(itertools.product(Route, S))


def an_application(route: Route = Route.FULL, status: ApplicationStatus = S.REVIEW) -> Application:
    tier = TierFactory(call=CallFactory(tiers=False), route=route, reviews_needed=2)
    return ApplicationFactory(
        call=tier.call, tier=tier, status=status, status_since=NOW, due_at=None if status in CLOSED else NOW
    )


@pytest.mark.parametrize(("route", "status"), CASES)
@pytest.mark.parametrize("named", [False, True])
def test_every_state_has_a_holder_a_moment_and_a_next_step(route, status, named):
    now = standing(an_application(route, status), named=named)
    assert now.holder
    assert now.since == NOW
    assert now.next
    assert (now.due_at is None) == (status in CLOSED)


@pytest.mark.parametrize(("route", "status"), CASES)
def test_the_way_has_one_current_step_with_what_is_done_before_it(route, status):
    way = steps(an_application(route, status))
    states = [step.state for step in way]
    assert states.count("current") == 1
    here = states.index("current")
    assert set(states[:here]) <= {"done"}
    assert set(states[here + 1 :]) <= {"ahead"}
    assert way[here].label == str(S(status).label)
    if status in CLOSED:
        assert here == len(way) - 1


@pytest.mark.parametrize(
    ("route", "ahead"),
    [
        (Route.FULL, ["Submitted", "Eligibility check", "Technical review", "Scientific review", "Decision"]),
        (Route.TECHNICAL, ["Submitted", "Eligibility check", "Technical review"]),
        (Route.RULE, ["Submitted", "Decision by rule"]),
    ],
)
def test_the_way_is_as_long_as_its_tier(route, ahead):
    way = steps(an_application(route, S.DRAFT))
    # Before submission the tier is set by hand here; the form says which one an amount leads to.
    assert [step.label for step in way] == ["Draft", *ahead, "Agreement", "GPU time granted"]


def test_an_application_held_by_a_rule_and_checked_by_hand_goes_through_technical_review():
    labels = [step.label for step in steps(an_application(Route.RULE, S.TECHNICAL))]
    assert labels[2:4] == ["Eligibility check", "Technical review"]


def test_reviews_that_were_passed_over_are_not_on_the_way():
    application = an_application(Route.FULL, S.PANEL)
    assert "Scientific review" not in [step.label for step in steps(application)]
    ReviewFactory(application=application)
    assert "Scientific review" in [step.label for step in steps(Application.objects.get(pk=application.pk))]


def test_a_withdrawn_draft_was_never_submitted():
    application = an_application(Route.FULL, S.WITHDRAWN)
    assert [step.label for step in steps(application)] == ["Written", "Submitted", "Withdrawn"]
    application.submitted_at = None
    assert [step.label for step in steps(application)] == ["Written", "Withdrawn"]


def test_reviews_are_counted_without_released_ones():
    application = an_application()
    ReviewFactory(application=application)
    ReviewFactory(application=application, released_at=NOW)
    assert "1 of 2" in standing(application).holder


def test_names_are_for_the_office_only():
    application = an_application()
    late = ReviewFactory(application=application, submitted_at=None)
    assert str(late.reviewer) in standing(application, named=True).holder
    assert str(late.reviewer) not in standing(application).holder
    assert str(late.reviewer) not in " ".join(step.note for step in steps(application))


def test_the_technical_reviewer_is_named_once_they_have_begun():
    application = an_application(Route.FULL, S.TECHNICAL)
    assert standing(application, named=True).holder == "Technical reviewer"
    tess = UserFactory(name_en="Tess", roles=["technical"])
    TechnicalReview.objects.create(application=application, reviewer=tess, started_at=NOW)
    assert standing(application, named=True).holder == "Tess"


def test_a_review_that_nobody_has_says_so_to_the_office():
    assert "assign" in standing(an_application(), named=True).holder


def test_late_is_after_the_deadline():
    application = an_application()
    assert not standing(application).is_late(NOW)
    assert standing(application).is_late(NOW + timedelta(seconds=1))


def test_a_draft_is_due_when_its_call_closes():
    draft = an_application(Route.FULL, S.DRAFT)
    assert standing(draft).due_at == draft.call.closes_at
