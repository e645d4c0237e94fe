"""All that the rest of the portal knows of Slurm. Drivers: commands.py (any from 22.05) and native.py (pyslurm)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Protocol

from portal.slurm.types import (
    ClusterState,
    Counter,
    Health,
    JobRecord,
    NodeGroup,
    Operation,
    OtherAccount,
    QueueEntry,
    Reservation,
    SlurmConfig,
    UnreadableRow,
    Utilisation,
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
        """Job rows that ran, or ended, at some moment in [since, until), with their true, unclipped times.

        Slurm has answered in full when this returns; the rows are made of its answer one by one, in bounded memory.
        """

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        """GPU-seconds by (account, user) as Slurm's own `sreport` says, for whole hours; rows with a login only."""

    def utilisation(self, start: datetime, end: datetime, kinds: Collection[str]) -> Mapping[str, Utilisation]:
        """Where the time of all GPUs ("") and of these kinds went, for whole hours; a kind that Slurm does not tell is
        left out. Hours that Slurm has not summed up count nothing: where it has none of them the answer is empty."""

    def reservations(self, start: datetime, end: datetime) -> list[Reservation]:
        """Reservations of GPUs at some moment in [start, end): their idle time is part of what `usage` says."""

    def queue(self) -> list[QueueEntry]:
        """Jobs waiting and running now."""

    def capacity(self) -> list[NodeGroup]: ...

    def config(self) -> SlurmConfig: ...

    def health(self) -> Health: ...

    def other_accounts(self) -> list[OtherAccount]:
        """Accounts that are not below the root account: shown to the operator, never touched."""

    def known_people(self, users: Collection[str]) -> frozenset[str]:
        """Those of the names that are Unix users where Slurm is."""

    def sequence(self) -> int:
        """The number that `set_sequence` last left at the root account; 0 where there is none."""

    def set_sequence(self, number: int) -> None:
        """Leave a number at the root account in Slurm, by which a database that is an older backup is known.

        Raises SlurmRefused where the root account does not exist yet.
        """
