"""All that the rest of the portal knows of Slurm. Drivers: commands.py (any from 22.05) and native.py (pyslurm)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

from portal.slurm.types import (
    ClusterState,
    Counter,
    JobRecord,
    NodeGroup,
    Operation,
    QueueEntry,
    SlurmConfig,
    UnreadableRow,
)


class SlurmGateway(Protocol):
    """Every method may raise SlurmError (portal/slurm/errors.py)."""

    driver: str
    root_account: str

    def snapshot(self) -> ClusterState:
        """Accounts and people below the root account, the root included; empty where it does not exist yet."""

    def execute(self, operation: Operation) -> str:
        """Do one operation, read it back, and return Slurm's words. Doing it again changes nothing.

        Raises SlurmRefused where reading back shows that it was not done.
        """

    def counters(self) -> Mapping[str, Counter]:
        """slurmctld's live usage counters of the accounts below the root, by account."""

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        """Job rows that ran, or ended, at some moment in [since, until), with their true, unclipped times."""

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        """GPU-seconds by (account, user) as Slurm's own `sreport` says, for whole hours; rows with a login only."""

    def queue(self) -> list[QueueEntry]:
        """Jobs waiting and running now."""

    def capacity(self) -> list[NodeGroup]: ...

    def config(self) -> SlurmConfig: ...

    def foreign_accounts(self) -> list[str]:
        """Accounts that are not below the root account: shown to the operator, never touched."""
