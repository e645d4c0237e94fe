"""What the public does not see of an edition: figures about fewer than three parties, and as many more as it takes that
none of them follows from what is shown.

A *cell* is a figure, or figures that are shown or hidden together. Firms count as one party however many projects they
have, so that one firm's use is never told; of other institutions each project is a party.

A cell *follows* from the shown ones where it is a linear combination of them: use adds up over the rows of each table,
firms are a row of two tables, and months add up to quarters and years. All that was ever published of a year is looked
at together, since whoever kept it may subtract. Known, too, is that a sum of nothing has nothing in it, and that
nothing was used in a row that a table leaves out. What is hidden for the sake of a small cell may
follow, as long as the small one does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from accounting.report.books import FIRM, FIRMS, NAMED, OTHERS
from accounting.report.content import Content, Row
from accounting.report.indicators import TABLES
from portal.people.models import Institution

FEWEST = 3
# Table and row; counts stand alone and have no row.
Key = tuple[str, str]
TOTAL: Key = ("used", "")
# Sums over months, so that a quarter less two months is the third; of other counts only small ones are hidden.
ADDITIVE = ("applications", "decided", "selected", "refunded", "firms_new")
OF_USE = frozenset({TOTAL[0], *TABLES})
COUNTED = ("projects", "people", "firms")

# What nobody outside knows: an amount of a month, of a block that adds up to the month's use, or of a count.
Unknown = tuple[str, ...]
Vector = dict[Unknown, Fraction]
ONE = Fraction(1)
# Institutions as the tables by institution and by sector cut them.
INSTITUTIONS = (
    *((group, Institution.Kind.UNIVERSITY.value) for group in NAMED),
    (FIRMS, FIRM.value),
    *((OTHERS, kind.value) for kind in Institution.Kind if kind != FIRM),
)


@dataclass(frozen=True, slots=True)
class Published:
    """An edition that the public could read, with what was hidden of it."""

    content: Content
    hidden: frozenset[Key]


def hidden_cells(content: Content, published: Sequence[Published], unpublished: Sequence[Content]) -> frozenset[Key]:
    """What is hidden of a new edition, where `published` are all editions of its year so far and `unpublished` the
    year's other periods, as far as they are known: what is small in them must not follow from this one either.

    What an earlier edition of the same period hid stays hidden.
    """
    hidden = _small(content)
    hidden.update(*(row.hidden for row in published if row.content.period == content.period))
    search = _Search(content, published, unpublished)
    while found := search.first_that_follows(hidden):
        more = search.next_to_hide(hidden, found)
        if more is None:
            break
        hidden.add(more)
    return frozenset(hidden)


class _Search:
    """For one more cell to hide at a time; the least important that helps."""

    def __init__(self, content: Content, published: Sequence[Published], unpublished: Sequence[Content]) -> None:
        self.content = content
        self.known = _Span()
        everything = [content, *(row.content for row in published), *unpublished]
        for vector in (*_structure(everything), *_left_out(everything)):
            self.known.add(vector)
        for row in published:
            for vector in _shown(row.content, row.hidden):
                self.known.add(vector)
        # An empty cell is never hidden, so it will be known.
        for other in unpublished:
            for vector in _shown(other, _adding(other)):
                self.known.add(vector)
        self.secret = [(key, vector_of(of, key)) for of in everything for key in sorted(_adding(of) & _small(of))]

    def first_that_follows(self, hidden: Iterable[Key]) -> tuple[Key, Vector] | None:
        """A small cell of any edition, and what it is the sum of."""
        known = self._known_with(frozenset(hidden))
        return next((row for row in self.secret if known.holds(row[1])), None)

    def next_to_hide(self, hidden: Iterable[Key], found: tuple[Key, Vector]) -> Key | None:
        """Of the cells shown, with something in them, the smallest without which `found` does not follow."""
        hidden, (near, vector) = frozenset(hidden), found
        weights = _weights(self.content)
        # Each count adds up for itself alone, the tables of use together.
        related = [key for key in _adding(self.content) - hidden if key[0] == near[0] or {key[0], near[0]} <= OF_USE]
        shown = sorted(related, key=lambda key: (key == TOTAL, key[0] != near[0], weights[key], key))
        enough = (key for key in shown if not self._known_with(hidden | {key}).holds(vector))
        return next(enough, shown[0] if shown else None)

    def _known_with(self, hidden: frozenset[Key]) -> _Span:
        known = self.known.copy()
        for vector in _shown(self.content, hidden):
            known.add(vector)
        return known


# --- Cells ---


def _small(content: Content) -> set[Key]:
    return {key for key, parties in _parties(content).items() if 0 < parties < FEWEST}


def _parties(content: Content) -> dict[Key, int]:
    rows = {(table, row.key): row.parties for table, row in _rows(content)}
    return rows | {(name, ""): content.behind[name] for name in (*TOTAL[:1], *ADDITIVE, *COUNTED)}


def _adding(content: Content) -> frozenset[Key]:
    """Cells that add up to others, with something in them."""
    return frozenset(key for key, parties in _parties(content).items() if parties and key[0] not in COUNTED)


def _weights(content: Content) -> dict[Key, int]:
    return _parties(content) | {(table, row.key): row.gpu_seconds for table, row in _rows(content)}


def _rows(content: Content) -> Iterator[tuple[str, Row]]:
    return ((table, row) for table, rows in content.tables.items() for row in rows)


# --- What is known, as vectors of what is not ---


def vector_of(content: Content, key: Key) -> Vector:
    """Which unknowns the cell is the sum of."""
    return {(f"{month:%Y-%m}", *part): ONE for month in content.period.months for part in _parts(key)}


def _parts(key: Key) -> list[tuple[str, ...]]:
    table, row = key
    if table in ("used", "group", "sector"):
        place = {"group": 0, "sector": 1}.get(table)
        return [("use", *pair) for pair in INSTITUTIONS if place is None or pair[place] == row]
    return [(table, row)]


def _shown(content: Content, hidden: frozenset[Key]) -> Iterator[Vector]:
    for key, parties in _parties(content).items():
        if key in hidden or key[0] in COUNTED:
            continue
        vector = vector_of(content, key)
        if parties:
            yield vector
        else:
            yield from ({unknown: ONE} for unknown in vector)


def _structure(contents: Sequence[Content]) -> Iterator[Vector]:
    """In every month each table adds up to the use of all institutions."""
    months = {month for content in contents for month in content.period.months}
    for table in ("domain", "pool"):
        rows = {row.key for content in contents for row in content.tables[table]}
        for month in sorted(months):
            whole = {(f"{month:%Y-%m}", *part): ONE for part in _parts(TOTAL)}
            yield whole | {(f"{month:%Y-%m}", table, row): -ONE for row in rows}


def _left_out(contents: Sequence[Content]) -> Iterator[Vector]:
    """Rows of one content that another does not name."""
    named = {table: {row.key for content in contents for row in content.tables[table]} for table in TABLES}
    named["sector"] |= {sector for _, sector in INSTITUTIONS}
    for content in contents:
        for table, rows in named.items():
            for row in rows - {row.key for row in content.tables[table]}:
                yield from ({unknown: ONE} for unknown in vector_of(content, (table, row)))


class _Span:
    """All linear combinations of the vectors added, kept in echelon form: each row by its first unknown."""

    def __init__(self, rows: Mapping[Unknown, Vector] | None = None) -> None:
        self.rows = dict(rows or {})

    def copy(self) -> _Span:
        return _Span(self.rows)

    def add(self, vector: Vector) -> None:
        rest = self._rest(vector)
        if rest:
            self.rows[min(rest)] = rest

    def holds(self, vector: Vector) -> bool:
        return not self._rest(vector)

    def _rest(self, vector: Vector) -> Vector:
        """The vector less what the rows make of it."""
        rest = dict(vector)
        while lead := min((unknown for unknown in rest if unknown in self.rows), default=None):
            row = self.rows[lead]
            factor = rest[lead] / row[lead]
            for unknown, amount in row.items():
                left = rest.get(unknown, 0) - factor * amount
                if left:
                    rest[unknown] = left
                else:
                    rest.pop(unknown, None)
        return rest
