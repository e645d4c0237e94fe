"""Holding slurmctld's counters against the ledger, and what follows: an offset moved, or a person told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Sum
from django.utils.translation import gettext_noop

from accounting.counter_check import FLOORED_SECONDS, Finding, Recent, Shape, Sums, counter_lag, judge, overcounted
from accounting.models import Counter, Deviation, IngestMark, Job, QueueJob, UsageDay
from accounting.usage import SECOND, seconds
from allocations.models import Account, GrantLine, Project, Rebase
from allocations.services.accounts import account_rebase
from allocations.services.ledger import charged_gpu_seconds
from allocations.workflow import LostRace
from portal.live.notices import announce
from portal.people.models import User

# A job's end is in the counter within seconds (slurm-facts section 4).
SETTLED = timedelta(minutes=1)
# Readings further apart than this say nothing about one another.
MOST_APART = timedelta(minutes=5)
# How often an agreement that is no news is written down.
AGREED_AGAIN = timedelta(minutes=10)

REASONS = {
    Finding.BEHIND: gettext_noop("The counter lies below what was charged"),
    Finding.CAUGHT_UP: gettext_noop("The counter has caught up again"),
    Finding.OVERCOUNT: gettext_noop("Slurm counted resized or heterogeneous jobs too high"),
}
CAUSES = {
    Finding.BEHIND: Rebase.Cause.BEHIND,
    Finding.CAUGHT_UP: Rebase.Cause.CAUGHT_UP,
    Finding.OVERCOUNT: Rebase.Cause.OVERCOUNT,
}


@dataclass
class HoldReport:
    """Accounts held against the ledger, whose offset moved, and whose counter lies too high for no known reason."""

    held: int = 0
    rebased: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)


def hold_counters(at: datetime) -> HoldReport:
    """Judge every leaf whose figures are fresh. A handful of queries, however many accounts agree.

    A counter that fell since its last reading is not waited for: accounting/live_queue.py tightens as it reads.
    """
    report, agreed = HoldReport(), []
    deviations = {row.account_name: row for row in Deviation.objects.filter(kind=Deviation.Kind.AHEAD, closed_at=None)}
    for counter, sums in _sums(at):
        report.held += 1
        if sums.difference > sums.ledger_lag and sums.quiet:
            sums = _with_causes(counter, sums)
        verdict = judge(sums)
        name = counter.account.name
        if verdict.offset != sums.offset and _rebase(counter.account, sums, verdict.finding, verdict.offset, at):
            report.rebased.append(name)
        if verdict.finding is Finding.AHEAD:
            report.ahead.append(name)
            _deviates(deviations.get(name), counter.account, sums, at)
        elif name in deviations:
            _close(deviations[name], at)
        if sums.quiet and verdict.finding is not Finding.AHEAD:
            agreed.append((counter, verdict.finding))
    _note_agreed(agreed, at)
    _note_misplaced(at)
    return report


def deviation_sums(deviation: Deviation) -> Sums | None:
    """The two sums as they stand now, for a person to decide on; None where the account has no counter."""
    counter = Counter.objects.select_related("account").filter(account__name=deviation.account_name).first()
    if counter is None:
        return None
    account = counter.account
    quiet = not QueueJob.objects.filter(account=account).exclude(state="PENDING").exists()
    return Sums(counter.used_gpu_seconds, charged_gpu_seconds(account), account.offset_gpu_seconds, quiet)


@transaction.atomic
def deviation_rebase(*, deviation: Deviation, expected_offset: int, reason: str, by: User, at: datetime) -> Rebase:
    """Set the offset so that counter and charges agree as they stand now, by an operator's decision.

    `expected_offset` is the one that the operator was shown. Raises LostRace where it changed meanwhile, or the
    deviation was dealt with; Refused where the operator has a stake in the project.
    """
    deviation = Deviation.objects.select_for_update().get(pk=deviation.pk)
    account = Account.objects.select_related("project").filter(name=deviation.account_name).first()
    sums = deviation_sums(deviation)
    if deviation.closed_at or account is None or sums is None or account.offset_gpu_seconds != expected_offset:
        raise LostRace("rebase")
    rebase = account_rebase(
        account=account,
        offset_gpu_seconds=sums.counter - sums.ledger,
        cause=Rebase.Cause.OPERATOR,
        reason=reason,
        counter=sums.counter,
        ledger=sums.ledger,
        by=by,
        at=at,
    )
    _close(deviation, at)
    return rebase


@transaction.atomic
def deviation_note(*, deviation: Deviation, by: User, at: datetime) -> None:
    """An operator has seen use on an account in which no jobs belong. More of it is said again. Raises LostRace."""
    rows = Deviation.objects.filter(pk=deviation.pk, kind=Deviation.Kind.MISPLACED, closed_at=None)
    if not rows.update(closed_at=at, closed_by=by):
        raise LostRace("deviation_note")
    announce(["operations"], "operations.refreshed")


# --- The two sums ---


def _sums(at: datetime) -> Iterator[tuple[Counter, Sums]]:
    mark = IngestMark.current()
    if mark.read_until is None or at - mark.read_until > MOST_APART:
        return
    rows = Counter.objects.filter(account__managed=True).select_related("account__project", "account__pool")
    counters = [counter for counter in rows if abs(mark.read_until - counter.read_at) < MOST_APART]
    ledger, running = _ledger(), _running()
    recent = _recent(at, {job_id for _account, job_id in running})
    busy = {account for account, _job_id in running}
    for counter in counters:
        account = counter.account
        runs = recent[account.name]
        quiet = not runs and account.pk not in busy and mark.read_until >= counter.read_at
        gap = abs(mark.read_until - counter.read_at)
        installed = account.pool.gpus * ((gap + SETTLED) // SECOND)
        sums = Sums(
            counter=counter.used_gpu_seconds,
            ledger=ledger.get((account.project_id, account.pool_id), 0),
            offset=account.offset_gpu_seconds,
            quiet=quiet,
            counter_lag=counter_lag(runs, gap) + (0 if counter.exact else FLOORED_SECONDS),
            ledger_lag=0 if quiet else installed,
        )
        yield counter, sums


def _ledger() -> dict[tuple[int, int], int]:
    rows = GrantLine.objects.order_by().values_list("grant__project", "pool")
    return {(project, pool): used for project, pool, used in rows.annotate(Sum("charged_gpu_seconds"))}


def _recent(at: datetime, running: Collection[int]) -> defaultdict[str, list[Recent]]:
    """Runs that go on, or ended so short a time before the counters were read that these may lack some of them."""
    rows = Job.objects.filter(start__isnull=False, gpus__gt=0).filter(Q(final=False) | Q(end__gt=at - 2 * SETTLED))
    recent: defaultdict[str, list[Recent]] = defaultdict(list)
    for row in rows.only("account", "job_id", "gpus", "start", "end", "last_seen_at", "final").order_by():
        if row.start is not None:
            runaway = not row.final and row.job_id not in running
            recent[row.account].append(Recent(row.gpus, row.start, row.until, runaway))
    return recent


def _running() -> set[tuple[int, int]]:
    """(account, job id) of what slurmctld has running."""
    return set(QueueJob.objects.exclude(state="PENDING").values_list("account", "job_id"))


def _with_causes(counter: Counter, sums: Sums) -> Sums:
    """The sums with what may account for a counter that lies too high."""
    rebases, jobs = counter.account.rebases.filter(by=None), Job.objects.filter(account=counter.account.name)
    if counter.agreed_at:
        rebases, jobs = rebases.filter(at__gt=counter.agreed_at), jobs.filter(end__gt=counter.agreed_at)
    own = rebases.filter(cause__in=[Rebase.Cause.FALLEN, Rebase.Cause.BEHIND])
    taken = own.aggregate(sum=Sum(F("before_gpu_seconds") - F("after_gpu_seconds")))["sum"] or 0
    odd = jobs.filter(Q(state="RESIZING") | Q(display_id__contains="+"), final=True, start__isnull=False)
    return replace(sums, taken_back=taken, overcounted=sum(overcounted(_shape(job)) for job in odd))


def _shape(job: Job) -> Shape:
    length = seconds(job.start, job.until) if job.start else 0
    return Shape(job.state, job.display_id, job.gpus, length, 60 * (job.time_limit_minutes or 0))


# --- What follows ---


def _rebase(account: Account, sums: Sums, finding: Finding, offset: int, at: datetime) -> bool:
    try:
        account_rebase(
            account=account,
            offset_gpu_seconds=offset,
            cause=CAUSES[finding],
            reason=REASONS[finding],
            counter=sums.counter,
            ledger=sums.ledger,
            by=None,
            at=at,
        )
    except LostRace:  # an operator was faster; the next look sees what they did
        return False
    return True


def _deviates(known: Deviation | None, account: Account, sums: Sums, at: datetime) -> None:
    """Open the deviation, or bring the open one up to date; `since` stays."""
    figures = {
        "counter_gpu_seconds": sums.counter,
        "ledger_gpu_seconds": sums.ledger,
        "offset_gpu_seconds": sums.offset,
        "difference_gpu_seconds": sums.difference,
    }
    if known is None:
        Deviation.objects.create(kind=Deviation.Kind.AHEAD, account_name=account.name, since=at, **figures)
    elif any(getattr(known, name) != value for name, value in figures.items()):
        Deviation.objects.filter(pk=known.pk).update(**figures)
    else:
        return
    announce(["operations"], "operations.refreshed")


def _close(deviation: Deviation, at: datetime) -> None:
    Deviation.objects.filter(pk=deviation.pk, closed_at=None).update(closed_at=at)
    announce(["operations"], "operations.refreshed")


def _note_agreed(agreed: Iterable[tuple[Counter, Finding]], at: datetime) -> None:
    """From here on, only what comes later can account for a difference: nothing is given back twice."""
    news = [
        counter.pk
        for counter, finding in agreed
        if finding is not Finding.AGREES or counter.agreed_at is None or at - counter.agreed_at > AGREED_AGAIN
    ]
    Counter.objects.filter(pk__in=news).update(agreed_at=at)


def _note_misplaced(at: datetime) -> None:
    """Use on accounts of ours that are no leaves, where no limit binds: once, and again where it has grown."""
    codes = Project.objects.values("code")
    ours = Q(account_name__in=codes) | Q(account_name=settings.SLURM_ROOT_ACCOUNT)
    rows = UsageDay.objects.filter(ours, account__isnull=True).order_by().values_list("account_name")
    for name, used in rows.annotate(Sum("gpu_seconds")):
        known = Deviation.objects.filter(kind=Deviation.Kind.MISPLACED, account_name=name).first()
        if used and (known is None or (known.closed_at and used > known.counter_gpu_seconds)):
            Deviation.objects.create(
                kind=Deviation.Kind.MISPLACED,
                account_name=name,
                since=at,
                counter_gpu_seconds=used,
                difference_gpu_seconds=used,
            )
            announce(["operations"], "operations.refreshed")
