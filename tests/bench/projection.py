"""How ways of reckoning a rate fare on histories whose end is held back: what the projection was chosen by."""

from __future__ import annotations

import os
from collections.abc import Callable
from statistics import mean, median

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from tests.accounting.courses import HELD_BACK, SHAPES, error_percent  # noqa: E402
from tests.accounting.test_projection import coverage, rate_said  # noqa: E402


def _median_of_weeks(use: list[int], weeks: int) -> int:
    return int(median(sum(use[len(use) - 7 * (week + 1) : len(use) - 7 * week]) for week in range(weeks))) // 7


def _weighted(use: list[int], half_life: int) -> int:
    shares = [0.5 ** ((len(use) - 1 - day) / half_life) for day in range(len(use))]
    return int(sum(share * amount for share, amount in zip(shares, use, strict=True)) / sum(shares))


WAYS: dict[str, Callable[[list[int]], int]] = {
    "as built": rate_said,
    "mean 7 d": lambda use: sum(use[-7:]) // 7,
    "mean 14 d": lambda use: sum(use[-14:]) // 14,
    "mean 28 d": lambda use: sum(use[-28:]) // 28,
    "mean 56 d": lambda use: sum(use[-56:]) // 56,
    "median 6 wk": lambda use: _median_of_weeks(use, 6),
    "median 8 wk": lambda use: _median_of_weeks(use, 8),
    "weighted 14 d": lambda use: _weighted(use, 14),
    "weighted 28 d": lambda use: _weighted(use, 28),
}


def main() -> None:
    print(f"{'error in % (14/28/60 days)':28}" + "".join(f"{name:>15}" for name in WAYS))
    sums: dict[str, list[float]] = {name: [] for name in WAYS}
    for shape in SHAPES:
        cells = []
        for name, way in WAYS.items():
            errors = [error_percent(shape, held_back, way) for held_back in HELD_BACK]
            sums[name].append(mean(errors))
            cells.append("/".join(f"{error:.0f}" for error in errors))
        print(f"{shape.__name__:28}" + "".join(f"{cell:>15}" for cell in cells))
    print(f"{'all':28}" + "".join(f"{mean(errors):>15.1f}" for errors in sums.values()))
    print("\nband: held / given / tried")
    for shape in SHAPES:
        held, given_band, tried = coverage(shape)
        print(f"{shape.__name__:28}{100 * held // max(1, given_band):>5} % of {100 * given_band // tried} %")


if __name__ == "__main__":
    main()
