"""From scores to one figure per review and per application. Exact decimals, no floats."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

from django.utils.translation import gettext_lazy as _

from allocations.models import Criterion, Review
from portal.people.models import in_language

HIGHEST = 5
# What a score means where the criterion does not say (IT4I's words).
USUAL_ANCHORS = (_("not adequate"), _("weak"), _("fair"), _("good"), _("very good"), _("excellent"))


def anchors(criterion: Criterion) -> list[str]:
    """What 0, 1, … 5 mean for the criterion, in the reader's language."""
    written = zip(_filled(criterion.anchors_ko), _filled(criterion.anchors_en), USUAL_ANCHORS, strict=True)
    return [in_language(korean, english) or str(usual) for korean, english, usual in written]


def has_own_anchors(criterion: Criterion) -> bool:
    return any([*criterion.anchors_ko, *criterion.anchors_en])


def _filled(anchors: list[str]) -> list[str]:
    return [*anchors, *[""] * (HIGHEST + 1 - len(anchors))]


def weighted_score(review: Review) -> Decimal | None:
    """The review's scores (0 to 5) weighted by criterion, two places; None without scores.

    Reads `review.scores` with their criteria, which lists prefetch.
    """
    return weighted((score.value, score.criterion.weight) for score in review.scores.all())


def weighted(scores: Iterable[tuple[int, int]]) -> Decimal | None:
    """Of values with their weights, two places; None without any."""
    scores = list(scores)
    weights = sum(weight for _value, weight in scores)
    return _rounded(Decimal(sum(value * weight for value, weight in scores)) / weights) if weights else None


def mean_score(reviews: Iterable[Review]) -> Decimal | None:
    """The mean of the reviews' weighted scores; None without any."""
    return mean(score for review in reviews if (score := weighted_score(review)) is not None)


def mean(scores: Iterable[Decimal]) -> Decimal | None:
    """Two places; None without any."""
    scores = list(scores)
    return _rounded(sum(scores, Decimal(0)) / len(scores)) if scores else None


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)
