"""The random histories of test_histories.py, fewer and shorter, on a real Slurm beside the one in memory.

Both hear the same operations and suffer the same by hand. What the portal sees is what Slurm says, and whenever it
looks, and at the end, the two must be equal: so whatever was shown on the cluster in memory is true of Slurm.
"""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from allocations.models import Membership
from allocations.provisioning.sync import SyncReport, synchronise
from portal.slurm.sandbox import Sandbox
from tests.provisioning.both import Both
from tests.provisioning.test_histories import Histories
from tests.provisioning.world import CODES, LEAVES, people_and_projects
from tests.slurm_cluster import own_cluster

__all__ = ["own_cluster"]

pytestmark = pytest.mark.slurm

HISTORIES, STEPS = 10, 16
numbers = count(1)


@pytest.mark.django_db
def test_random_histories_end_as_in_memory(cluster: Sandbox) -> None:
    people_and_projects()

    class OnSlurm(Histories):
        def __init__(self) -> None:
            super().__init__()
            self.both = Both(self.gateway, cluster, f"x{next(numbers)}")

        @initialize()
        def much_is_granted(self) -> None:
            """So that most of what happens next happens to something that is there."""
            for leaf in LEAVES[:3]:
                self.world.award(leaf, 300, begins_in=-1, days=30)
            Membership.objects.filter(project__code=CODES[0]).update(status=Membership.Status.ACTIVE)
            self._quiet_pass()

        def _run(self) -> SyncReport:
            return synchronise(
                self.both, clock=lambda: self.world.now, retry_refused=True, recount=self.world.read_counters
            )

        def _quiet_pass(self) -> None:
            super()._quiet_pass()
            self.both.expect_equal()

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnSlurm,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            # The same ones each time, and not shortened when one fails: both would take too long here.
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
