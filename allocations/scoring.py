"""From scores to one figure per review and per application. Exact decimals, no floats."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from allocations.models import Review

HIGHEST = 5


def weighted_score(review: Review) -> Decimal | None:
    """The review's scores (0 to 5) weighted by criterion, two places; None without scores.

    Reads `review.scores` with their criteria, which lists prefetch.
    """
    scores = list(review.scores.all())
    weights = sum(score.criterion.weight for score in scores)
    if not weights:
        return None
    return _rounded(Decimal(sum(score.value * score.criterion.weight for score in scores)) / weights)


def mean_score(reviews: Iterable[Review]) -> Decimal | None:
    """The mean of the reviews' weighted scores; None without any."""
    scores = [score for review in reviews if (score := weighted_score(review)) is not None]
    return _rounded(sum(scores, Decimal(0)) / len(scores)) if scores else None


def recommended_gpu_seconds(reviews: Iterable[Review]) -> int | None:
    """The mean of what reviewers recommend, in whole GPU-minutes (as GPU-seconds); None where nobody said."""
    amounts = [review.recommended_gpu_seconds for review in reviews if review.recommended_gpu_seconds is not None]
    return sum(amounts) // len(amounts) // 60 * 60 if amounts else None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)
