"""The driver that speaks to Slurm through its own commands: any version from 22.05 on.

sacctmgr, sacct and sreport are told the cluster. squeue, scancel, scontrol and sshare ask the slurmctld of the
slurm.conf they find: naming a cluster there would make them depend on slurmdbd. config() tells its name.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property

from portal.slurm import capacity, config, queue, sacct, sreport, sshare, writes
from portal.slurm.associations import (
    FIELDS,
    LINEAGE,
    AssociationRow,
    accounts_below,
    cluster_state,
    is_below,
    parse_associations,
    parse_parents,
)
from portal.slurm.errors import SlurmRefused, SlurmUnavailable, SlurmUnreadable
from portal.slurm.names import SLURM_ROOT, checked_cluster, checked_root
from portal.slurm.run import SECONDS, Answer, Runner
from portal.slurm.sentences import noop as _
from portal.slurm.types import (
    ClusterState,
    Counter,
    CreateAccount,
    JobRecord,
    NodeGroup,
    Operation,
    PausePerson,
    QueueEntry,
    SlurmConfig,
    UnreadableRow,
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

    @cached_property
    def version(self) -> tuple[int, int]:
        """Year and month of the commands' version. Raises SlurmUnavailable where they are not installed."""
        return parse_version(self.runner.read("sacctmgr", "-V"))

    # --- the state that is compared ---

    def snapshot(self) -> ClusterState:
        return cluster_state(self._associations(), self.root_account)

    def foreign_accounts(self) -> list[str]:
        text = self.runner.read(*self.show_associations("account,parentname", "user="))
        parents = parse_parents(text)
        below = {name for name in parents if is_below(name, self.root_account, parents)}
        return sorted(parents.keys() - below - {SLURM_ROOT})

    def execute(self, operation: Operation) -> str:
        """One operation; see SlurmGateway.execute.

        PausePerson may raise SlurmUnavailable when the person is paused already but waiting jobs could not be
        cancelled (slurmctld down): do it again then.
        """
        writes.check(operation)
        with WRITER:
            before = self._associations("user=")
            parents = {row.account: row.parent for row in before}
            writes.check_place(operation, self.root_account, parents)
            words = self._write(operation, before)
        if isinstance(operation, PausePerson):
            self._cancel_waiting(operation.account, operation.user)
        return words

    # --- what was used ---

    def counters(self) -> Mapping[str, Counter]:
        below = accounts_below(self._associations("user="), self.root_account)
        if self.version >= SINCE_EXACT_COUNTERS:
            return sshare.parse_json(self.runner.read(*sshare.JSON_COMMAND), below)
        return sshare.parse_text(self.runner.read(*sshare.TEXT_COMMAND), below)

    def jobs(self, since: datetime, until: datetime) -> Iterator[JobRecord | UnreadableRow]:
        """Rows of all accounts that started before `until` and had not ended before `since`; running ones too.

        The true times, as slurmdbd has them, also beyond `until`. Waiting jobs are not among them. An `until` in the
        future means now. Nothing can be concluded from the rows if the iteration ends in SlurmUnavailable.
        """
        until = min(until, datetime.now(UTC))
        if since >= until:
            return
        rows = sacct.parse_jobs(self.runner.lines(*sacct.command(self.cluster, since, until)))
        yield from (row for row in rows if sacct.in_window(row, since, until))

    def usage(self, start: datetime, end: datetime) -> Mapping[tuple[str, str], int]:
        """Of all accounts, also those not below the root. Raises ValueError where the hours are not whole."""
        return sreport.parse_usage(self.runner.read(*sreport.command(self.cluster, start, end)))

    # --- now ---

    def queue(self) -> list[QueueEntry]:
        return queue.parse_queue(self.runner.read(*queue.command()))

    def capacity(self) -> list[NodeGroup]:
        return capacity.node_groups(capacity.parse_nodes(self.runner.read(*capacity.COMMAND)))

    def config(self) -> SlurmConfig:
        settings = self.runner.read(*config.SETTINGS_COMMAND)
        partitions = self.runner.read(*config.PARTITIONS_COMMAND)
        return config.parse_config(settings, partitions, self.runner.read(*config.QOS_COMMAND))

    # --- how ---

    def _associations(self, *conditions: str) -> list[AssociationRow]:
        with_lineage = self.version >= SINCE_LINEAGE
        fields = FIELDS + LINEAGE if with_lineage else FIELDS
        text = self.runner.read(*self.show_associations(fields, *conditions))
        return parse_associations(text, with_lineage=with_lineage)

    def show_associations(self, fields: str, *conditions: str) -> tuple[str, ...]:
        """The command that reads the association tree of the cluster."""
        place = (f"cluster={self.cluster}", *conditions)
        return ("sacctmgr", "-P", "-n", "show", "assoc", *place, f"format={fields}")

    def _write(self, operation: Operation, before: Sequence[AssociationRow]) -> str:
        account = writes.account_of(operation)
        exists = any(row.account == account for row in before)
        if isinstance(operation, CreateAccount) and writes.is_done(operation, cluster_state(before, account)):
            return ""
        for _attempt in range(ATTEMPTS):
            answer = self.runner.run(*writes.command(operation, self.cluster, exists=exists))
            rows = self._associations(f"account={account}")
            if writes.is_done(operation, cluster_state(rows, account)):
                return answer.words
            if answer.code != 0:
                raise _failure(answer)
        raise SlurmRefused(
            _("Slurm accepted the change of %(account)s but did not make it."), account=account, words=answer.words
        )

    def _cancel_waiting(self, account: str, user: str) -> None:
        """Cancel what of the person's still waits in the account, and see it gone.

        A person whom Slurm's host does not know has no jobs, and scancel would refuse the name: so look first.
        """
        if not self._waiting(account, user):
            return
        answer = self.runner.run("scancel", f"--account={account}", f"--user={user}", "--state=PENDING")
        until = time.monotonic() + CANCEL_SECONDS
        while self._waiting(account, user):
            if time.monotonic() > until:
                raise SlurmUnavailable(
                    _("Waiting jobs of %(user)s in %(account)s could not be cancelled."),
                    user=user,
                    account=account,
                    words=answer.words,
                )
            time.sleep(CANCEL_STEP)

    def _waiting(self, account: str, user: str) -> bool:
        text = self.runner.read(*queue.command(account=account, states="PENDING"))
        return any(entry.user == user for entry in queue.parse_queue(text))


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
