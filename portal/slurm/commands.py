"""The driver that speaks to Slurm through its own commands: any version from 22.05 on.

sacctmgr, sacct and sreport are told the cluster. squeue, scancel, scontrol and sshare ask the slurmctld of the
slurm.conf they find: naming a cluster there would make them depend on slurmdbd. config() tells its name.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from portal.slurm import capacity, config, queue, reservations, sacct, sequence, sreport, sshare, unix, writes
from portal.slurm.associations import (
    DEFAULTS_FIELDS,
    FIELDS,
    LINEAGE,
    OTHERS_FIELDS,
    AssociationRow,
    accounts_below,
    cluster_state,
    parse_associations,
    parse_defaults,
    parse_others,
)
from portal.slurm.errors import SlurmRefused, SlurmUnavailable, SlurmUnreadable
from portal.slurm.health import read_health
from portal.slurm.names import LISTED, checked_cluster, checked_root
from portal.slurm.run import SECONDS, Answer, Runner
from portal.slurm.sentences import noop as _
from portal.slurm.types import (
    CancelJobs,
    ClusterState,
    Counter,
    CreateAccount,
    Health,
    JobRecord,
    NodeGroup,
    Operation,
    OtherAccount,
    PausePerson,
    QosConfig,
    QueueEntry,
    Reservation,
    SetDefaultAccount,
    SlurmConfig,
    UnreadableRow,
    Utilisation,
)

# Writers that run at the same time lose one another's changes on 22.05 (slurm-facts 1.2).
WRITER = threading.Lock()
# 22.05 may lose a write to a deadlock in its database and say that all is well.
ATTEMPTS = 2
SINCE_LINEAGE = (23, 11)
SINCE_EXACT_COUNTERS = (24, 11)
VERSION = re.compile(r"\D*(\d+)\.(\d+)")
NOT_REACHED = re.compile(r"connect|contact|communication|timed out|talking to the database", re.IGNORECASE)
CANCEL_SECONDS = 10.0
CANCEL_STEP = 0.2


class CommandsGateway:
    """portal/slurm/gateway.py over Slurm's commands, run here or behind a prefix such as ("ssh", "slurm-mgmt")."""

    driver = "commands"

    def __init__(
        self, cluster: str, root_account: str, prefix: Sequence[str] = (), *, seconds: float = SECONDS
    ) -> None:
        self.cluster = checked_cluster(cluster)
        self.root_account = checked_root(root_account)
        self.runner = Runner(prefix, seconds=seconds)
        # Which accounts were read for the last write to an account: the next one asks for them in one command.
        self._asked: dict[str, frozenset[str]] = {}

    @cached_property
    def version(self) -> tuple[int, int]:
        """Year and month of the commands' version. Raises SlurmUnavailable where they are not installed."""
        return parse_version(self.runner.read("sacctmgr", "-V"))

    # --- the state that is compared ---

    def snapshot(self) -> ClusterState:
        return cluster_state(self._associations(), self.root_account, self._defaults())

    def other_accounts(self) -> list[OtherAccount]:
        return parse_others(self.runner.read(*self.show_associations(OTHERS_FIELDS)), self.root_account)

    def execute(self, operation: Operation) -> str:
        """One operation; see SlurmGateway.execute.

        PausePerson may raise SlurmUnavailable when the person is paused already but waiting jobs could not be
        cancelled (slurmctld down), CancelJobs when not all jobs have ended yet: do it again then.
        """
        writes.check(operation)
        with WRITER:
            before = self._lineage(operation)
            parents = {row.account: row.parent for row in before}
            writes.check_place(operation, self.root_account, parents)
            words = "" if isinstance(operation, CancelJobs) else self._write(operation, before)
        if isinstance(operation, CancelJobs):
            return self._cancel(operation.account, operation.user)
        if isinstance(operation, PausePerson):
            self._cancel(operation.account, operation.user, state="PENDING")
        return words

    def sequence(self) -> int:
        return sequence.parse_sequence(self.runner.read(*sequence.read_command(self.root_account)))

    def set_sequence(self, number: int) -> None:
        command = sequence.write_command(self.root_account, number)
        with WRITER:
            for _attempt in range(ATTEMPTS):
                answer = self.runner.run(*command)
                if self.sequence() == number:
                    return
                if answer.code != 0:
                    raise _failure(answer)
        raise _not_made(self.root_account, answer)

    # --- what was used ---

    def counters(self) -> Mapping[str, Counter]:
        below = accounts_below(self._associations("user="), self.root_account)
        if self.version >= SINCE_EXACT_COUNTERS:
            return sshare.parse_json(self.runner.read(*sshare.JSON_COMMAND), below)
        return sshare.parse_text(self.runner.read(*sshare.TEXT_COMMAND), below)

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        """Rows of all accounts that started before `until` and had not ended before `since`; running ones too.

        The true times, as slurmdbd has them, also beyond `until`. Waiting jobs are not among them. An `until` in the
        future means now.
        """
        until = min(until, datetime.now(UTC))
        if since >= until:
            return iter(())
        rows = sacct.parse_jobs(self.runner.lines(*sacct.command(self.cluster, since, until)))
        return (row for row in rows if sacct.in_window(row, since, until))

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        """Of all accounts, also those not below the root. Raises ValueError where the hours are not whole."""
        return sreport.parse_usage(self.runner.read(*sreport.command(self.cluster, start, end)))

    def utilisation(self, start: datetime, end: datetime, kinds: Collection[str]) -> Mapping[str, Utilisation]:
        """Of the whole cluster. Raises ValueError where the hours are not whole."""
        return sreport.parse_utilisation(
            self.runner.read(*sreport.utilisation_command(self.cluster, start, end, kinds))
        )

    def reservations(self, start: datetime, end: datetime) -> list[Reservation]:
        text = self.runner.read(*reservations.command(self.cluster, start, end))
        if not text.strip():
            return []
        holders = reservations.parse_holders(self.runner.read(*reservations.holders_command(self.cluster)))
        found = reservations.parse_reservations(text, holders)
        jobs = self.runner.lines(*reservations.jobs_command(self.cluster, start, end)) if found else ()
        return reservations.with_jobs(found, jobs)

    # --- now ---

    def queue(self) -> list[QueueEntry]:
        return queue.parse_queue(self.runner.read(*queue.command()))

    def capacity(self) -> list[NodeGroup]:
        return capacity.node_groups(capacity.parse_nodes(self.runner.read(*capacity.COMMAND)))

    def config(self) -> SlurmConfig:
        settings = self.runner.read(*config.SETTINGS_COMMAND)
        partitions = self.runner.read(*config.PARTITIONS_COMMAND)
        return config.parse_config(settings, partitions, self.qos_settings())

    def qos_settings(self) -> tuple[QosConfig, ...]:
        return config.parse_qos(self.runner.read(*config.QOS_COMMAND))

    def health(self) -> Health:
        return read_health(self.runner, self.cluster)

    def known_people(self, users: Collection[str]) -> frozenset[str]:
        return unix.known(self.runner, users)

    # --- how ---

    def _associations(self, *conditions: str) -> list[AssociationRow]:
        with_lineage = self.version >= SINCE_LINEAGE
        fields = FIELDS + LINEAGE if with_lineage else FIELDS
        text = self.runner.read(*self.show_associations(fields, *conditions))
        return parse_associations(text, with_lineage=with_lineage)

    def _lineage(self, operation: Operation) -> list[AssociationRow]:
        """Rows of the account, of the one it shall hang below, and of all above them up to the root account.

        Reading the whole tree before each write takes Slurm longer the more projects there are. A name that is no
        plain word is not put into a command, so what hangs below such an account is not seen to be below the root.
        """
        rows: dict[str, AssociationRow] = {}
        asked: set[str] = set()
        account = writes.account_of(operation)
        names = {account, self.root_account, *self._asked.get(account, ())}
        if isinstance(operation, CreateAccount):
            names.add(operation.parent)
        while names:
            asked |= names
            found = self._associations(f"account={','.join(sorted(names))}", "user=")
            rows |= {row.account: row for row in found if not row.user}
            above = {row.parent for row in rows.values() if row.account != self.root_account}
            names = {name for name in above - asked if LISTED.fullmatch(name)}
        self._asked[account] = frozenset(asked)
        return list(rows.values())

    def show_associations(self, fields: str, *conditions: str) -> tuple[str, ...]:
        """The command that reads the association tree of the cluster."""
        place = (f"cluster={self.cluster}", *conditions)
        return ("sacctmgr", "-P", "-n", "show", "assoc", *place, f"format={fields}")

    def show_defaults(self, *conditions: str) -> tuple[str, ...]:
        """The command that reads everybody's default account on the cluster."""
        place = (f"cluster={self.cluster}", *conditions)
        return ("sacctmgr", "-P", "-n", "show", "user", *place, f"format={DEFAULTS_FIELDS}")

    def _defaults(self, *conditions: str) -> dict[str, str]:
        return parse_defaults(self.runner.read(*self.show_defaults(*conditions)))

    def _write(self, operation: writes.SacctmgrOperation, before: Sequence[AssociationRow]) -> str:
        account = writes.account_of(operation)
        exists = any(row.account == account for row in before)
        if isinstance(operation, CreateAccount) and writes.is_done(operation, cluster_state(before, account)):
            return ""
        for _attempt in range(ATTEMPTS):
            answer = self.runner.run(*writes.command(operation, self.cluster, exists=exists))
            if writes.is_done(operation, self._read_back(operation)):
                return answer.words
            if answer.code != 0:
                raise _failure(answer)
        raise _not_made(account, answer)

    def _read_back(self, operation: writes.SacctmgrOperation) -> ClusterState:
        account = writes.account_of(operation)
        defaults = self._defaults(f"name={operation.user}") if isinstance(operation, SetDefaultAccount) else {}
        return cluster_state(self._associations(f"account={account}"), account, defaults)

    def _cancel(self, account: str, user: str, state: str = "") -> str:
        """Cancel jobs of the account, of one person or of everybody, in one state or in all, and see them gone.

        A person whom Slurm's host does not know has no jobs, and scancel would refuse the name: so look first.
        """
        if not self._has_jobs(account, user, state):
            return ""
        answer = self.runner.run(*queue.cancel_command(account, user, state))
        until = time.monotonic() + CANCEL_SECONDS
        while self._has_jobs(account, user, state):
            if time.monotonic() > until:
                message = _("Jobs of %(user)s in %(account)s could not be cancelled.")
                raise SlurmUnavailable(message, user=user or "*", account=account, words=answer.words)
            time.sleep(CANCEL_STEP)
        return answer.words

    def _has_jobs(self, account: str, user: str, state: str) -> bool:
        """Jobs whose processes are being cleared away have ended."""
        entries = queue.parse_queue(self.runner.read(*queue.command(account=account, states=state)))
        return any(user in ("", entry.user) and entry.state != queue.ENDING for entry in entries)


def parse_version(text: str) -> tuple[int, int]:
    """Year and month from `slurm-wlm 22.05.8`. Raises SlurmUnreadable for anything else."""
    match = VERSION.match(text)
    if match is None:
        raise SlurmUnreadable(_("sacctmgr does not tell its version."), words=text.strip())
    return int(match[1]), int(match[2])


def _failure(answer: Answer) -> SlurmRefused | SlurmUnavailable:
    """Why a write failed. The state decided that it did; the words only tell whether to try again."""
    if NOT_REACHED.search(answer.words):
        return SlurmUnavailable(_("Slurm's accounting did not answer."), words=answer.words)
    return SlurmRefused(_("Slurm refused the change."), words=answer.words)


def _not_made(account: str, answer: Answer) -> SlurmRefused:
    message = _("Slurm accepted the change of %(account)s but did not make it.")
    return SlurmRefused(message, account=account, words=answer.words)
