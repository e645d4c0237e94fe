"""Timing, and telling what it gave."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable


def seconds(act: Callable[[], object]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


def median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def tell(what: str, took: list[float], bare: float, of: str, aim: float) -> None:
    middle, worst = statistics.median(took), max(took)
    print(
        f"{what:<44}{middle:8.3f} s median, {worst:.3f} s worst of {len(took)}; "
        f"{middle / bare:.1f} {of}; aim under {aim} s: {'met' if worst < aim else 'not met'}"
    )
