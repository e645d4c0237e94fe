"""Sentences for people, made here and translated where they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def noop(text: str) -> str:
    """Marks an English msgid for the catalogue: import as `_`. Nothing is translated here."""
    return text


@dataclass(frozen=True, slots=True)
class Sentence:
    """An English msgid and its parameters. Shown as gettext(message) % params."""

    message: str
    params: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message % self.params if self.params else self.message
