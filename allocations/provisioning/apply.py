"""Doing a plan: one operation after another through the gateway, each recorded before and after with Slurm's words.

Slurm is never called inside a transaction. What a crash leaves half done, the next pass finds by comparing again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from allocations.models import Cluster, OperationRecord
from allocations.provisioning.crash import crash_point
from allocations.provisioning.holds import hold_of, take_hold
from allocations.provisioning.plan import tightens
from allocations.provisioning.sentences import Sentence, operation_sentence
from allocations.provisioning.sequence import raise_sequence
from allocations.provisioning.tree import account_of, lineage, person_of
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import ClusterState, CreateAccount, Operation, SetDefaultAccount

# What Slurm refused is tried again after this long, in case a person has cleared the cause meanwhile.
REFUSED_AGAIN = timedelta(minutes=10)
REFUSED_TIGHTENING_AGAIN = timedelta(minutes=1)
# One call that runs out of time must not keep all others waiting; two in a row mean that Slurm is away.
MOST_INTERRUPTIONS = 2
# A call that failed at once, as where slurmdbd is just starting again, is tried a second time after a moment. One that
# ran out of time is not: the next would keep everybody waiting as long.
AT_ONCE_SECONDS = 2.0
RETRY_SECONDS = 0.3

Clock = Callable[[], datetime]


@dataclass
class Outcome:
    """What became of a plan. `refused`: account -> Slurm's words; `interrupted`: why the rest was left for later."""

    done: list[Operation] = field(default_factory=list)
    skipped: list[Operation] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    interrupted: SlurmError | None = None


class Applier:
    """Does operations in their order. Trouble with an account stops what would give rights there and below it;
    what takes rights away is tried all the same, and other accounts go on."""

    def __init__(
        self,
        gateway: SlurmGateway,
        desired: ClusterState,
        observed: ClusterState,
        *,
        clock: Clock,
        keep_going: Callable[[], bool],
        retry_refused: bool,
        by: str,
    ) -> None:
        self.gateway = gateway
        self.desired = desired
        self.observed = observed
        self.clock = clock
        self.keep_going = keep_going
        self.by = by
        self.recently_refused = {} if retry_refused else recent_refusals(clock())
        self.sequence = 0
        self.stopped: set[str] = set()
        self.interruptions = 0
        self.outcome = Outcome()

    def run(self, operations: Iterable[Operation]) -> Outcome:
        """Do what may be done now. Ends early when writing is switched off, on request, or when Slurm is away."""
        for number, operation in enumerate(operations, start=1):
            if not (self.keep_going() and Cluster.objects.filter(writing_enabled=True).exists()):
                break
            if self._must_wait(operation):
                self.outcome.skipped.append(operation)
                continue
            if not self.sequence and not self._begin():
                break
            crash_point(f"before_operation:{number}")
            self._execute(operation, number)
            if self.interruptions >= MOST_INTERRUPTIONS:
                break
        return self.outcome

    def _begin(self) -> bool:
        """Number this pass, and tell Slurm before the first write. Without a root account there is nowhere to tell."""
        self.sequence = raise_sequence()
        if self.gateway.root_account not in self.observed.accounts:
            return True
        return self._tell_sequence()

    def _tell_sequence(self) -> bool:
        try:
            self.gateway.set_sequence(self.sequence)
        except SlurmError as failure:
            self.outcome.interrupted = failure
            return False
        crash_point("sequence_told")
        return True

    def _must_wait(self, operation: Operation) -> bool:
        if self._was_refused_just_now(operation):
            self._stop_account(operation)
            return True
        return not tightens(operation, self.observed) and not self.stopped.isdisjoint(self._lineage(operation))

    def _was_refused_just_now(self, operation: Operation) -> bool:
        refused_at = self.recently_refused.get(_key(operation_sentence(operation)))
        pause = REFUSED_TIGHTENING_AGAIN if tightens(operation, self.observed) else REFUSED_AGAIN
        return refused_at is not None and self.clock() - refused_at < pause

    def _lineage(self, operation: Operation) -> list[str]:
        return lineage(account_of(operation), self.desired)

    def _execute(self, operation: Operation, number: int) -> None:
        if hold := hold_of(operation, self.observed):
            take_hold(hold)
            crash_point("after_hold")
        record = _begun(operation, by=self.by, at=self.clock())
        crash_point("after_begun")
        started = time.monotonic()
        failure, words = self._try(operation)
        crash_point(f"after_operation:{number}")
        if isinstance(operation, CreateAccount) and operation.parked:
            crash_point("after_create_leaf")
        crash_point("before_record")
        _ended(record, failure, words=words, duration_ms=round((time.monotonic() - started) * 1000))
        crash_point("after_record")
        self._note(operation, failure, words)

    def _try(self, operation: Operation) -> tuple[SlurmError | None, str]:
        started = time.monotonic()
        failure, words = _attempt(self.gateway, operation)
        if failure is not None and not failure.permanent and time.monotonic() - started < AT_ONCE_SECONDS:
            time.sleep(RETRY_SECONDS)
            failure, words = _attempt(self.gateway, operation)
        return failure, words

    def _note(self, operation: Operation, failure: SlurmError | None, words: str) -> None:
        if failure is None:
            self.interruptions = 0
            self.outcome.done.append(operation)
            is_root = isinstance(operation, CreateAccount) and operation.name == self.gateway.root_account
            if is_root and not self._tell_sequence():
                self.interruptions = MOST_INTERRUPTIONS
            return
        self._stop_account(operation)
        if not failure.permanent:
            self.interruptions += 1
            self.outcome.interrupted = failure
        elif not isinstance(operation, SetDefaultAccount):
            self.outcome.refused.setdefault(account_of(operation), words)

    def _stop_account(self, operation: Operation) -> None:
        """The account works without its being somebody's default."""
        if not isinstance(operation, SetDefaultAccount):
            self.stopped.add(account_of(operation))


def recent_refusals(at: datetime) -> dict[str, datetime]:
    """Operations whose last attempt within REFUSED_AGAIN before `at` was refused for good, with its time."""
    latest: dict[str, datetime] = {}
    records = OperationRecord.objects.filter(at__gt=at - REFUSED_AGAIN).order_by("pk")
    for sentence, permanent, tried_at in records.values_list("sentence", "permanent", "at"):
        if permanent:
            latest[_key(sentence)] = tried_at
        else:
            latest.pop(_key(sentence), None)
    return latest


def _attempt(gateway: SlurmGateway, operation: Operation) -> tuple[SlurmError | None, str]:
    try:
        return None, gateway.execute(operation)
    except SlurmError as failure:
        return failure, failure.words or str(failure)


def _key(sentence: Sentence) -> str:
    return json.dumps(sentence, sort_keys=True)


def _begun(operation: Operation, *, by: str, at: datetime) -> OperationRecord:
    return OperationRecord.objects.create(
        at=at,
        by=by,
        operation=type(operation).__name__,
        account=account_of(operation),
        person=person_of(operation),
        sentence=operation_sentence(operation),
    )


def _ended(record: OperationRecord, failure: SlurmError | None, *, words: str, duration_ms: int) -> None:
    record.succeeded = failure is None
    record.permanent = failure is not None and failure.permanent
    record.slurm_words, record.duration_ms = words, duration_ms
    record.save(update_fields=["succeeded", "permanent", "slurm_words", "duration_ms"])
