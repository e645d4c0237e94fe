"""The worker: the only process that talks to Slurm. It runs the table of portal/schedule.py, one task at a time.

It may run on another host than the web server; all it needs is the database and Slurm. It never makes migrations: it
waits for them. Where there is no cluster it does the chores alone, and then does not say that Slurm is attached.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg2
from django import db
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from allocations.models import Cluster
from portal.live.notices import announce
from portal.schedule import Chore, Task
from portal.seat import Seat
from portal.slurm.drivers import open_gateway
from portal.slurm.errors import SlurmError
from portal.slurm.gateway import SlurmGateway

log = logging.getLogger("portal.worker")
RETRY_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0


@dataclass
class Turn:
    """When a task is due next, in seconds of the monotonic clock, and what has gone wrong since it last went well."""

    task: Task | Chore
    due_at: float = 0.0
    failures: int = 0
    error: str = ""

    def went_well(self, now: float, *, more: bool) -> None:
        self.failures, self.error = 0, ""
        self.due_at = now if more else now + self.task.every_seconds

    def failed(self, now: float, error: str) -> None:
        """The task rests longer after each failure in a row, up to LONGEST_PAUSE_SECONDS or its own interval."""
        self.failures, self.error = self.failures + 1, error
        longest = max(LONGEST_PAUSE_SECONDS, self.task.every_seconds)
        self.due_at = now + min(self.task.every_seconds * 2 ** (self.failures - 1), longest)


class Worker:
    def __init__(self, tasks: Sequence[Task | Chore], gateway: SlurmGateway | None = None) -> None:
        self.turns = [Turn(task) for task in tasks]
        self.gateway = gateway
        self.minds_slurm = any(isinstance(task, Task) for task in tasks)
        self.stopping = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def stop(self) -> None:
        """End after the operation that is being done now. Safe to call from a signal handler."""
        self.stopping = True
        os.write(self._wake_write, b"!")

    def run(self, *, once: bool = False) -> bool:
        """Work until stopped, or once through the table. Returns whether no task is failing at the end."""
        place = f"for the cluster {settings.SLURM_CLUSTER}" if self.minds_slurm else "without a cluster"
        log.info("Worker %s, tasks: %s.", place, ", ".join(self._names()))
        while not self.stopping:
            try:
                with Seat() as seat:
                    if self._wait_for(seat):
                        self._work(seat, once=once)
                        break
            except (db.Error, psycopg2.Error) as error:
                log.warning("The database does not answer (%s); trying again.", str(error).strip())
                connection.close()
                self._rest(RETRY_SECONDS)
        log.info("Worker ended.")
        return not any(turn.error for turn in self.turns)

    def _names(self) -> list[str]:
        return [turn.task.name for turn in self.turns]

    def _wait_for(self, seat: Seat) -> bool:
        """Wait for the migrations and for the lock; False where stopped meanwhile."""
        said = ""
        while not self.stopping:
            reason = _missing_migrations() or ("" if seat.take() else "for another worker to end")
            if not reason:
                return True
            if reason != said:
                log.info("Waiting %s.", reason)
                said = reason
            self._rest(RETRY_SECONDS)
        return False

    def _work(self, seat: Seat, *, once: bool) -> None:
        """Raises db.Error or psycopg2.Error where the database is lost, and with it the seat."""
        while not self.stopping:
            for turn in self.turns:
                if turn.due_at <= time.monotonic() and not self.stopping:
                    self._heartbeat()
                    self._take_turn(turn, seat)
            if once:
                return
            next_due = min(turn.due_at for turn in self.turns)
            if seat.wait(next_due - time.monotonic(), self._wake_read):
                for turn in self.turns:
                    turn.due_at = 0.0 if turn.task.on_event else turn.due_at

    def _take_turn(self, turn: Turn, seat: Seat) -> None:
        """One failing task never stops the others, whatever it raises."""
        before = self._errors()
        try:
            more = turn.task.take(self._gateway, lambda: not self.stopping and seat.is_held())
            turn.went_well(time.monotonic(), more=more)
        except SlurmError as error:
            log.warning("%s: %s %s", turn.task.name, error, error.words)
            turn.failed(time.monotonic(), f"{error} {error.words}".strip())
        except Exception as error:
            log.exception("%s failed", turn.task.name)
            turn.failed(time.monotonic(), f"{type(error).__name__}: {error}")
            if isinstance(error, db.Error):
                connection.close()
        if self._errors() != before:
            self._store_errors()

    def _gateway(self) -> SlurmGateway:
        if self.gateway is None:
            opened = open_gateway(
                settings.SLURM_GATEWAY,
                settings.SLURM_CLUSTER,
                settings.SLURM_ROOT_ACCOUNT,
                settings.SLURM_COMMAND_PREFIX,
            )
            self.gateway, note = opened.gateway, opened.driver_note
            log.info("Slurm through the driver %s: %s", self.gateway.driver, note)
            self._update_cluster(
                driver=self.gateway.driver, driver_note={"message": note.message, "params": dict(note.params)}
            )
        return self.gateway

    def _errors(self) -> str:
        return "\n".join(f"{turn.task.name}: {turn.error}" for turn in self.turns if turn.error)

    def _store_errors(self) -> None:
        self._update_cluster(last_error=self._errors(), last_error_at=timezone.now())
        announce(["operations"], "operations.refreshed")

    def _heartbeat(self) -> None:
        if self.minds_slurm:
            self._update_cluster(heartbeat_at=timezone.now())

    def _update_cluster(self, **changes: object) -> None:
        Cluster.objects.filter(pk=Cluster.current().pk).update(**changes)

    def _rest(self, seconds: float) -> None:
        select.select([self._wake_read], [], [], seconds)


def _missing_migrations() -> str:
    executor = MigrationExecutor(connection)
    return "for migrations" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else ""
