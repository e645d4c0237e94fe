"""Doing a plan: one operation after another through the gateway, each recorded with Slurm's words.

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
from allocations.provisioning.plan import account_of, lineage, person_of, tightens
from allocations.provisioning.sentences import Sentence, operation_sentence
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import ClusterState, CreateAccount, Operation

# What Slurm refused is tried again after this long, in case a person has cleared the cause meanwhile.
REFUSED_AGAIN = timedelta(minutes=10)
REFUSED_TIGHTENING_AGAIN = timedelta(minutes=1)
# One call that runs out of time must not keep all others waiting; two in a row mean that Slurm is away.
MOST_INTERRUPTIONS = 2

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
    ) -> None:
        self.gateway = gateway
        self.desired = desired
        self.observed = observed
        self.clock = clock
        self.keep_going = keep_going
        self.recently_refused = {} if retry_refused else recent_refusals(clock())
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
            crash_point(f"before_operation:{number}")
            self._execute(operation, number)
            if self.interruptions >= MOST_INTERRUPTIONS:
                break
        return self.outcome

    def _must_wait(self, operation: Operation) -> bool:
        if self._was_refused_just_now(operation):
            self.stopped.add(account_of(operation))
            return True
        return not tightens(operation, self.observed) and not self.stopped.isdisjoint(self._lineage(operation))

    def _was_refused_just_now(self, operation: Operation) -> bool:
        refused_at = self.recently_refused.get(_key(operation_sentence(operation)))
        pause = REFUSED_TIGHTENING_AGAIN if tightens(operation, self.observed) else REFUSED_AGAIN
        return refused_at is not None and self.clock() - refused_at < pause

    def _lineage(self, operation: Operation) -> list[str]:
        return lineage(account_of(operation), self.desired)

    def _execute(self, operation: Operation, number: int) -> None:
        started = time.monotonic()
        failure: SlurmError | None = None
        words = ""
        try:
            words = self.gateway.execute(operation)
        except SlurmError as error:
            failure, words = error, error.words or str(error)
        crash_point(f"after_operation:{number}")
        if isinstance(operation, CreateAccount) and operation.parked:
            crash_point("after_create_leaf")
        milliseconds = round((time.monotonic() - started) * 1000)
        crash_point("before_record")
        _record(operation, failure, words=words, duration_ms=milliseconds, at=self.clock())
        crash_point("after_record")
        self._note(operation, failure, words)

    def _note(self, operation: Operation, failure: SlurmError | None, words: str) -> None:
        if failure is None:
            self.interruptions = 0
            self.outcome.done.append(operation)
            return
        self.stopped.add(account_of(operation))
        if failure.permanent:
            self.outcome.refused.setdefault(account_of(operation), words)
        else:
            self.interruptions += 1
            self.outcome.interrupted = failure


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


def _key(sentence: Sentence) -> str:
    return json.dumps(sentence, sort_keys=True)


def _record(operation: Operation, failure: SlurmError | None, *, words: str, duration_ms: int, at: datetime) -> None:
    OperationRecord.objects.create(
        at=at,
        operation=type(operation).__name__,
        account=account_of(operation),
        person=person_of(operation),
        sentence=operation_sentence(operation),
        succeeded=failure is None,
        permanent=failure is not None and failure.permanent,
        slurm_words=words,
        duration_ms=duration_ms,
    )
