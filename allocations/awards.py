"""What may be awarded: pools, caps, minimum useful amounts. Pure arithmetic on integer GPU-seconds.

The same functions say what a decision may give (services/decisions.py) and propose awards for a whole call
(selectors/simulation.py). Pools, people and institutions are known here by their ids only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto

SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application asks of one pool; less than `minimum` would be of no use to it."""

    requested: int
    minimum: int = 0

    @property
    def least(self) -> int:
        return max(self.minimum, SECONDS_A_MINUTE)


@dataclass(frozen=True, slots=True)
class Room:
    """What can still be given: by pool, to the applicant, to the institution. None is not bounded; a pool that is not
    named is not given at all."""

    pools: Mapping[int, int | None]
    person: int | None = None
    institution: int | None = None


class Rule(Enum):
    NOTHING = auto()
    WHOLE_MINUTES = auto()
    NOT_ASKED = auto()
    OVER_REQUEST = auto()
    UNDER_MINIMUM = auto()
    NOT_OFFERED = auto()
    POOL = auto()
    PERSON = auto()
    INSTITUTION = auto()


@dataclass(frozen=True, slots=True)
class Breach:
    """The rule an award would break: in which pool, and the bound in GPU-seconds."""

    rule: Rule
    pool: int | None = None
    bound: int = 0


def breach(awards: Mapping[int, int], asked: Mapping[int, Asked], room: Room) -> Breach | None:
    """The first rule that `awards` would break; None where they may be given. Zeros count as nothing."""
    awarded = {pool: seconds for pool, seconds in awards.items() if seconds}
    if not awarded:
        return Breach(Rule.NOTHING)
    for pool, seconds in awarded.items():
        if found := _pool_breach(pool, seconds, asked.get(pool), room):
            return found
    total = sum(awarded.values())
    if room.person is not None and total > room.person:
        return Breach(Rule.PERSON, bound=room.person)
    if room.institution is not None and total > room.institution:
        return Breach(Rule.INSTITUTION, bound=room.institution)
    return None


def _pool_breach(pool: int, seconds: int, asked: Asked | None, room: Room) -> Breach | None:
    if seconds < 0 or seconds % SECONDS_A_MINUTE:
        return Breach(Rule.WHOLE_MINUTES, pool)
    if asked is None:
        return Breach(Rule.NOT_ASKED, pool)
    if seconds > asked.requested:
        return Breach(Rule.OVER_REQUEST, pool, asked.requested)
    if seconds < asked.least:
        return Breach(Rule.UNDER_MINIMUM, pool, asked.least)
    if pool not in room.pools:
        return Breach(Rule.NOT_OFFERED, pool)
    left = room.pools[pool]
    return Breach(Rule.POOL, pool, left) if left is not None and seconds > left else None


def fitting(asked: Mapping[int, Asked], recommended: Mapping[int, int], room: Room) -> dict[int, int]:
    """The most that may be given: of each pool what is asked and recommended, as far as there is room, or nothing where
    that is less than is useful. Never breaks a rule unless it is empty."""
    awards: dict[int, int] = {}
    for pool, wanted in asked.items():
        given = sum(awards.values())
        bounds = [room.pools.get(pool, 0), _minus(room.person, given), _minus(room.institution, given)]
        most = min([wanted.requested, recommended.get(pool, wanted.requested), *(b for b in bounds if b is not None)])
        whole = most // SECONDS_A_MINUTE * SECONDS_A_MINUTE
        if whole >= wanted.least:
            awards[pool] = whole
    return awards


def _minus(bound: int | None, given: int) -> int | None:
    return None if bound is None else bound - given


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application that waits for a decision, with what the panel goes by."""

    key: int
    person: int
    institution: int
    score: Decimal | None
    asked: Mapping[int, Asked]
    recommended: Mapping[int, int] = field(default_factory=dict)
    feasible: bool = True


class Fate(Enum):
    """What the simulation proposes, with its reason: all of it; what was recommended; what was left; nothing. UNSCORED
    ones are left to people."""

    FULL = auto()
    REDUCED = auto()
    SQUEEZED = auto()
    NO_ROOM = auto()
    BELOW_THRESHOLD = auto()
    INFEASIBLE = auto()
    UNSCORED = auto()


@dataclass(frozen=True, slots=True)
class Proposed:
    key: int
    fate: Fate
    awards: Mapping[int, int] = field(default_factory=dict)


@dataclass
class Budget:
    """What a call still gives while a simulation goes on: by pool, and what people and institutions have of it."""

    pools: dict[int, int | None]
    most_per_person: int | None = None
    most_per_institution: int | None = None
    of_person: dict[int, int] = field(default_factory=dict)
    of_institution: dict[int, int] = field(default_factory=dict)

    def room(self, person: int, institution: int) -> Room:
        return Room(
            pools=dict(self.pools),
            person=_minus(self.most_per_person, self.of_person.get(person, 0)),
            institution=_minus(self.most_per_institution, self.of_institution.get(institution, 0)),
        )

    def take(self, person: int, institution: int, awards: Mapping[int, int]) -> None:
        for pool, seconds in awards.items():
            self.pools[pool] = _minus(self.pools[pool], seconds)
            self.of_person[person] = self.of_person.get(person, 0) + seconds
            self.of_institution[institution] = self.of_institution.get(institution, 0) + seconds


def simulate(candidates: Iterable[Candidate], budget: Budget, threshold: Decimal) -> list[Proposed]:
    """Fund in the order of scores, each what `fitting` says, until nothing fits any more; the rest goes to the reserve.

    Equal scores keep the order they come in. `budget` is used up by it.
    """
    ordered = sorted(candidates, key=lambda one: -(one.score if one.score is not None else Decimal(-1)))
    return [_propose(candidate, budget, threshold) for candidate in ordered]


def _propose(candidate: Candidate, budget: Budget, threshold: Decimal) -> Proposed:
    if not candidate.feasible:
        return Proposed(candidate.key, Fate.INFEASIBLE)
    if candidate.score is None:
        return Proposed(candidate.key, Fate.UNSCORED)
    if candidate.score < threshold:
        return Proposed(candidate.key, Fate.BELOW_THRESHOLD)
    room = budget.room(candidate.person, candidate.institution)
    awards = fitting(candidate.asked, candidate.recommended, room)
    if not awards:
        return Proposed(candidate.key, Fate.NO_ROOM)
    budget.take(candidate.person, candidate.institution, awards)
    return Proposed(candidate.key, _fate(candidate, awards), awards)


def _fate(candidate: Candidate, awards: Mapping[int, int]) -> Fate:
    requested = {pool: asked.requested for pool, asked in candidate.asked.items()}
    if awards == requested:
        return Fate.FULL
    unbounded = Room(dict.fromkeys(candidate.asked))
    as_recommended = awards == fitting(candidate.asked, candidate.recommended, unbounded)
    return Fate.REDUCED if as_recommended else Fate.SQUEEZED
