"""One figure from many scores."""

from __future__ import annotations

from decimal import Decimal

import pytest

from allocations.scoring import mean_score, weighted_score
from tests.factories import ReviewFactory

pytestmark = pytest.mark.django_db


def test_scores_are_weighted_by_criterion(review):
    merit, need = review.scores.all()
    merit.value, need.value = 5, 2
    merit.save(), need.save()
    assert weighted_score(review) == Decimal("3.80")


def test_the_mean_is_over_reviews_and_rounded_half_up(submitted):
    reviews = [ReviewFactory(application=submitted, score=value) for value in (4, 4, 3)]
    assert mean_score(reviews) == Decimal("3.67")


def test_nothing_scored_is_no_score_rather_than_zero(review):
    review.scores.all().delete()
    assert weighted_score(review) is None
    assert mean_score([review]) is None
    assert mean_score([]) is None
