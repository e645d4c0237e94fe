"""What an action of `manage.py usage` is given, and the kinds of arguments it takes."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from portal.slurm.gateway import SlurmGateway


@dataclass(frozen=True, slots=True)
class Task:
    """`options` are the parsed arguments. `gateway()` opens the way to Slurm; an action that needs none never asks.

    An action raises CommandError, SlurmError or CannotVerify (accounting/verification/verify.py) where it fails.
    """

    out: OutputWrapper
    options: Mapping[str, Any]
    gateway: Callable[[], SlurmGateway]


def moment(text: str) -> datetime:
    """An ISO time; one without a zone is meant in the portal's own, a date its first moment."""
    parsed = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00")
    if parsed is None:
        raise ArgumentTypeError(f"{text!r} is no time: write for example 2026-03-02T15:00 or 2026-03-02.")
    return parsed if parsed.tzinfo else timezone.make_aware(parsed)
