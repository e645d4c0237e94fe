"""A proposal of awards for what waits in a call, simulated from its ranking; it stands only once it is adopted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from allocations.awards import Candidate, Fate, Proposed, simulate
from allocations.models import Application, Decision, Pool
from allocations.selectors.panel import PoolStanding, Ranking, RankingRow
from allocations.services.decisions import Verdict
from allocations.services.room import asked_of, budget_of

OUTCOMES = {
    Fate.FULL: (Decision.Outcome.AWARDED, Decision.Reason.MERIT),
    Fate.REDUCED: (Decision.Outcome.PARTLY, Decision.Reason.REDUCED),
    Fate.SQUEEZED: (Decision.Outcome.PARTLY, Decision.Reason.HOURS_GONE),
    Fate.NO_ROOM: (Decision.Outcome.RESERVE, Decision.Reason.HOURS_GONE),
    Fate.BELOW_THRESHOLD: (Decision.Outcome.DECLINED, Decision.Reason.BELOW_THRESHOLD),
    Fate.INFEASIBLE: (Decision.Outcome.DECLINED, Decision.Reason.NOT_FEASIBLE),
}


@dataclass(frozen=True, slots=True)
class ProposedRow:
    """`verdict` is None for what only people can decide: an application without a score."""

    row: RankingRow
    verdict: Verdict | None

    @property
    def application(self) -> Application:
        return self.row.application

    @property
    def awards(self) -> Mapping[Pool, int]:
        return self.verdict.awarded if self.verdict else {}

    @property
    def outcome(self) -> Decision.Outcome | None:
        return Decision.Outcome(self.verdict.outcome) if self.verdict else None

    @property
    def reason(self) -> Decision.Reason | None:
        return Decision.Reason(self.verdict.reason_code) if self.verdict else None

    @property
    def seen(self) -> str:
        """The row as it is shown, so that nothing else is adopted than what was read."""
        if self.verdict is None:
            return ""
        amounts = ",".join(f"{pool.pk}={seconds}" for pool, seconds in self.awards.items())
        return f"{self.application.pk}:{self.verdict.outcome}:{self.verdict.reason_code}:{amounts}"


@dataclass(frozen=True, slots=True)
class Simulation:
    """The proposed rows in the order of scores, and the call's pools as they would stand with all of them."""

    rows: list[ProposedRow]
    pools: list[PoolStanding]

    @property
    def adoptable(self) -> list[ProposedRow]:
        return [row for row in self.rows if row.verdict is not None]


def simulation(ranking: Ranking) -> Simulation:
    budget = budget_of(ranking.call, [], ranking.held)
    budget.pools = {standing.pool.pk: standing.left for standing in ranking.pools}
    rows = {row.application.pk: row for row in ranking.waiting}
    threshold = Decimal(ranking.call.threshold_hundredths) / 100
    proposed = simulate([_candidate(row) for row in rows.values()], budget, threshold)
    pools = {standing.pool.pk: standing.pool for standing in ranking.pools}
    proposed_rows = [ProposedRow(rows[one.key], _verdict(one, pools)) for one in proposed]
    return Simulation(proposed_rows, [_with(standing, proposed) for standing in ranking.pools])


def _with(standing: PoolStanding, proposed: list[Proposed]) -> PoolStanding:
    more = sum(one.awards.get(standing.pool.pk, 0) for one in proposed)
    return PoolStanding(standing.pool, standing.given, standing.taken + more)


def _candidate(row: RankingRow) -> Candidate:
    application = row.application
    return Candidate(
        key=application.pk,
        person=application.applicant_id,
        institution=application.institution_id,
        score=row.score,
        asked=asked_of(application),
        recommended=row.technical.recommended if row.technical else {},
        feasible=not (row.technical and row.technical.infeasible),
    )


def _verdict(proposed: Proposed, pools: Mapping[int, Pool]) -> Verdict | None:
    if proposed.fate not in OUTCOMES:
        return None
    outcome, reason = OUTCOMES[proposed.fate]
    return Verdict(outcome, {pools[pool]: seconds for pool, seconds in proposed.awards.items()}, reason)
