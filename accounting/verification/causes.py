"""Why our figures and sreport's differ: each second of it put down to a job, a reservation, or to nothing known.

Two things are told apart. Where our job rows are not the rows that Slurm has now, the difference is in those rows. What
remains is sreport saying something else than Slurm's own rows: it sums up hours once, adds idle reservations, and its
tree of accounts may be broken (slurm-facts 1.2, 6, 12.8, 12.9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from accounting.models import Verification
from accounting.usage import clipped_seconds
from accounting.verification.evidence import Evidence, Row, gather
from accounting.verification.hours import DAY, Pair, Span
from portal.slurm.gateway import SlurmGateway
from portal.slurm.reservations import idle_share

Kind = Verification.Cause
# Rows whose times are combined to explain one hour of one person; more sums than that say nothing any more.
MOST_SUMS = 20_000
# A row that changed so long after its end was corrected: nobody knows any more what it said before.
CORRECTED = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Cause:
    """`gpu_seconds`: ours minus Slurm's, as far as it comes from this job or reservation."""

    kind: Kind
    what: str
    gpu_seconds: int


@dataclass(slots=True)
class Gap:
    """One person's figures of one span, by ours and by Slurm's reckoning, GPU-seconds."""

    span: Span
    pair: Pair
    ours: int
    slurm: int
    causes: list[Cause] = field(default_factory=list)

    @property
    def difference(self) -> int:
        return self.ours - self.slurm

    @property
    def unexplained(self) -> int:
        return self.difference - sum(cause.gpu_seconds for cause in self.causes)


def explain(gateway: SlurmGateway, gaps: Iterable[Gap]) -> None:
    """Find the causes of each. Raises SlurmError."""
    for span, together in _stretches(gaps):
        evidence = gather(gateway, span, {gap.pair for gap in together})
        for gap in together:
            gap.causes += _row_causes(gap, evidence)
            gap.causes += _reservation_causes(gap, evidence)
        _name_misplaced(together)
        for gap in together:
            gap.causes += _late_causes(gap, evidence)


def _stretches(gaps: Iterable[Gap]) -> list[tuple[Span, list[Gap]]]:
    """Gaps whose spans follow one another, up to a day: Slurm is asked for their rows at once."""
    stretches: list[tuple[Span, list[Gap]]] = []
    for gap in sorted(gaps, key=lambda gap: gap.span):
        if stretches:
            span, together = stretches[-1]
            if gap.span.start <= span.end and gap.span.end - span.start <= DAY:
                stretches[-1] = (Span(span.start, max(span.end, gap.span.end)), [*together, gap])
                continue
        stretches.append((gap.span, [gap]))
    return stretches


# --- Our rows are not Slurm's ---


def _row_causes(gap: Gap, evidence: Evidence) -> list[Cause]:
    pairs = ((evidence.ours.get(key), evidence.slurms.get(key)) for key in evidence.keys)
    causes = (Cause(_row_kind(*rows), _name(*rows), _in_gap(rows[0], gap) - _in_gap(rows[1], gap)) for rows in pairs)
    return [cause for cause in causes if cause.gpu_seconds]


def _in_gap(row: Row | None, gap: Gap) -> int:
    return row.gpu_seconds(gap.span) if row is not None and row.pair == gap.pair else 0


def _name(*rows: Row | None) -> str:
    return next(row.what for row in rows if row is not None)


def _row_kind(ours: Row | None, slurms: Row | None) -> Kind:
    if slurms is None:
        return Kind.GONE
    if ours is None:
        return Kind.UNREAD
    if ours.runaway:
        return Kind.RUNAWAY
    return Kind.HELD if ours.held else Kind.UNREAD


# --- sreport says something else than Slurm's rows ---


def _reservation_causes(gap: Gap, evidence: Evidence) -> list[Cause]:
    shares = ((row, idle_share(row, *gap.span)) for row in evidence.reservations if gap.pair in row.holders)
    return [Cause(Kind.RESERVATION, row.name, -share) for row, share in shares if share]


def _name_misplaced(gaps: Sequence[Gap]) -> None:
    """A broken tree: what a person used in one account stands, to the second, in another one of theirs."""
    for missing in gaps:
        amount = missing.unexplained
        if amount <= 0 or missing.slurm:
            continue
        theirs = (gap for gap in gaps if (gap.span, gap.pair[1]) == (missing.span, missing.pair[1]))
        if found := next((gap for gap in theirs if gap.unexplained == -amount), None):
            missing.causes.append(Cause(Kind.TREE, found.pair[0], amount))
            found.causes.append(Cause(Kind.TREE, missing.pair[0], -amount))


def _late_causes(gap: Gap, evidence: Evidence) -> list[Cause]:
    """Rows that were not, or not yet so, in slurmdbd when it summed the hour up.

    Such a row is missing from the sum, or still ran when the hour ended. Only what adds up to the second counts; a row
    that was corrected after its end may have said anything before that its time allows.
    """
    if not gap.unexplained or not gap.span.is_hour:
        return []
    rows = [row for row in evidence.changed_after(gap.span.end) if row.pair == gap.pair]
    return _exactly(gap.unexplained, [(row, _misses(row, gap.span)) for row in rows]) or _corrected(gap, rows)


def _misses(row: Row, span: Span) -> list[int]:
    """By how much the sum may lack what the row holds now: all of it, or (below zero) it was thought to run on."""
    now = row.gpu_seconds(span)
    ran_on = row.gpus * clipped_seconds(row.start, span.end, *span)
    misses = [now] if now and row.came_after(span.end) else []
    return [*misses, now - ran_on] if ran_on > now else misses


def _exactly(amount: int, rows: Sequence[tuple[Row, list[int]]]) -> list[Cause]:
    """The fewest rows whose misses add up to the amount; none where no choice does."""
    reached: dict[int, list[Cause]] = {0: []}
    for row, misses in rows:
        kind = Kind.RUNAWAY if row.runaway else Kind.LATE
        for total, causes in list(reached.items()):
            for miss in misses:
                more = [*causes, Cause(kind, row.what, miss)]
                known = reached.get(total + miss)
                if known is None or len(more) < len(known):
                    reached[total + miss] = more
        if len(reached) > MOST_SUMS:
            break
    return reached.get(amount, [])


def _corrected(gap: Gap, rows: Iterable[Row]) -> list[Cause]:
    hour = clipped_seconds(*gap.span, *gap.span)
    for row in rows:
        before = row.gpu_seconds(gap.span) - gap.unexplained
        if row.corrected_after(CORRECTED) and 0 <= before <= row.gpus * hour:
            return [Cause(Kind.RUNAWAY if row.runaway else Kind.LATE, row.what, gap.unexplained)]
    return []
