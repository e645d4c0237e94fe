"""How a pool's month follows from where it stood before and where it stands after: pure arithmetic on GPU-seconds.

A statement goes on from what the one before says, not from what is known of that time by now. What has become known
since is the difference of both, and is named as a correction, month by month.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from accounting.attribution import Line, Piece, attribute
from accounting.statements.content import Correction, Standing
from accounting.statements.months import month_of


def standing_at(lines: Sequence[Line], pieces: Iterable[Piece], until: datetime) -> Standing:
    """Where lines stand by what was used before `until`; no piece crosses it. A line lapses at its end.

    `lines` are granted what the ledger said at `until`.
    """
    used = [piece for piece in pieces if piece.start < until]
    attribution = attribute(used, lines)
    rests = {line.key: line.granted_gpu_seconds - attribution.charged[line.key] for line in lines}
    over = {line.key for line in lines if line.ends_at <= until}
    months: dict[date, int] = {}
    for piece in used:
        month = month_of(piece.start)
        months[month] = months.get(month, 0) + piece.gpu_seconds
    return Standing(
        left=sum(min(0, rest) if key in over else rest for key, rest in rests.items()),
        outside=attribution.unattributed,
        lapsed={key: rests[key] for key in over if rests[key] > 0},
        months=months,
    )


def corrections(before: Mapping[date, int], now: Mapping[date, int], month: date) -> list[Correction]:
    """Months before `month` that are known to be otherwise than they were stated."""
    earlier = sorted(row for row in before.keys() | now.keys() if row < month)
    found = [Correction(row, before.get(row), now.get(row, 0)) for row in earlier]
    return [row for row in found if row.gpu_seconds]


def lapses(before: Mapping[int, int], now: Mapping[int, int]) -> dict[int, int]:
    """What has lapsed since, by line; negative where less of it is lapsed than was stated."""
    changes = {line: now.get(line, 0) - before.get(line, 0) for line in before.keys() | now.keys()}
    return {line: amount for line, amount in sorted(changes.items()) if amount}
