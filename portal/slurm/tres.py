"""Slurm's trackable resources as text: `cpu=4,mem=10M,gres/gpu=2,gres/gpu:h100=2`."""

from __future__ import annotations

from collections.abc import Mapping

GPU = "gres/gpu"
KIND = GPU + ":"
MULTIPLIERS = {"K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4, "P": 1024**5}


def parse_tres(text: str) -> dict[str, int]:
    """Amounts by name, in any order; an empty text is no resource at all.

    A suffix multiplies by a power of 1024, as Slurm writes memory. Raises ValueError for anything else.
    """
    return {name: _amount(value) for name, value in _pairs(text)}


def format_tres(amounts: Mapping[str, int]) -> str:
    return ",".join(f"{name}={amount}" for name, amount in sorted(amounts.items()))


def gpu_kinds(amounts: Mapping[str, int]) -> dict[str, int]:
    """GPUs by type: the same ones as the untyped total, never to be added to it."""
    return {name.removeprefix(KIND): count for name, count in amounts.items() if name.startswith(KIND)}


def gpu_count(amounts: Mapping[str, int]) -> int:
    """All GPUs. Where Slurm tracks types only, their sum."""
    return amounts.get(GPU, sum(gpu_kinds(amounts).values()))


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(",") if text else []:
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise ValueError(f"{part!r} is no resource amount")
        pairs.append((name, value))
    return pairs


def _amount(value: str) -> int:
    digits, multiplier = (value[:-1], MULTIPLIERS[value[-1]]) if value[-1:] in MULTIPLIERS else (value, 1)
    if "." in digits:
        return round(float(digits) * multiplier)
    return int(digits) * multiplier
