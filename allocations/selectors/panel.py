"""What the panel decides on: calls, the ranking of a call, and what its pools still give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q

from allocations.models import Application, Call, CallPool, Decision, Pool, Review, TechnicalReview, Tier
from allocations.scoring import mean, weighted
from allocations.services.room import Held, asked_of, held_awards
from allocations.workflow import ApplicationStatus
from portal.people.models import User
from portal.people.permissions import Permission

S = ApplicationStatus
# What the panel has before it, or has had.
RANKED = (S.PANEL, S.DECIDED, S.OFFERED, S.AWARDED, S.RESERVE, S.DECLINED, S.TURNED_DOWN, S.LAPSED)
UNDERWAY = (S.SUBMITTED, S.RETURNED, S.TECHNICAL, S.REVIEW)
BY_PANEL = Q(tier__route=Tier.Route.FULL) | Q(tier=None)
# Reviews that differ by more than this are marked for the panel to talk about.
WIDE_SPREAD = Decimal("1.5")


@dataclass(frozen=True, slots=True)
class PanelCall:
    call: Call
    waiting: int
    decided: int
    announced: int
    underway: int


def panel_calls() -> list[PanelCall]:
    """Calls in which something was handed in, the ones with work to do first."""
    by_panel = Q(applications__tier__route=Tier.Route.FULL) | Q(applications__tier=None)
    announced = Q(applications__status__in=set(RANKED) - {S.PANEL, S.DECIDED})
    calls = Call.objects.annotate(
        waiting=Count("applications", filter=Q(applications__status=S.PANEL)),
        decided=Count("applications", filter=Q(applications__status=S.DECIDED)),
        announced=Count("applications", filter=by_panel & announced),
        underway=Count("applications", filter=by_panel & Q(applications__status__in=UNDERWAY)),
    )
    rows = [
        PanelCall(call, call.waiting, call.decided, call.announced, call.underway)
        for call in calls.order_by("-closes_at")
        if call.waiting or call.decided or call.announced or call.underway
    ]
    return sorted(rows, key=lambda row: not (row.waiting or row.decided))


def to_decide(user: User) -> list[Application]:
    """What a decider can decide now, by how long it waits."""
    if not user.can(Permission.APPLICATION_DECIDE):
        return []
    waiting = Application.objects.filter(status=S.PANEL).without_stake_of(user)
    return list(waiting.select_related("call").prefetch_related("lines").order_by("status_since", "pk"))


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """What a call gives in a pool, what it has promised and what those before the panel ask for; `left` is None where
    it is not bounded. GPU-seconds."""

    pool: Pool
    given: int | None
    taken: int
    waiting: int = 0

    @property
    def left(self) -> int | None:
        return None if self.given is None else self.given - self.taken


def pool_standings(offers: Iterable[CallPool], held: Iterable[Held]) -> list[PoolStanding]:
    taken: dict[int, int] = defaultdict(int)
    for award in held:
        taken[award.pool] += award.gpu_seconds
    return [PoolStanding(offer.pool, offer.gpu_seconds, taken[offer.pool_id]) for offer in offers]


@dataclass(frozen=True, slots=True)
class Technical:
    """The verdict of the last technical review and what it recommends, GPU-seconds by pool id."""

    verdict: str
    recommended: Mapping[int, int]

    @property
    def infeasible(self) -> bool:
        return self.verdict == TechnicalReview.Verdict.INFEASIBLE

    @property
    def label(self) -> str:
        return str(TechnicalReview.Verdict(self.verdict).label)


@dataclass(frozen=True, slots=True)
class RankingLine:
    """One pool of an application; None where nothing is said. GPU-seconds."""

    pool: Pool
    requested: int
    minimum: int | None
    recommended: int | None
    awarded: int | None


@dataclass(frozen=True, slots=True)
class RankingRow:
    application: Application
    rank: int | None
    score: Decimal | None
    spread: Decimal | None
    submitted_reviews: int
    technical: Technical | None
    lines: list[RankingLine]
    below_threshold: bool

    @property
    def waits(self) -> bool:
        return self.application.status == S.PANEL

    @property
    def decided(self) -> bool:
        return self.application.status == S.DECIDED

    @property
    def decision(self) -> Decision | None:
        return getattr(self.application, "decision", None)

    @property
    def spread_is_wide(self) -> bool:
        return self.spread is not None and self.spread > WIDE_SPREAD

    @property
    def recommended_gpu_seconds(self) -> int | None:
        return sum(self.technical.recommended.values()) if self.technical else None


@dataclass(frozen=True, slots=True)
class Ranking:
    """A call's applications by score. Those in which the reader has a stake are only counted."""

    call: Call
    pools: list[PoolStanding]
    held: list[Held]
    rows: list[RankingRow]
    hidden: int
    underway: int

    @property
    def mean_score(self) -> Decimal | None:
        return mean(row.score for row in self.rows if row.score is not None)

    @property
    def waiting(self) -> list[RankingRow]:
        return [row for row in self.rows if row.waits]

    @property
    def decided(self) -> list[RankingRow]:
        return [row for row in self.rows if row.decided]


def ranking(call: Call, user: User) -> Ranking:
    """The ranking as this person may see it. The number of queries does not grow with the number of applications."""
    offers = list(call.offers.select_related("pool"))
    held, scores, technical = held_awards(call), _scores(call), _technical(call)
    handed_in = list(_before_panel(call, user))
    found = [application for application in handed_in if application.status in RANKED]
    shown = [application for application in found if application.judgeable]
    for application in shown:
        application.call = call
    awarded = {(award.application, award.pool): award.gpu_seconds for award in held}
    pools = {offer.pool_id: offer.pool for offer in offers}
    rows = [
        _row(application, scores.get(application.pk, []), technical.get(application.pk), awarded, pools)
        for application in shown
    ]
    hidden, underway = len(found) - len(shown), len(handed_in) - len(found)
    standings = [_with_waiting(standing, rows) for standing in pool_standings(offers, held)]
    return Ranking(call, standings, held, _in_order(rows), hidden, underway)


def _with_waiting(standing: PoolStanding, rows: list[RankingRow]) -> PoolStanding:
    asked = (line.requested for row in rows if row.waits for line in row.lines if line.pool == standing.pool)
    return replace(standing, waiting=sum(asked))


def submitted_reviews() -> Prefetch[Any]:
    """`application.reviews` as submitted ones only, with scores and criteria."""
    rows = Review.objects.current().filter(submitted_at__isnull=False).select_related("reviewer")
    return Prefetch("reviews", queryset=rows.prefetch_related("scores__criterion"))


def _before_panel(call: Call, user: User) -> Any:
    """Those that come before the panel, not what a rule or the technical check alone decides; `judgeable` where the
    person has no stake in them."""
    judgeable = Application.objects.without_stake_of(user).filter(pk=OuterRef("pk"))
    rows = Application.objects.filter(BY_PANEL, call=call, status__in=[*RANKED, *UNDERWAY])
    related = rows.select_related("institution", "applicant", "tier", "decision").prefetch_related("lines")
    return related.annotate(judgeable=Exists(judgeable)).order_by("number", "pk")


def _scores(call: Call) -> dict[int, list[Decimal | None]]:
    """By application, the weighted score of each submitted review, in one query."""
    submitted = Review.objects.current().filter(application__call=call, submitted_at__isnull=False)
    values: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for application, review, value, weight in submitted.values_list(
        "application_id", "pk", "scores__value", "scores__criterion__weight"
    ):
        values[application, review] += [(value, weight)] if value is not None else []
    found: dict[int, list[Decimal | None]] = defaultdict(list)
    for (application, _review), scored in values.items():
        found[application].append(weighted(scored))
    return found


def _technical(call: Call) -> dict[int, Technical]:
    """By application, the last submitted technical review, in one query."""
    submitted = TechnicalReview.objects.filter(application__call=call, submitted_at__isnull=False)
    last: dict[int, tuple[int, str, dict[int, int]]] = {}
    for application, review, verdict, pool, seconds in submitted.order_by("pk").values_list(
        "application_id", "pk", "verdict", "lines__pool_id", "lines__recommended_gpu_seconds"
    ):
        if application not in last or last[application][0] != review:
            last[application] = (review, verdict, {})
        if pool is not None:
            last[application][2][pool] = seconds
    return {application: Technical(verdict, lines) for application, (_review, verdict, lines) in last.items()}


def _row(
    application: Application,
    scores: list[Decimal | None],
    technical: Technical | None,
    awarded: Mapping[tuple[int, int], int],
    pools: Mapping[int, Pool],
) -> RankingRow:
    given = [score for score in scores if score is not None]
    score = mean(given)
    recommended = technical.recommended if technical else {}
    minimums = {line.pool_id: line.minimum_gpu_seconds for line in application.lines.all()}
    lines = [
        RankingLine(
            pools[pool],
            asked.requested,
            minimums[pool],
            recommended.get(pool),
            awarded.get((application.pk, pool)),
        )
        for pool, asked in asked_of(application).items()
        if pool in pools
    ]
    threshold = Decimal(application.call.threshold_hundredths) / 100
    return RankingRow(
        application=application,
        rank=None,
        score=score,
        spread=max(given) - min(given) if given else None,
        submitted_reviews=len(scores),
        technical=technical,
        lines=lines,
        below_threshold=score is not None and score < threshold,
    )


def _in_order(rows: list[RankingRow]) -> list[RankingRow]:
    """By score, then by number; equal scores share a rank."""
    ordered = sorted(rows, key=lambda row: (row.score is None, -(row.score or 0)))
    scores = [row.score for row in ordered]
    return [replace(row, rank=scores.index(row.score) + 1 if row.score is not None else None) for row in ordered]
