"""What a pass costs the portal itself, without Slurm: its own time and its queries, at one size and at ten times it."""

from __future__ import annotations

from tests.bench import ground  # isort: skip
from django.conf import settings
from django.utils import timezone

from allocations.provisioning.desired import desired_state
from allocations.provisioning.plan import plan
from allocations.provisioning.sync import synchronise
from portal.slurm.fake import FakeGateway
from portal.slurm.types import ClusterState, Counter
from tests.bench.figures import median, seconds

LEAVES, PEOPLE = 601, 4801
TIMES = 5
AIM_SECONDS, AIM_QUERIES = 0.5, 10


class Still(FakeGateway):
    """Nothing was used. What the one in memory reckons itself is not to be measured."""

    def counters(self) -> dict[str, Counter]:
        return {name: Counter(name, 0, 0, row.gpu_minutes, exact=True) for name, row in self.accounts.items()}


def main() -> None:
    ground.migrate()
    measured = 0
    for factor in (1, 10):
        leaves, people = LEAVES * factor, PEOPLE * factor
        each = people // leaves
        sizes = [each + (1 if number < people - each * leaves else 0) for number in range(measured, leaves)]
        ground.add_projects(sizes, first=measured)
        measured = leaves
        measure(f"{leaves} leaves, {people} people", aimed=factor == 1)


def measure(size: str, *, aimed: bool) -> None:
    root = settings.SLURM_ROOT_ACCOUNT
    with ground.counted() as queries:
        desired = desired_state(root, at=timezone.now())
    reading = median(seconds(lambda: desired_state(root, at=timezone.now())) for _ in range(TIMES))
    everything = median(seconds(lambda: plan(desired, ClusterState())) for _ in range(TIMES))
    nothing = median(seconds(lambda: plan(desired, desired)) for _ in range(TIMES))
    assert not plan(desired, desired)
    whole, queries_of_a_pass = quiet_pass(desired)
    print(size)
    told("  what should stand in Slurm", reading, queries.number)
    told("  plan where Slurm has nothing yet", everything)
    told("  plan where Slurm has it all", nothing)
    told("  a whole pass that finds nothing to do", whole, queries_of_a_pass)
    if aimed:
        met = reading + everything < AIM_SECONDS and queries.number <= AIM_QUERIES
        total = f"{reading + everything:.3f} s and {queries.number} queries"
        print(f"  {total} for the plan; aim under {AIM_SECONDS} s and {AIM_QUERIES}: {'met' if met else 'not met'}")


def quiet_pass(desired: ClusterState) -> tuple[float, int]:
    """Median seconds and queries of passes after the one that marked every account."""
    gateway = Still(root_account=settings.SLURM_ROOT_ACCOUNT)
    gateway.accounts |= desired.accounts
    gateway.people |= desired.people
    synchronise(gateway, clock=timezone.now)
    took = median(seconds(lambda: synchronise(gateway, clock=timezone.now)) for _ in range(TIMES))
    with ground.counted() as queries:
        report = synchronise(gateway, clock=timezone.now)
    assert not report.planned
    return took, queries.number


def told(what: str, took: float, queries: int | None = None) -> None:
    print(f"{what:<44}{took:8.3f} s" + (f", {queries} queries" if queries is not None else ""))


if __name__ == "__main__":
    main()
