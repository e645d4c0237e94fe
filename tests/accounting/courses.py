"""How projects use their hours, day by day, in the shapes that occur, and how far off a rate is that was reckoned from
their beginning. GPU-seconds; always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import mean

HOUR = 3600
HELD_BACK = (14, 28, 60)
HISTORIES = 60
# What a way of reckoning needs at least.
KNOWN_DAYS = 56
Shape = Callable[[Random, int], list[int]]


def steady(chance: Random, days: int) -> list[int]:
    return [int(HOUR * chance.uniform(70, 130)) for _ in range(days)]


def weekdays(chance: Random, days: int) -> list[int]:
    sunday = chance.randrange(7)
    return [
        int(HOUR * chance.uniform(80, 140)) if (day + sunday) % 7 < 5 else int(HOUR * chance.uniform(0, 10))
        for day in range(days)
    ]


def bursty(chance: Random, days: int) -> list[int]:
    """Some days much, some days nothing."""
    use, busy = [], False
    for _ in range(days):
        if chance.random() < (0.2 if busy else 0.25):
            busy = not busy
        use.append(int(HOUR * chance.uniform(100, 300)) if busy else 0)
    return use


def sparse(chance: Random, days: int) -> list[int]:
    return [int(HOUR * chance.uniform(20, 200)) if chance.random() < 0.3 else 0 for _ in range(days)]


def ramp_up(chance: Random, days: int) -> list[int]:
    return [int(HOUR * chance.uniform(0.7, 1.3) * (20 + 180 * day / days)) for day in range(days)]


def ramp_down(chance: Random, days: int) -> list[int]:
    return ramp_up(chance, days)[::-1]


def holiday(chance: Random, days: int) -> list[int]:
    """A week or so without any use, somewhere."""
    begin, length = chance.randrange(days), chance.randrange(5, 12)
    return [0 if begin <= day < begin + length else use for day, use in enumerate(weekdays(chance, days))]


def one_huge_job(chance: Random, days: int) -> list[int]:
    begin = chance.randrange(days)
    return [use + 1500 * HOUR * (begin <= day < begin + 3) for day, use in enumerate(steady(chance, days))]


def two_leave(chance: Random, days: int) -> list[int]:
    """Of three people two leave, each on some day."""
    last_days = [chance.randrange(days), chance.randrange(days)]
    return [
        int(HOUR * (chance.uniform(10, 40) + sum(chance.uniform(30, 90) for last in last_days if day < last)))
        for day in range(days)
    ]


SHAPES: tuple[Shape, ...] = (
    steady, weekdays, bursty, sparse, ramp_up, ramp_down, holiday, one_huge_job, two_leave
)  # fmt: skip


def histories(shape: Shape, count: int) -> list[list[int]]:
    """Of four to twelve months."""
    chances = [Random(f"{shape.__name__} {seed}") for seed in range(count)]  # noqa: S311
    return [shape(chance, chance.choice([120, 180, 240, 365])) for chance in chances]


@dataclass(frozen=True, slots=True)
class Trial:
    """A history up to some day, and what came after it."""

    known: list[int]
    came: list[int]


def trials(shape: Shape, held_back: int) -> Iterator[Trial]:
    for number, use in enumerate(histories(shape, HISTORIES)):
        cut = Random(f"{shape.__name__} {number} {held_back}").randrange(KNOWN_DAYS, len(use) - held_back + 1)  # noqa: S311
        yield Trial(use[:cut], use[cut:])


def error_percent(shape: Shape, held_back: int, rate_of: Callable[[list[int]], int]) -> float:
    """Mean of |said − true| / their mean, of what was used in so many days."""
    errors = []
    for trial in trials(shape, held_back):
        said, true = rate_of(trial.known) * held_back, sum(trial.came[:held_back])
        errors.append(abs(said - true) * 200 / max(1, said + true))
    return mean(errors)
