"""What a statement says. All amounts are integer GPU-seconds (CPU-seconds where they are named so).

Nothing in it is translated: names are kept in both languages, kinds and states as codes, so that a frozen statement can
be read in either.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.translation import gettext as _

from accounting.words import state_words
from allocations.models import LedgerEntry
from portal.people.models import in_language


@dataclass(frozen=True, slots=True)
class Name:
    ko: str
    en: str

    def __str__(self) -> str:
        return in_language(self.ko, self.en)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger. `grant` is its reference, `by` None where it followed from a rule, `job` the number of
    the job that it is about."""

    kind: str
    at: datetime
    grant: str
    reason: str
    by: Name | None
    job: str
    gpu_seconds: int

    @property
    def words(self) -> str:
        return str(LedgerEntry.Kind(self.kind).label)


@dataclass(frozen=True, slots=True)
class Use:
    """What one person used of one GPU kind in jobs of one end state."""

    user_name: str
    name: Name
    gpu_kind: str
    state: str
    gpu_seconds: int
    cpu_seconds: int
    jobs: int

    @property
    def kind_words(self) -> str:
        """GPUs of a job that named no type are known by their number only."""
        return self.gpu_kind or (_("Type not named") if self.gpu_seconds else _("Without GPU"))

    @property
    def state_words(self) -> str:
        return str(state_words(self.state).words)


@dataclass(frozen=True, slots=True)
class Correction:
    """An earlier month is known to be otherwise than it was stated; `stated` is None where it never was."""

    month: date
    stated: int | None
    now: int

    @property
    def gpu_seconds(self) -> int:
        return self.now - (self.stated or 0)


@dataclass(frozen=True, slots=True)
class Lapse:
    """The unused rest of a grant that ended; negative where some of it was used by its last jobs or it was extended."""

    grant: str
    ends_at: datetime
    gpu_seconds: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a project's lines in a pool stood at the end of a month, as the next statement goes on from it.

    `left`: of lines that are not over, less what others are overrun by; `outside`: used in all while no grant had been
    opened; `lapsed` by line, `months` used by month, in all so far.
    """

    left: int = 0
    outside: int = 0
    lapsed: Mapping[int, int] = field(default_factory=dict)
    months: Mapping[date, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PoolMonth:
    """A project's month in one pool: what was carried over and what came in, less what went, is what is left."""

    code: str
    name: Name
    account: str
    carried: int
    entries: Sequence[Entry]
    use: Sequence[Use]
    corrections: Sequence[Correction]
    outside: int
    lapses: Sequence[Lapse]
    closing: Standing

    @property
    def entered(self) -> int:
        return sum(entry.gpu_seconds for entry in self.entries)

    @property
    def used(self) -> int:
        """Gross: refunds stand beside it, among the entries."""
        return sum(row.gpu_seconds for row in self.use)

    @property
    def corrected(self) -> int:
        return sum(row.gpu_seconds for row in self.corrections)

    @property
    def lapsed(self) -> int:
        return sum(row.gpu_seconds for row in self.lapses)

    @property
    def left(self) -> int:
        return self.closing.left

    @property
    def cpu_seconds(self) -> int:
        return sum(row.cpu_seconds for row in self.use)

    @property
    def jobs(self) -> int:
        return sum(row.jobs for row in self.use)

    @property
    def unaccounted(self) -> int:
        """By how much the columns do not add up: always 0."""
        moved = self.entered - self.used - self.corrected + self.outside - self.lapsed
        return self.left - self.carried - moved

    def entered_by_kind(self) -> list[tuple[str, int]]:
        """(words, sum) for each kind there is, in the order of the ledger's kinds."""
        sums = {kind: [e.gpu_seconds for e in self.entries if e.kind == kind] for kind in LedgerEntry.Kind}
        return [(str(kind.label), sum(amounts)) for kind, amounts in sums.items() if amounts]

    def by_person(self) -> list[Use]:
        return _summed(self.use, lambda row: (row.user_name,))

    def by_kind(self) -> list[Use]:
        return _summed(self.use, lambda row: (row.gpu_kind,))

    def by_state(self) -> list[Use]:
        return _summed(self.use, lambda row: (row.state,))


@dataclass(frozen=True, slots=True)
class Content:
    """A project's month, pool by pool, with who and what the project was and up to when jobs were known.

    `last_entry` is the newest entry of the ledger that was known: what is written later, the next statement takes.
    """

    month: date
    code: str
    title: Name
    pi: Name
    institution: Name
    pools: Sequence[PoolMonth]
    last_entry: int
    read_until: datetime | None
    verified_until: datetime | None

    @property
    def used(self) -> int:
        return sum(pool.used for pool in self.pools)

    @property
    def corrected(self) -> int:
        return sum(pool.corrected for pool in self.pools)

    @property
    def left(self) -> int:
        return sum(pool.left for pool in self.pools)

    @property
    def is_empty(self) -> bool:
        """Nothing stood, moved or was used."""
        return not any(
            pool.carried or pool.left or pool.entries or pool.use or pool.corrections or pool.lapses
            for pool in self.pools
        )

    def as_json(self) -> dict[str, Any]:
        """As `Statement.figures` keeps it."""
        figures: dict[str, Any] = json.loads(
            json.dumps(asdict(self, dict_factory=_with_text_keys), cls=DjangoJSONEncoder)
        )
        return figures


def content_of(figures: Mapping[str, Any]) -> Content:
    """The content that `Content.as_json` gave."""
    return Content(
        **_with(
            figures,
            month=date.fromisoformat,
            title=_name,
            pi=_name,
            institution=_name,
            pools=lambda rows: [_pool(row) for row in rows],
            read_until=_moment,
            verified_until=_moment,
        )
    )


def _pool(row: Mapping[str, Any]) -> PoolMonth:
    return PoolMonth(
        **_with(
            row,
            name=_name,
            entries=lambda rows: [Entry(**_with(entry, at=_moment, by=_name)) for entry in rows],
            use=lambda rows: [Use(**_with(use, name=_name)) for use in rows],
            corrections=lambda rows: [Correction(**_with(found, month=date.fromisoformat)) for found in rows],
            lapses=lambda rows: [Lapse(**_with(lapse, ends_at=_moment)) for lapse in rows],
            closing=_standing,
        )
    )


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        left=row["left"],
        outside=row["outside"],
        lapsed={int(line): amount for line, amount in row["lapsed"].items()},
        months={date.fromisoformat(month): amount for month, amount in row["months"].items()},
    )


def _with(row: Mapping[str, Any], **read: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: read[name](value) if name in read else value for name, value in row.items()}


def _name(row: Mapping[str, str] | None) -> Name | None:
    return Name(**row) if row is not None else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _with_text_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON has text keys only."""
    return {
        name: {str(key): amount for key, amount in value.items()} if isinstance(value, Mapping) else value
        for name, value in pairs
    }


def _summed(rows: Sequence[Use], key: Callable[[Use], tuple[str, ...]]) -> list[Use]:
    """One row for each key, who used most first; what the key does not name is that of its first row."""
    groups: defaultdict[tuple[str, ...], list[Use]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    sums = [
        replace(
            group[0],
            gpu_seconds=sum(row.gpu_seconds for row in group),
            cpu_seconds=sum(row.cpu_seconds for row in group),
            jobs=sum(row.jobs for row in group),
        )
        for group in groups.values()
    ]
    return sorted(sums, key=lambda row: (-row.gpu_seconds, key(row)))
