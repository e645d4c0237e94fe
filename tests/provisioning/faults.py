"""How many faults were tried on a real Slurm in this run, told at its end."""

from __future__ import annotations

from collections import Counter

import pytest

TRIED: Counter[str] = Counter()
HEALED: Counter[str] = Counter()


def tried(fault: str) -> None:
    TRIED[fault] += 1


def healed(fault: str) -> None:
    HEALED[fault] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A hook of pytest, taken in by tests/conftest.py."""
    if not TRIED:
        return
    terminalreporter.section("faults tried on a real Slurm")
    for fault, number in sorted(TRIED.items()):
        terminalreporter.write_line(f"{number:4} {fault}, healed: {HEALED[fault]}")
    terminalreporter.write_line(f"{TRIED.total():4} faults in all, healed: {HEALED.total()}")
