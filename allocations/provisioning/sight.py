"""All that a pass looks at: what should be, what is, what was, and what is known of the way from one to the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from allocations.models import Account, Cluster, Drift, StopOrder
from allocations.provisioning.desired import desired_state
from allocations.provisioning.differences import Difference, DriftKey, differences
from allocations.provisioning.drift import is_deleted_account, open_drifts, released, waits
from allocations.provisioning.holds import held
from allocations.provisioning.known import Known, associations, last_read_back
from allocations.provisioning.plan import plan, tightens
from allocations.provisioning.stopping import cancellings, open_orders
from allocations.provisioning.tree import Key
from portal.slurm.gateway import SlurmGateway
from portal.slurm.types import ClusterState, Operation, UnparkAccount


@dataclass
class Sight:
    """`accounts`: those the portal looks after; `linked`: names of those it only knows; `before`: what was last read
    back; `drifts`: the open ones; `orders`: open orders to end jobs."""

    cluster: Cluster
    accounts: list[Account]
    linked: frozenset[str]
    desired: ClusterState
    observed: ClusterState
    before: dict[Key, Known]
    holds: set[Key]
    drifts: dict[DriftKey, Drift]
    orders: list[StopOrder]

    @property
    def may_open(self) -> set[Key]:
        """What the portal may let work again: it has stopped it itself, or an operator says so."""
        return self.holds | released(self.drifts)

    @property
    def waits(self) -> frozenset[DriftKey]:
        return waits(self.drifts, self.cluster)

    @property
    def revived(self) -> frozenset[str]:
        """Accounts that somebody deleted: Slurm counts from nothing again there, so they stay shut until the counters
        were read and the limits follow them."""
        return frozenset(key[1] for key in self.drifts if is_deleted_account(key))

    def now(self) -> dict[Key, Known]:
        return associations(self.observed)

    def differences(self) -> list[Difference]:
        return list(differences(self.desired, self.observed, holds=self.holds, linked=self.linked))

    def left_to_a_person(self) -> list[Difference]:
        return [difference for difference in self.differences() if difference.is_left_to_a_person]

    def plan(self, waiting: Collection[Key] = frozenset()) -> list[Operation]:
        """What is to be done, jobs that are to end at once included: after all that keeps new ones from starting."""
        steps = plan(self.desired, self.observed, holds=self.may_open, waits=self.waits, waiting=waiting)
        shut = {UnparkAccount(account) for account in self.revived}
        operations = [step for step in steps if step not in shut]
        ends = [end for order in self.orders for end in cancellings(order, self.accounts, self.observed)]
        place = next((n for n, step in enumerate(operations) if not tightens(step, self.observed)), len(operations))
        return [*operations[:place], *ends, *operations[place:]]


def look(gateway: SlurmGateway, cluster: Cluster, *, at: datetime) -> Sight:
    """Everything as it stands at `at`, in seven queries, however many projects there are."""
    accounts = list(Account.objects.select_related("project", "pool"))
    managed = [account for account in accounts if account.managed]
    return Sight(
        cluster=cluster,
        accounts=managed,
        linked=frozenset(account.name for account in accounts if not account.managed),
        desired=desired_state(gateway.root_account, at=at, accounts=managed),
        observed=gateway.snapshot(),
        before=last_read_back(),
        holds=held(),
        drifts=open_drifts(),
        orders=open_orders(),
    )
