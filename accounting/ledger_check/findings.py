"""What a check of the books says: how much it looked at, and a sentence for each sum that is not what it should be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

# {"message": msgid, "params": {…}}, translated when it is read (allocations/provisioning/sentences.in_words).
Sentence = dict[str, Any]


def sentence(message: str, **params: int | str) -> Sentence:
    return {"message": message, "params": params}


@dataclass
class Checked:
    """`checked`: how many sums were looked at. `wrong`: a sentence for each that is not right."""

    checked: int = 0
    wrong: list[Sentence] = field(default_factory=list)

    def look(self, right: bool, message: str, **params: int | str) -> None:
        """One sum looked at, and what is to be said where it is not right."""
        self.checked += 1
        if not right:
            self.wrong.append(sentence(message, **params))


@dataclass(frozen=True, slots=True)
class Check:
    """`title` is a msgid: what is proven, as a page lists it."""

    name: str
    title: str
    look: Callable[[datetime], Checked]


@dataclass(frozen=True, slots=True)
class Result:
    """As a page shows it: `named` are the first of the `wrong`, in the reader's language."""

    title: str
    checked: int
    wrong: int
    named: Sequence[str]

    @property
    def unnamed(self) -> int:
        return self.wrong - len(self.named)
