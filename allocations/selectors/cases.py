"""One application before the panel, with everything a decision goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocations.models import Application, Decision, Pool, RequestLine, Review, TechnicalReview
from allocations.scoring import mean, weighted_score
from allocations.selectors.panel import WIDE_SPREAD, PoolStanding, pool_standings
from allocations.selectors.reviews import PastGrant, past_grants
from allocations.services.room import held_awards


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A pool asked for, with what the technical review recommends of it and how the call stands. GPU-seconds."""

    request: RequestLine
    recommended: int | None
    standing: PoolStanding | None

    @property
    def pool(self) -> Pool:
        return self.request.pool


@dataclass(frozen=True, slots=True)
class Case:
    application: Application
    reviews: list[tuple[Review, Decimal | None]]
    technical: TechnicalReview | None
    lines: list[CaseLine]
    past: list[PastGrant]
    decision: Decision | None

    @property
    def score(self) -> Decimal | None:
        return mean(score for _review, score in self.reviews if score is not None)

    @property
    def spread(self) -> Decimal | None:
        scores = [score for _review, score in self.reviews if score is not None]
        return max(scores) - min(scores) if scores else None

    @property
    def spread_is_wide(self) -> bool:
        return self.spread is not None and self.spread > WIDE_SPREAD

    @property
    def threshold(self) -> Decimal:
        return Decimal(self.application.call.threshold_hundredths) / 100

    @property
    def below_threshold(self) -> bool:
        return self.score is not None and self.score < self.threshold

    @property
    def recommended(self) -> Mapping[int, int]:
        """By pool id, where the technical review says an amount."""
        return {line.pool.pk: line.recommended for line in self.lines if line.recommended is not None}

    @property
    def recommended_gpu_seconds(self) -> int | None:
        return sum(self.recommended.values()) if self.technical else None


def case(application: Application) -> Case:
    """Reads `application.reviews` as submitted ones (`submitted_reviews`) and its lines with pools."""
    technical = _technical(application)
    recommended = {line.pool_id: line.recommended_gpu_seconds for line in technical.lines.all()} if technical else {}
    offers = list(application.call.offers.select_related("pool"))
    standings = {row.pool.pk: row for row in pool_standings(offers, held_awards(application.call))}
    return Case(
        application=application,
        reviews=[(review, weighted_score(review)) for review in application.reviews.all()],
        technical=technical,
        lines=[
            CaseLine(line, recommended.get(line.pool_id), standings.get(line.pool_id))
            for line in application.lines.all()
        ],
        past=past_grants(application),
        decision=Decision.objects.filter(application=application).prefetch_related("lines__pool").first(),
    )


def _technical(application: Application) -> TechnicalReview | None:
    submitted = application.technical_reviews.filter(submitted_at__isnull=False).select_related("reviewer")
    return submitted.prefetch_related("lines__pool").order_by("pk").last()
